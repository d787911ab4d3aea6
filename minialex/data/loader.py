"""The loader: batches made on the CPU while the devices compute, hence "computationally free" (paper, section 4.1).

Threads, not processes: making a batch is nearly all NumPy's loops and Pillow's decoder, which let go of the interpreter lock,
and a thread hands its batch over without copying it. Workers take whole batches; the loader gives them out in order.
Which batch is which follows from (seed, epoch) before any worker starts, so that their number changes nothing but the time.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, wait
from itertools import islice
from math import prod
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from minialex.arrays import Array, Shape
from minialex.data.batches import Batch
from minialex.data.dataset import Split
from minialex.data.errors import DataError
from minialex.data.views import CentreCrop, Draws, channels_first, channels_last_shape, copy
from minialex.lent import Memory
from minialex.seeds import generator
from minialex.shown import Layout, Shown

READ = 1 << 20  # numbers that are read from the split in one go: no second copy of a whole batch is ever made
SLOW = 60.0  # seconds without a batch after which a warning says what is being read
FAREWELL = 5.0  # seconds that closing waits for a worker which is stuck in a read


class LoadError(DataError):
    """A batch could not be made. Names the image; what happened there is the cause."""


class Preparation(Protocol):
    """From images to what a net sees: CentreCrop, Augmentation, TenViews."""

    image_shape: Shape

    def batch_shape(self, n: int) -> Shape:
        """The shape (..., n, C, h, w) of what n images become."""

    def draw(self, seed: int, epoch: int, count: int) -> Draws | None:
        """What is drawn for all `count` images of a set in one epoch: row i for image i, whatever the count."""

    def __call__(self, images: Array, draws: Draws | None, out: Array) -> Any:
        """Write the n images' views to `out`, with their rows of the draws."""

    def layout(self, n: int) -> Layout:
        """Where the bytes of n images stand that are still to be shown. (A preparation without these two gives floats.)"""

    def shown(self, memory: Array, n: int, draws: Draws | None) -> Shown:
        """The n images in this memory, with their rows of the draws."""


class Loader:
    """The batches of a split, each image once an epoch, prepared in the background. A source of batches (`Batches`).

    augment: an Augmentation to train, a CentreCrop or TenViews to test; None gives the images as they are, as float32.
    The order of an epoch comes from the seed and the epoch's number (shuffle=False: the split's own order). Its last batch is
    smaller where the images do not divide evenly, or left out (drop_last).

    workers: background threads; 0 makes each batch when it is asked for. While the consumer computes with one batch, at most
    `ahead` more are made. The split's images must bear being read by several threads. Where they have a method
    `where(index) -> str`, messages tell with it which file an image is. timeout: seconds to wait for a batch before LoadError;
    by default the loader warns after a minute and waits on, for a network disk may come back.

    waited: seconds that the consumer has spent waiting, of the `elapsed` seconds in which it went through epochs.

    Images come as float32 (n, C, h, w), views of channels-last memory. In an epoch that is asked for `as_bytes`, for GPUs that
    make the views themselves (Net.takes_bytes), those that are stored as bytes come as `Shown` (minialex/shown.py). A batch's
    memory is used for another when the last array that looks at it is gone. Leaving an epoch early (break, an exception,
    Ctrl-C) ends its threads.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        augment: Preparation | None = None,
        seed: int = 0,
        *,
        workers: int = 2,
        ahead: int = 4,
        shuffle: bool = True,
        drop_last: bool = False,
        timeout: float | None = None,
    ) -> None:
        if batch_size < 1 or len(split) < (batch_size if drop_last else 1):
            raise ValueError(f"Loader: {len(split)} images do not make a batch of {batch_size}")
        if workers < 0 or ahead < 1:
            raise ValueError(f"Loader: workers must not be negative and ahead be at least 1, got {workers} and {ahead}")
        self.augment = CentreCrop(split.images[np.arange(1)].shape[1:]) if augment is None else augment
        self.split, self.batch_size, self.seed, self.timeout = split, batch_size, seed, timeout
        self.workers, self.ahead, self.shuffle, self.drop_last = workers, ahead, shuffle, drop_last
        self.waited = self.elapsed = 0.0
        self._memory = Memory(prod(self.augment.batch_shape(min(batch_size, len(split)))))
        whole = self.augment.layout(min(batch_size, len(split))).size if self.can_be_bytes else 0
        self._bytes = Memory(whole, np.uint8)

    def __len__(self) -> int:
        return len(self.split) // self.batch_size if self.drop_last else -(-len(self.split) // self.batch_size)

    @property
    def waiting_share(self) -> float:
        """The part of the time in which the consumer waited for data, 0..1."""
        return self.waited / self.elapsed if self.elapsed else 0.0

    def order(self, number: int) -> Array:
        """The images of epoch `number` in their order, int64 (N,)."""
        N = len(self.split)
        return generator(self.seed, f"order of epoch {number}").permutation(N) if self.shuffle else np.arange(N)

    @property
    def can_be_bytes(self) -> bool:
        """Whether the images are stored as bytes (they have a dtype, uint8), and are prepared in a way that others can do."""
        return getattr(self.split.images, "dtype", None) == np.uint8 and hasattr(self.augment, "shown")

    def epoch(self, number: int, start: int = 0, *, as_bytes: bool = False) -> Iterator[Batch]:
        """The batches of this epoch, the first `start` left out (the place where a run goes on).

        as_bytes: they may come as bytes that are still to be shown.
        """
        if not 0 <= start <= len(self):
            raise ValueError(f"Loader: an epoch has batches 0..{len(self) - 1}, it cannot start at {start}")
        return self._batches(number, start, as_bytes and self.can_be_bytes)

    def _batches(self, number: int, start: int, as_bytes: bool) -> Iterator[Batch]:
        asked = before = perf_counter()
        order, draws = self.order(number), self.augment.draw(self.seed, number, len(self.split))
        size, ahead = self.batch_size, self.ahead if self.workers else 0
        crew = _Crew(min(self.workers, ahead))
        parts = ((n, order[n * size : (n + 1) * size]) for n in range(start, len(self)))
        jobs = ((_BytesJob if as_bytes else _Job)(self, f"epoch {number}, batch {n}", i, draws) for n, i in parts)
        queued = ((job, crew.submit(job)) for job in jobs)
        pending: deque[tuple[_Job, Future[Batch]]] = deque()
        try:
            while True:
                pending.extend(islice(queued, ahead + 1 - len(pending)))
                if not pending:
                    return
                batch = self._wait(*pending.popleft())
                now = perf_counter()
                self.waited, self.elapsed, before = self.waited + now - asked, self.elapsed + now - before, now
                yield batch
                del batch  # the consumer alone decides how long its memory is held
                asked = perf_counter()
        finally:
            crew.close()
            self.elapsed += perf_counter() - before

    def _wait(self, job: _Job, future: Future[Batch]) -> Batch:
        patience = SLOW if self.timeout is None else self.timeout
        if not wait([future], patience).done:
            message = f"no batch for {patience:g} s; the loader is still at {job.place()}"
            if self.timeout is not None:
                raise LoadError(message)
            warnings.warn(f"{message}. Waiting on; Ctrl-C stops the run.", RuntimeWarning, stacklevel=3)
        return future.result()


class _Job:
    """One batch to be made: these images, with their rows of the epoch's draws."""

    def __init__(self, loader: Loader, name: str, indices: Array, draws: Draws | None) -> None:
        self.split, self.augment, self.memory, self.bytes = loader.split, loader.augment, loader._memory, loader._bytes
        self.name, self.indices, self.draws = name, indices, draws
        self.at = 0  # the images before this place in the batch are done

    def __call__(self, stop: threading.Event) -> Batch:
        batch, images = self._room(len(self.indices))
        step = max(1, READ // max(1, prod(self.augment.image_shape)))
        for at in range(0, len(self.indices), step):
            if stop.is_set():
                raise LoadError(f"{self.name}: the loader was closed")
            self.at = at
            self._make(self.indices[at : at + step], images[..., at : at + step, :, :, :])
        return batch, self.split.labels[self.indices]

    def _room(self, n: int) -> tuple[Array | Shown, Array]:
        """The batch that will be, and where its n images are to be written."""
        images = channels_first(self.memory.lend(channels_last_shape(self.augment.batch_shape(n))))
        return images, images

    def _write(self, read: Array, draws: Draws | None, out: Array) -> None:
        """What of these images is to be in the batch."""
        self.augment(read, draws, out)

    def _make(self, indices: Array, out: Array) -> None:
        """These images, written to `out` (..., n, C, h, w)."""
        try:
            read = self.split.images[indices]
            if len(read) != len(indices):
                raise ValueError(f"{len(indices)} images were asked for, {len(read)} came")
            self._write(read, self.draws and self.draws.rows(indices), out)
        except Exception as error:
            if len(indices) > 1:  # which of them was it?
                for n in range(len(indices)):
                    self._make(indices[n : n + 1], out[..., n : n + 1, :, :, :])
            which = self._image(indices[0]) if len(indices) == 1 else f"images {indices.tolist()} together"
            raise LoadError(" ".join(f"{self.name}, {which}: {type(error).__name__}: {error}".split())) from error

    def place(self) -> str:
        """Where the work is, in words."""
        return f"{self.name}, {self._image(self.indices[self.at])}"

    def _image(self, index: int) -> str:
        where = getattr(self.split.images, "where", None)
        return f"image {index} ({where(int(index))})" if callable(where) else f"image {index}"


class _BytesJob(_Job):
    """The same for a batch of bytes: they are read, and no more."""

    def _room(self, n: int) -> tuple[Array | Shown, Array]:
        memory = self.bytes.lend((self.augment.layout(n).size,))
        shown = self.augment.shown(memory, n, self.draws and self.draws.rows(self.indices))
        return shown, shown.pixels

    def _write(self, read: Array, draws: Draws | None, out: Array) -> None:
        if read.dtype != np.uint8 or read.shape != out.shape:
            raise ValueError(f"images uint8 {out.shape} are expected, got {read.dtype} {read.shape}")
        copy(out.transpose(0, 2, 3, 1), read.transpose(0, 2, 3, 1))


class _Crew:
    """`count` threads that do jobs; with none, a job is done when it is submitted. close() ends them; so does losing the crew.

    The threads know the queue and the stop sign but not the crew, so that a forgotten crew can be collected. They are daemons:
    one that hangs in a read cannot keep the process from ending.
    """

    def __init__(self, count: int) -> None:
        self._queue: SimpleQueue[tuple[_Job, Future[Batch]] | None] = SimpleQueue()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.close = weakref.finalize(self, _dismiss, self._queue, self._stop, self._threads)  # also when the process ends
        for n in range(count):
            thread = threading.Thread(target=_work, args=(self._queue, self._stop), name=f"loader:{n}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def submit(self, job: _Job) -> Future[Batch]:
        future: Future[Batch] = Future()
        if self._threads:
            self._queue.put((job, future))
        else:
            _do(job, future, self._stop)
        return future


def _work(queue: SimpleQueue[tuple[_Job, Future[Batch]] | None], stop: threading.Event) -> None:
    while item := queue.get():
        _do(*item, stop)
        del item  # a batch is not held while the next is waited for


def _do(job: _Job, future: Future[Batch], stop: threading.Event) -> None:
    try:
        future.set_result(job(stop))
    except BaseException as error:  # reaches whoever asks for the result
        future.set_exception(error)
        del future  # error -> its traceback -> this frame -> future -> error: no batch shall wait for the collector


def _dismiss(
    queue: SimpleQueue[tuple[_Job, Future[Batch]] | None], stop: threading.Event, threads: list[threading.Thread]
) -> None:
    stop.set()
    for _ in threads:  # behind the jobs that are still queued, which now end as soon as they begin
        queue.put(None)
    for thread in threads:
        if thread is not threading.current_thread():  # the garbage collector may have called from any of them
            thread.join(FAREWELL)
