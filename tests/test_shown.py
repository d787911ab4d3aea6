"""Images that cross as bytes and become views on each GPU: the very numbers that the host makes, and fewer bytes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from minialex import checkpoint
from minialex.arrays import Array
from minialex.data import DataError, Dataset, Loader, LoadError, Split, digits, synthetic
from minialex.data.augment import Augmentation, ColourNoise
from minialex.data.shards import Pictures
from minialex.data.views import CentreCrop, Draws, TenViews
from minialex.devices import Crossing, Ledger, parse_devices, strict_mode
from minialex.evaluation import evaluate, log_probabilities
from minialex.memory import plan
from minialex.net import Net
from minialex.nets import small_towers
from minialex.optim import SGD
from minialex.runs.code2012 import Batches2012
from minialex.shown import Layout, Shown
from minialex.towers import Broadcast
from minialex.trace import Tracer
from minialex.training import NonFiniteLoss, Position, Step, train
from tests.cuda.compiled import compiler
from tests.cuda.stand_in import RawModule, installed
from tests.devices import fake_cupy
from tests.devices.fake_gpus import Machine
from tests.strategies import ORDERS, lay_out


@dataclass(frozen=True, kw_only=True)
class Case:
    """Stored images (n, C, H, W) of bytes, and how they are to be shown."""

    images: Array
    view: Any  # CentreCrop, Augmentation, TenViews
    draws: Draws | None

    @property
    def seen(self) -> Array:
        """What the host's way gives, (m, C, h, w)."""
        views: Array = self.view(self.images, self.draws)
        return views.reshape(-1, *views.shape[-3:])

    def shown(self) -> Shown:
        """The same, still to be shown."""
        n = len(self.images)
        layout = self.view.layout(n)
        memory = np.full(layout.size, 99, np.uint8)
        shown: Shown = self.view.shown(memory, n, self.draws)
        shown.pixels[...] = self.images
        return shown


@st.composite
def cases(draw: DrawFn) -> Case:
    """All kinds of views: windows up to the whole image, every kind of mean, mirrored or not, colours, divisors, ten views."""
    n, C, H, W = (draw(st.integers(1, top)) for top in (5, 4, 9, 9))
    h, w = draw(st.integers(1, H)), draw(st.integers(1, W))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = lay_out(rng.integers(0, 256, (n, C, H, W), np.uint8), draw(st.sampled_from(ORDERS)))
    means = {"none": 0.0, "number": 3.5, "colour": rng.normal(size=C), "image": rng.normal(100, 50, (C, H, W))}
    options: dict[str, Any] = {
        "mean": means[draw(st.sampled_from(list(means)))],
        "mean_at": draw(st.sampled_from(["centre", "pixel"])),
        "scale": draw(st.sampled_from([1.0, 3.0])),
    }
    kind = draw(st.sampled_from(["centre", "drawn", "ten"]))
    if kind != "drawn":
        crop = CentreCrop((C, H, W), (h, w), **options)
        return Case(images=images, view=crop if kind == "centre" else TenViews(crop), draws=None)
    noise = ColourNoise(np.arange(1.0, C + 1), np.eye(C)) if draw(st.booleans()) else None
    view = Augmentation((C, H, W), (h, w), mirror=draw(st.booleans()), colour=noise, shrink=1.1, **options)
    return Case(images=images, view=view, draws=view.draw(draw(st.integers(0, 99)), 1, n))


def whole_images() -> Case:
    """Three, to be shown as they are."""
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 9, 12), np.uint8)
    return Case(images=images, view=CentreCrop((2, 9, 12)), draws=None)


# On the host


@given(st.integers(1, 9), st.integers(1, 3), st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)))
def test_each_part_has_a_place_of_its_own(n: int, times: int, image_shape: tuple[int, int, int]) -> None:
    each_part_has_a_place(Layout, n, times, image_shape)


def each_part_has_a_place(cls: Any, n: int, times: int, image_shape: tuple[int, int, int]) -> None:
    """None of another's, at an address that suits it, and next to nothing is left over."""
    layout = cls(n, n * times, image_shape)
    memory = np.zeros(layout.size, np.uint8)
    parts, C = layout.parts(memory), image_shape[0]
    assert [part.shape for part in parts] == [(n * times,), (n * times,), (n * times, C), (n * times,), (n, *image_shape)]
    assert [part.dtype for part in parts] == [np.int32, np.int32, np.float32, np.uint8, np.uint8]
    assert layout.size % 4 == 0, "in the next one numbers would begin at an odd address"
    for part in parts:
        assert part.flags.aligned
        before = memory.copy()
        part.view(np.uint8)[...] = 1 + before.max()
        assert ((memory != before).sum()) == part.nbytes
        assert (before[memory != before] == 0).all(), "two parts in one place"
    assert (memory == 0).sum() <= 3


@given(cases())
def test_it_can_be_finished_on_the_host(case: Case) -> None:
    it_can_be_finished(case)


def it_can_be_finished(case: Case) -> None:
    """To the last bit as the host's way gives it."""
    shown = case.shown()
    assert (shown.shape, len(shown), shown.dtype) == (case.seen.shape, len(case.seen), np.float32)
    assert shown.views == len(case.seen) // len(case.images)
    assert shown.nbytes == shown.memory.nbytes
    np.testing.assert_array_equal(shown.finished(), case.seen)
    wide = shown.astype(np.float64)
    assert (shown.astype(np.float32), wide.dtype, shown.dtype) == (shown, np.float64, np.float32)
    assert np.asarray(wide).dtype == np.float64
    np.testing.assert_array_equal(wide, case.seen.astype(np.float64))
    assert np.asarray(shown, np.float64).dtype == np.float64


def test_its_mean_is_the_same_array_for_every_batch() -> None:
    view = Augmentation((3, 6, 7), 4, mean=np.ones((3, 6, 7)))
    first, second = (Case(images=np.zeros((2, 3, 6, 7), np.uint8), view=view, draws=view.draw(0, n, 2)).shown() for n in (1, 2))
    assert first.look.mean is second.look.mean


def test_a_net_on_cpus_takes_it_too_but_does_not_ask_for_it() -> None:
    case = whole_images()
    net = small("cpu,cpu")
    assert not net.takes_bytes
    with strict_mode():
        np.testing.assert_array_equal(small("cpu,cpu").forward(case.shown()), net.forward(case.seen))
    net.expect(case.shown())
    with pytest.raises(ValueError, match=r"shape \(N, 2, 9, 12\) with N >= 1, got \(3, 2, 9, 5\)"):
        net.forward(Case(images=case.images, view=CentreCrop((2, 9, 12), (9, 5)), draws=None).shown())


# The loader


class Reader:
    """Images read from somewhere; `bad` ones cannot be."""

    def __init__(self, pixels: Array, bad: tuple[int, ...] = ()) -> None:
        self.pixels, self.bad, self.dtype = pixels, bad, pixels.dtype

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, indices: Any) -> Array:
        if set(self.bad) & set(np.asarray(indices).tolist()):
            raise OSError("broken data stream")
        return self.pixels[indices]


def split(N: int, shape: tuple[int, ...] = (3, 6, 7), order: Any = "C", **options: Any) -> Split:
    pixels = lay_out(np.random.default_rng(N).integers(0, 256, (N, *shape), np.uint8), order)
    return Split(Reader(pixels, **options), np.arange(N) % 10)


@given(
    N=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    workers=st.integers(0, 2),
    order=st.sampled_from(ORDERS),
    ten=st.booleans(),
    data=st.data(),
)
def test_a_loaders_bytes_are_its_floats(N: int, batch_size: int, workers: int, order: Any, ten: bool, data: Any) -> None:
    start = data.draw(st.integers(0, -(-N // batch_size)))
    bytes_are_floats(Loader, N, batch_size, workers, order, ten, start)


def bytes_are_floats(cls: Any, N: int, batch_size: int, workers: int, order: Any, ten: bool, start: int) -> None:
    """The same images in the same order, shown in the same way."""
    noise = ColourNoise(np.array([9.0, 4.0, 1.0]), np.eye(3))
    crop = Augmentation((3, 6, 7), (4, 5), colour=noise, mean=100.0)
    loader = cls(split(N, order=order), batch_size, TenViews(crop) if ten else crop, 3, workers=workers)
    floats = Loader(loader.split, batch_size, loader.augment, 3, workers=0).epoch(2, start)
    for shown, labels in loader.epoch(2, start, as_bytes=True):
        images, expected = next(floats)
        assert isinstance(shown, Shown)
        np.testing.assert_array_equal(shown, images.reshape(-1, *images.shape[-3:]))
        np.testing.assert_array_equal(labels, expected)
    assert next(floats, None) is None


def test_what_minialex_keeps_as_bytes_comes_as_bytes(tmp_path: Any) -> None:
    """The digits, synthetic images, and prepared photos."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), np.uint8)
    (tmp_path / "train-00000.u8").write_bytes(pixels.tobytes())
    photos = Pictures((tmp_path / "train-00000.u8",), np.arange(4), 6, 8, tmp_path / "none")
    for kept in (digits().train, synthetic(0, (3, 5, 4), 7, train=9).train, Split(photos, np.arange(4))):
        loader = Loader(kept, 4, workers=0)
        for (shown, _), (images, _) in zip(loader.epoch(1, as_bytes=True), loader.epoch(1), strict=True):
            assert isinstance(shown, Shown)
            np.testing.assert_array_equal(shown, images)


@given(chunk=st.integers(1, 5), once=st.booleans(), until=st.integers(0, 2), workers=st.integers(0, 1), N=st.integers(6, 20))
def test_the_habits_of_the_2012_code_are_kept_in_bytes(chunk: int, once: bool, until: int, workers: int, N: int) -> None:
    noise = ColourNoise(np.array([9.0, 4.0, 1.0]), np.eye(3))
    views = [Augmentation((3, 6, 7), 5, colour=colour, shrink=1.1 if colour else 1.0) for colour in (noise, None)]
    loader = Batches2012(
        split(N), 6, views[0], plain=views[1], colour_until=until, crop_chunk=chunk, one_order=once, workers=workers
    )
    for epoch in (1, 2):
        floats = list(loader.epoch(epoch))
        for (shown, labels), (images, expected) in zip(loader.epoch(epoch, as_bytes=True), floats, strict=True):
            assert isinstance(shown, Shown)
            np.testing.assert_array_equal(shown, images)
            np.testing.assert_array_equal(labels, expected)


def test_a_batch_of_bytes_gives_its_memory_back() -> None:
    loader = Loader(split(50), 10, workers=0)
    kept = [images for images, _ in loader.epoch(1, as_bytes=True)]
    pixels = [images.pixels.copy() for images in kept]
    for images in loader.epoch(2, as_bytes=True):
        del images
    for images, expected in zip(kept, pixels, strict=True):
        np.testing.assert_array_equal(images.pixels, expected, "what is kept is not used again")
    alone = Loader(split(50), 10, workers=0)
    for batch in alone.epoch(1, as_bytes=True):
        del batch
    gc.collect()
    assert (len(alone._bytes._free), len(alone._memory._free)) == (1, 0)


@dataclass
class Uneven(Reader):
    """Image 3 is another than the rest, against all promises."""

    pixels: Array
    other: Any
    bad: tuple[int, ...] = ()
    dtype: Any = np.dtype(np.uint8)  # noqa: RUF009

    def __getitem__(self, indices: Any) -> Array:
        read = super().__getitem__(indices)
        return self.other(read) if 3 in indices else read


def test_what_cannot_be_bytes_comes_as_floats_or_is_refused() -> None:
    what_cannot_be_bytes(Loader)


def what_cannot_be_bytes(cls: Any) -> None:
    """Floats by nature, sources that do not say what they hold, and preparations that others cannot do."""
    pixels = np.zeros((8, 3, 6, 7), np.uint8)
    for images in (pixels.astype(np.float32), type("NoDtype", (list,), {"__getitem__": lambda self, at: pixels[at]})(pixels)):
        batches = cls(Split(images, np.arange(8)), 4).epoch(1, as_bytes=True)
        assert all(isinstance(batch, np.ndarray) for batch, _ in batches)

    class Own:
        """A preparation that only this process can do."""

        image_shape = (3, 6, 7)
        batch_shape, draw = CentreCrop(image_shape).batch_shape, CentreCrop(image_shape).draw

        def __call__(self, images: Array, draws: Any, out: Array) -> None:
            out[...] = images

    own: Any = Own()
    assert all(isinstance(b, np.ndarray) for b, _ in cls(Split(pixels, np.arange(8)), 4, own).epoch(1, as_bytes=True))
    others = {"float32": lambda read: read.astype(np.float32), r"uint8 \(1, 3, 6, 1\)": lambda read: read[..., :1]}
    for said, other in others.items():
        uneven: Any = Uneven(pixels, other)
        with pytest.raises(DataError, match=f"image 3: ValueError: images uint8 .* are expected, got {said}"):
            list(cls(Split(uneven, np.arange(8)), 4, shuffle=False, workers=0).epoch(1, as_bytes=True))
    with pytest.raises(LoadError, match=r"image 6: OSError: broken data stream"):
        list(Loader(split(9, bad=(6,)), 4, workers=1).epoch(1, as_bytes=True))


# On GPUs that are not there


@pytest.fixture
def gpus() -> Iterator[Machine]:
    """Two, on which kernels run; at the end nothing has raced."""
    compiler()
    RawModule.launched.clear()
    with installed(2) as machine:
        yield machine
        gc.collect()
    assert not machine.late


def up(machine: Machine) -> list[tuple[int | None, int]]:
    """Which GPU got how many bytes from the host, in order."""
    return [(copy.to, copy.bytes) for copy in machine.copies if copy.way == "up"]


@settings(max_examples=60)
@given(
    case=cases(),
    ahead=st.booleans(),
    places=st.sampled_from(["0,1", "0,0"]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_each_gpu_makes_the_views_of_the_host(case: Case, ahead: bool, places: str, dtype: Any) -> None:
    compiler()
    with installed(2) as machine:
        the_views_are_the_hosts(machine, Broadcast, case, ahead, places, dtype)
    gc.collect()
    assert not machine.late


def the_views_are_the_hosts(machine: Machine, cls: Any, case: Case, ahead: bool, places: str, dtype: Any) -> None:
    """To the last bit, on every device; what crosses is in the ledger: the bytes, and the mean the first time."""
    ledger, devices = Ledger(), parse_devices(places)
    stage = cls()
    stage.place(devices, ledger)
    names = list(dict.fromkeys(device.name for device in devices))
    for number in range(2):
        case = replace(case, images=case.images ^ np.uint8(number))
        shown = case.shown().astype(dtype)
        ledger.clear()
        machine.copies.clear()
        if ahead:
            stage.expect(shown)
        arrived = stage.forward((shown,))
        assert len(arrived) == len(devices)
        for device, x in zip(devices, arrived, strict=True):
            assert x.device.id == device.index
            assert x.dtype == dtype
            np.testing.assert_array_equal(device.get(x), case.seen)
        mean = shown.look.mean.nbytes if number == 0 else 0
        wanted = [(name, size) for name in names for size in (shown.nbytes, mean) if size]
        assert ledger.rows == [Crossing("images", "forward", "host", *row) for row in wanted]
        assert sorted(up(machine)) == sorted((int(name[-1]), size) for name, size in wanted), "more crosses than is said"
    assert stage.backward(()) == ()


@settings(max_examples=20)
@given(first=cases(), second=cases(), order=st.lists(st.booleans(), min_size=2, max_size=5))
def test_batches_of_all_kinds_may_follow_each_other(first: Case, second: Case, order: list[bool]) -> None:
    compiler()
    with installed(2) as machine:
        each_is_itself(Broadcast, [first if one else second for one in order])
    gc.collect()
    assert not machine.late


def each_is_itself(cls: Any, each: list[Case]) -> None:
    """As in training and tests by turns: other means, other sizes."""
    devices = parse_devices("0,1")
    stage = cls()
    stage.place(devices, Ledger())
    for case in each:
        for device, x in zip(devices, stage.forward((case.shown(),)), strict=True):
            np.testing.assert_array_equal(device.get(x), case.seen)


def small(text: str, shape: tuple[int, ...] = (2, 9, 12)) -> Net:
    return small_towers(parse_devices(text), dtype=np.float64, input_shape=shape, maps=4, hidden=5)


def a_set() -> Dataset:
    """Twelve images of bytes (2, 11, 14), of three classes."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (12, 2, 11, 14), np.uint8), np.arange(12) % 3
    return Dataset("noise", ("a", "b", "c"), Split(images, labels), Split(images, labels), images.mean(axis=0))


def loader_of(data: Dataset, batch_size: int = 5) -> Loader:
    noise = ColourNoise(np.array([9.0, 4.0]), np.eye(2))
    view = Augmentation(data.image_shape, (9, 12), colour=noise, shrink=1.1, mean=data.mean, mean_at="pixel", scale=100)
    return Loader(data.train, batch_size, view, 1, workers=1)


def central(data: Dataset) -> CentreCrop:
    """What a test shows."""
    return CentreCrop(data.image_shape, (9, 12), mean=data.mean, scale=100)


def learn(net: Net, epochs: int, optimizer: SGD | None = None, at: Position | None = None, stop: int = 1000) -> list[float]:
    """The losses of a run of the set above, and of its tests; at most so many."""
    data, losses = a_set(), list[float]()

    def test() -> Any:
        return evaluate(net, data.test, central(data), 5)

    for event in train(net, loader_of(data), optimizer or SGD(net, lr=0.05), epochs=epochs, test=test, at=at):
        losses.append(event.loss if isinstance(event, Step) else event.test_loss)
        if len(losses) == stop:
            break
    return losses


@pytest.mark.parametrize("places", ["0,1", "0,0"])
def test_a_net_learns_from_bytes_what_it_learns_from_floats(places: str, gpus: Machine) -> None:
    net, twin = small(places), small("cpu,cpu")
    assert net.takes_bytes
    np.testing.assert_allclose(learn(net, 3), learn(twin, 3), rtol=1e-12)
    for name, value in twin.state_dict().items():
        np.testing.assert_allclose(net.state_dict()[name], value, rtol=0, atol=1e-11 * np.abs(value).max(), err_msg=name)
    assert RawModule.launched.count("views") == 3 * (3 + 3) * len(set(places.split(",")))
    of_images = [row.bytes for row in net.ledger.rows if row.layer == "images"]
    assert max(of_images) < 2 * 2 * 9 * 12 * 4, "floats have crossed"


def test_all_batches_but_the_first_of_an_epoch_set_out_as_bytes_ahead_of_their_turn(gpus: Machine, monkeypatch: Any) -> None:
    net = small("0,1")
    begun: list[tuple[int, Any]] = []
    for device in net.devices:
        begin: Any = device.begin
        monkeypatch.setattr(
            device, "begin", lambda host, *rest, begin=begin: (begun.append((host.nbytes, host.dtype)), begin(host, *rest))[1]
        )
    learn(net, 2)
    data = a_set()
    sizes = [loader_of(data).augment.layout(n).size for n in (5, 2)]
    assert begun == [(size, np.uint8) for size in (*sizes[:1] * 2, *sizes[1:] * 2)] * 2


def test_ten_views_cross_once(gpus: Machine) -> None:
    data = a_set()
    view = TenViews(central(data))
    net, twin = small("0,1"), small("cpu,cpu")
    got, expected = (log_probabilities(each, data.test.images, view, 30) for each in (net, twin))
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    images = [row.bytes for row in net.ledger.rows if row.layer == "images"]
    assert images == [view.layout(3).size] * 2
    assert images[0] < 2 * 3 * 2 * 11 * 14


def test_the_mean_of_tests_and_of_training_cross_once_each_time_they_change(gpus: Machine) -> None:
    net = small("0,0")
    means = (9 * 12 * 2 * 4, 11 * 14 * 2 * 4)  # the central one of the test, each pixel's own in training
    learn(net, 3)
    sent = [size for _, size in up(gpus)]
    assert [sent.count(size) for size in means] == [3, 3]


def test_what_a_gpu_holds_of_bytes_is_less_than_planned(gpus: Machine) -> None:
    data = a_set()
    net = small_towers(parse_devices("0,0"), input_shape=(2, 9, 12), maps=4, hidden=5)
    list(train(net, loader_of(data, 12), SGD(net), epochs=2))
    stage: Any = net.stages[0]
    wires = [*stage._wires.values(), *stage._means.values()]
    held = [*stage._views.values(), *(each for wire in wires for each in (wire.buffer, wire.spare) if each is not None)]
    (use,) = plan(net, 12).uses
    assert sum(each.nbytes for each in held) < use.copies


def test_a_run_of_bytes_goes_on_from_floats_and_back(tmp_path: Any, gpus: Machine) -> None:
    """In the middle of epochs, on other devices."""
    whole, done, at = learn(small("cpu,cpu"), 3), list[float](), Position()
    for part, text in enumerate(["0,1", "cpu,cpu", "0,0"]):
        net = small(text)
        optimizer = SGD(net, lr=0.05)
        if part:
            checkpoint.restore(net, optimizer, checkpoint.load(tmp_path / "run.ckpt"))
        done += learn(net, 3, optimizer, at, stop=5)
        net.synchronize()  # the next batch has set out already
        checkpoint.save(tmp_path / "run.ckpt", checkpoint.capture(net, optimizer))
    assert len(whole) == 3 * (3 + 1)
    np.testing.assert_allclose(done, whole, rtol=1e-12)


def test_a_timeline_shows_what_crosses(gpus: Machine) -> None:
    """Reading in the loader's lane, no augmentation; the first batch's bytes as a copy; afterwards all is as it was."""
    cupy: Any = sys.modules["cupy"]
    cupy.cuda.get_elapsed_time = lambda first, last: 0.0
    net, data = small("0,1"), a_set()
    loader, optimizer = loader_of(data), SGD(net, lr=0.05)
    with Tracer(net, optimizer, loader) as tracer:
        traced = [event.loss for event in train(net, loader, optimizer, epochs=1) if isinstance(event, Step)]
    spans = tracer.spans()
    assert {span.name for span in spans if span.lane.startswith("loader")} == {"read"}
    copies = {(span.lane, span.bytes) for span in spans if span.name.startswith("host to") and span.stage == "images"}
    assert {(place, loader.augment.layout(5).size) for place in ("cuda:0", "cuda:1")} <= copies
    assert traced == learn(small("0,1"), 1)[:3]


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_loss_that_is_no_number_is_explained(gpus: Machine) -> None:
    net = small("0,1")
    net.load_state_dict(net.state_dict() | {"conv2.1.bias": np.full(net.params["conv2.1.bias"].shape, np.nan)})
    with pytest.raises(NonFiniteLoss, match=r"conv2\.1\.bias is not finite"):
        learn(net, 1)
    net = small("0,1")
    net.load_state_dict(net.state_dict() | {"fc4.0.weight": np.full(net.params["fc4.0.weight"].shape, 1e308)})
    with pytest.raises(NonFiniteLoss, match=r"first in the output of fc4\.0"):
        learn(net, 1)


def test_without_kernels_floats_cross() -> None:
    """On the device tests' stand-in for CuPy, which cannot compile."""
    case = whole_images()
    with fake_cupy.installed(2) as machine:
        net = small("0,1")
        assert not net.takes_bytes
        net.expect(case.shown())
        machine.copies.clear()
        np.testing.assert_allclose(net.forward(case.shown()), small("cpu,cpu").forward(case.seen), rtol=1e-9)
        assert max(up(machine)) == (1, 8 * case.seen.size)


@pytest.mark.gpu
def test_a_real_gpu_makes_the_views_of_the_host() -> None:
    (device,) = parse_devices("0")
    rng = np.random.default_rng(0)
    stage = Broadcast((device,))
    view = Augmentation((3, 256, 256), 224, mean=rng.normal(100, 50, (3, 256, 256)), colour=ColourNoise(np.ones(3), np.eye(3)))
    for step in range(3):
        images = rng.integers(0, 256, (32, 3, 256, 256), np.uint8)
        shown = Case(images=images, view=view, draws=view.draw(step, 1, 32)).shown()
        stage.expect(shown)
        np.testing.assert_array_equal(device.get(stage.forward((shown,))[0]), shown.finished())
