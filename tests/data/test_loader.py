"""The loader: the same bytes whatever the workers, errors that arrive, and nothing left behind. No test waits for a clock."""

import gc
import os
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data import Minibatches, Split, digits
from minialex.data import loader as room
from minialex.data.augment import Augmentation, ColourNoise
from minialex.data.loader import Loader, LoadError
from minialex.data.views import CentreCrop, TenViews

SHAPE = (3, 6, 7)
SETTINGS = {"colour": ColourNoise(np.array([9.0, 4.0, 1.0]), np.eye(3)), "shrink": 1.1, "mean": 100.0}


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def a_split(N, images=None):
    pixels = np.random.default_rng(N).integers(0, 256, (N, *SHAPE), dtype=np.uint8)
    return Split(pixels if images is None else images(pixels), np.arange(N) % 10)


class Source:
    """Images that call `on_read(indices)` whenever some are read."""

    def __init__(self, pixels, on_read):
        self.pixels, self.on_read = pixels, on_read

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, indices):
        self.on_read(indices)
        return self.pixels[indices]

    def where(self, index):
        return f"cats/{index}.jpg"


def watched(N, on_read):
    return a_split(N, lambda pixels: Source(pixels, on_read))


def bad_at(*bad, error=OSError):
    def on_read(indices):
        if set(bad) & set(np.asarray(indices).tolist()):
            raise error("broken data stream")

    return on_read


# --- the batches -----------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 40),
    st.integers(1, 12),
    st.integers(0, 3),
    st.integers(1, 5),
    st.integers(0, 2**40),
    st.integers(0, 99),
    st.data(),
)
def test_batches_are_what_one_image_at_a_time_gives(N, batch_size, workers, ahead, seed, epoch, data):
    split, augment = a_split(N), Augmentation(SHAPE, (4, 5), **SETTINGS)
    loader = Loader(split, batch_size, augment, seed, workers=workers, ahead=ahead)
    start = data.draw(st.integers(0, len(loader)))
    order, draws = loader.order(epoch), augment.draw(seed, epoch, N)
    assert sorted(order) == list(range(N))
    batches = list(loader.epoch(epoch, start=start))
    assert len(batches) == len(loader) - start
    assert [len(labels) for _, labels in batches] == [min(batch_size, N - at) for at in range(0, N, batch_size)][start:]
    rest = iter(order[start * batch_size :])
    for images, labels in batches:
        assert images.dtype == np.float32
        assert labels.dtype == np.int64
        assert images.transpose(0, 2, 3, 1).flags.c_contiguous
        for image, label in zip(images, labels, strict=True):
            i = next(rest)
            assert label == split.labels[i]
            np.testing.assert_array_equal(image, augment(split.images[[i]], draws.rows([i]))[0])
    assert next(rest, None) is None


def test_images_are_read_in_small_parts_that_change_nothing(monkeypatch):
    split, augment = a_split(37), Augmentation(SHAPE, 5, **SETTINGS)
    expected = list(Loader(split, 16, augment, workers=0).epoch(1))
    read = []
    monkeypatch.setattr(room, "READ", 4 * 3 * 6 * 7 + 1)
    source = watched(37, lambda indices: read.append(len(indices)))
    for (a, _), (b, _) in zip(expected, Loader(source, 16, augment, workers=0).epoch(1), strict=True):
        np.testing.assert_array_equal(a, b)
    assert read == [4, 4, 4, 4] * 2 + [4, 1]


def test_without_augmentation_it_is_what_minibatches_gives():
    data = digits()
    loader = Loader(data.train, 100, CentreCrop(data.image_shape, mean=data.mean, scale=data.scale), seed=5)
    plain = Minibatches(data.train, 100, 5, data.prepare)
    assert len(loader) == len(plain)
    for (a, i), (b, j) in zip(loader.epoch(3), plain.epoch(3), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(i, j)
    images, _ = next(iter(Loader(data.train, 4, shuffle=False).epoch(1)))
    np.testing.assert_array_equal(images, data.train.images[:4])


def test_epochs_differ_in_order_and_without_shuffle_do_not():
    loader = Loader(a_split(50), 50)
    assert (loader.order(1) != loader.order(2)).any()
    np.testing.assert_array_equal(Loader(a_split(50), 50, shuffle=False).order(2), np.arange(50))


def test_ten_views_in_the_background():
    split, views = a_split(5), TenViews(CentreCrop(SHAPE, 4))
    batches = [images for images, _ in Loader(split, 3, views, shuffle=False).epoch(1)]
    assert [images.shape for images in batches] == [(10, 3, 3, 4, 4), (10, 2, 3, 4, 4)]
    np.testing.assert_array_equal(np.concatenate(batches, axis=1), views(split.images))


def test_drop_last_leaves_the_remainder_out():
    loader = Loader(a_split(11), 4, drop_last=True)
    assert [len(labels) for _, labels in loader.epoch(1)] == [4, 4]
    assert len(loader) == 2


def test_two_epochs_side_by_side():
    loader = Loader(a_split(20), 3)
    pairs = list(zip(loader.epoch(1), loader.epoch(2), strict=True))
    for n, epoch in ((0, 1), (1, 2)):
        np.testing.assert_array_equal(np.concatenate([pair[n][1] for pair in pairs]), loader.order(epoch) % 10)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("ahead", [1, 4])
def test_it_never_runs_further_ahead_than_it_was_told(workers, ahead):
    taken, too_far = 0, []

    def on_read(indices):
        if indices[0] > taken + (ahead if workers else 0):  # batches of one image, in the split's order
            too_far.append((indices[0], taken))

    for _ in Loader(watched(40, on_read), 1, CentreCrop(SHAPE), workers=workers, ahead=ahead, shuffle=False).epoch(1):
        taken += 1
    assert taken == 40
    assert not too_far


def test_it_does_work_ahead():
    """The first batch is taken, and the three after it are read although nobody asks for them."""
    read = threading.Semaphore(0)
    batches = Loader(watched(9, lambda _: read.release()), 1, CentreCrop(SHAPE), ahead=3).epoch(1)
    next(batches)
    for _ in range(4):
        assert read.acquire(timeout=60)
    batches.close()


def test_the_time_of_waiting_is_a_part_of_the_time():
    loader = Loader(a_split(20), 3)
    assert loader.waiting_share == 0
    for _ in loader.epoch(1):
        pass
    assert 0 < loader.waited <= loader.elapsed
    assert loader.waiting_share == loader.waited / loader.elapsed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "do not make a batch of 0"),
        ({"batch_size": 6, "drop_last": True}, "5 images do not make a batch of 6"),
        ({"workers": -1}, "workers"),
        ({"ahead": 0}, "ahead"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Loader(a_split(5), **({"batch_size": 2} | arguments))


def test_an_epoch_cannot_start_past_its_end():
    loader = Loader(a_split(5), 2)
    assert list(loader.epoch(1, start=3)) == []
    for start in (-1, 4):
        with pytest.raises(ValueError, match=r"batches 0\.\.2"):
            loader.epoch(1, start=start)


# --- memory ----------------------------------------------------------------------------------------------------------


def test_a_batch_that_is_kept_is_never_overwritten():
    split = a_split(60)
    loader = Loader(split, 4, CentreCrop(SHAPE, 5), workers=2, ahead=2)
    kept = []  # a batch, one image, one number of each: whatever is kept holds its memory
    for n, (images, _) in enumerate(loader.epoch(1)):
        part = (images, images[1:3], images[0, 0, 0, :1], images.reshape(-1)[:7])[n % 4]
        kept.append((part, part.copy()))
        del images, part
    for part, copy in kept:
        np.testing.assert_array_equal(part, copy)


def test_an_epoch_needs_no_more_memory_than_its_batches_in_flight():
    loader = Loader(a_split(60), 2, CentreCrop(SHAPE), workers=2, ahead=3)
    for epoch in range(3):
        for images, _ in loader.epoch(epoch):
            del images
    assert len(loader._memory._free) <= 3 + 1 + 2  # ahead, the one asked for, and one in each worker's hands
    alone = Loader(a_split(60), 2, CentreCrop(SHAPE), workers=0)
    for images, _ in alone.epoch(1):
        del images
    assert len(alone._memory._free) == 1


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("error", [OSError, KeyError, StopIteration, MemoryError, TimeoutError])
def test_a_workers_error_arrives_with_the_image_and_the_cause(workers, error):
    loader = Loader(watched(20, bad_at(13, error=error)), 4, CentreCrop(SHAPE), workers=workers, shuffle=False)
    batches = loader.epoch(2)
    for _ in range(3):
        next(batches)
    with pytest.raises(LoadError) as caught:
        next(batches)
    message = str(caught.value)
    assert message.startswith(f"epoch 2, batch 3, image 13 (cats/13.jpg): {error.__name__}: ")
    assert "broken data stream" in message
    assert "\n" not in message
    cause = caught.value.__cause__
    assert type(cause) is error
    frame = cause.__traceback__
    while frame.tb_next:
        frame = frame.tb_next
    assert frame.tb_frame.f_code.co_name == "on_read"
    assert next(batches, None) is None


def test_an_error_of_images_that_are_well_one_by_one_names_them_all():
    def on_read(indices):
        if len(indices) > 1:
            raise OSError("too many")

    with pytest.raises(LoadError, match=r"images \[0, 1, 2\] together: OSError: too many"):
        list(Loader(watched(6, on_read), 3, CentreCrop(SHAPE), shuffle=False).epoch(1))


def test_images_of_another_shape_or_number_are_told():
    with pytest.raises(LoadError, match=r"image 0: ValueError: images of shape \(n, 3, 9, 9\) are expected"):
        list(Loader(a_split(3), 3, CentreCrop((3, 9, 9)), shuffle=False).epoch(1))

    class Short(Source):
        def __getitem__(self, indices):
            return self.pixels[indices][1:]

    with pytest.raises(LoadError, match="1 images were asked for, 0 came"):
        list(Loader(a_split(4, lambda p: Short(p, None)), 2, CentreCrop(SHAPE)).epoch(1))


@pytest.mark.parametrize("timeout", [None, 0.01])
def test_a_read_that_hangs_is_named(timeout, monkeypatch):
    monkeypatch.setattr(room, "SLOW", 0.01)
    monkeypatch.setattr(room, "FAREWELL", 0.01)
    free, stuck = threading.Event(), []

    def on_read(indices):
        stuck.append(threading.current_thread())
        free.wait()

    loader = Loader(watched(3, on_read), 1, CentreCrop(SHAPE), workers=1, shuffle=False, timeout=timeout)
    words = r"no batch for 0.01 s; the loader is still at epoch 1, batch 0, image 0 \(cats/0.jpg\)"
    if timeout is None:  # it warns, and goes on when the read does

        def show(message, *_, **__):
            told.append(str(message))
            free.set()

        told = []
        monkeypatch.setattr(warnings, "showwarning", show)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            assert len(list(loader.epoch(1))) == 3
        assert told
    else:
        with pytest.raises(LoadError, match=words):
            next(loader.epoch(1))
        assert stuck[0].daemon  # it cannot keep the process from ending
        free.set()
        stuck[0].join()


# --- leaving ---------------------------------------------------------------------------------------------------------


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("loader:")]


def test_threads_start_with_the_first_batch_and_end_with_the_last():
    batches = Loader(a_split(8), 2, workers=3).epoch(1)
    assert not loader_threads()
    next(batches)
    assert len(loader_threads()) == 3
    assert len(list(batches)) == 3
    assert not loader_threads()


@pytest.mark.parametrize("how", ["break", "close", "del", "cycle", "error"])
def test_leaving_early_ends_the_threads(how):
    batches = Loader(a_split(64), 2, workers=2, ahead=8).epoch(1)
    next(batches)
    assert loader_threads()
    if how == "close":
        batches.close()
    elif how == "cycle":
        cycle = [batches]
        cycle.append(cycle)
        del batches, cycle
        gc.collect()
    elif how == "error":
        with pytest.raises(ZeroDivisionError):
            batches.throw(ZeroDivisionError)
    elif how == "break":
        for _ in batches:
            break
        del batches
    else:
        del batches
    assert not loader_threads()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_forgotten_iterator_may_be_collected_by_its_own_worker():
    """The garbage collector runs in any thread; a worker that closes its own crew must not wait for itself."""
    forgotten, ready, done = [], threading.Event(), threading.Event()

    def on_read(indices):
        if indices[0] == 1:
            ready.wait()
            forgotten.clear()  # the last reference: the iterator is closed here, in the worker
            done.set()

    forgotten.append(Loader(watched(4, on_read), 1, CentreCrop(SHAPE), workers=1, shuffle=False).epoch(1))
    next(forgotten[0])
    (worker,) = loader_threads()
    ready.set()
    done.wait()
    worker.join()


def test_leaving_does_not_wait_for_the_rest_of_a_batch(monkeypatch):
    monkeypatch.setattr(room, "READ", 1)  # one image at a time
    monkeypatch.setattr(room, "FAREWELL", 0.01)
    read, begun, closed = [], threading.Event(), threading.Event()

    def on_read(indices):
        read.append(indices[0])
        if indices[0] == 10:
            begun.set()
            closed.wait()

    batches = Loader(watched(30, on_read), 10, CentreCrop(SHAPE), workers=1, shuffle=False).epoch(1)
    next(batches)
    (worker,) = loader_threads()
    begun.wait()
    batches.close()
    closed.set()
    worker.join()
    assert read == list(range(11))


def test_ctrl_c_while_waiting_ends_the_threads():
    def on_read(indices):
        if indices[0] == 3:
            os.kill(os.getpid(), signal.SIGINT)  # Python handles signals in the main thread, which waits for this batch

    with pytest.raises(KeyboardInterrupt):
        for _ in Loader(watched(10_000, on_read), 1, CentreCrop(SHAPE), workers=1, ahead=1, shuffle=False).epoch(1):
            pass
    assert not loader_threads()


def test_a_process_ends_although_an_epoch_is_left_open():
    program = """
import numpy as np
from minialex.data import Split
from minialex.data.loader import Loader
batches = Loader(Split(np.zeros((999, 3, 32, 32), np.uint8), np.zeros(999, np.int64)), 2, workers=3).epoch(1)
next(batches)
print("end")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
