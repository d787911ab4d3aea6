"""A virtual CPU device: one worker thread, with one BLAS thread, so that two towers on a laptop really run side by side.

NumPy lets go of the interpreter lock inside its loops and inside BLAS, so two workers fill two cores. One BLAS thread for
each is both faster than two workers that fight over all cores, and safe: some OpenBLAS builds (those in NumPy wheels before
2.5 among them) return wrong products when *multithreaded* calls of different kinds run at once (`minialex doctor` tries it).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.devices import strict
from minialex.devices.device import Device, T
from minialex.devices.reading import Here, Reading

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


class CpuDevice(Device):
    """`cpu:0`, `cpu:1`, ...: each with its own worker, which starts with the first piece of work."""

    xp = np

    def __init__(self, index: int) -> None:
        self.name = f"cpu:{index}"
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)
        self._helpers: ThreadPoolExecutor | None = None
        one_blas_thread()
        keep_freed_memory()

    def __enter__(self) -> CpuDevice:
        strict.enter(self.name)
        return self

    def __exit__(self, *exception: object) -> None:
        strict.leave()

    def submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        return self._worker.submit(self._run, work, *arguments)

    def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        with self:
            return work(*arguments)

    def side_by_side(self, work: Callable[..., T], *arguments: Any) -> list[T]:
        if (number := cores()) == 1:
            return super().side_by_side(work, *arguments)
        if self._helpers is None:
            self._helpers = ThreadPoolExecutor(max_workers=number, thread_name_prefix=f"{self.name}+")
        futures = [self._helpers.submit(self._run, work, *each) for each in zip(*arguments, strict=True)]
        wait(futures)
        return [future.result() for future in futures]

    def put(self, host: Array, dtype: Any = None) -> Array:
        return self._own(np.array(strict.raw(host), dtype=dtype, order="K", copy=True))

    def get(self, array: Array) -> Array:
        return np.array(strict.raw(array), order="C", copy=True)

    def read_later(self, array: Array) -> Reading:
        return Here(self.get(array))

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return self._own(np.empty(shape, dtype))

    def borrow(self, host: Array) -> Array:
        seen = strict.raw(host).view()
        seen.flags.writeable = False
        return self._own(seen)

    def receive(self, x: Array, source: Device | None, buffer: Array) -> None:
        np.copyto(strict.raw(buffer), strict.raw(x))

    def synchronize(self) -> None:
        self.submit(lambda: None).result()

    def _own(self, array: Array) -> Array:
        return strict.own(array, self.name) if strict.is_strict() else array


@cache
def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def keep_freed_memory() -> None:
    """Let what is freed stay in the process, where the C library can be told (glibc), for the rest of the process.

    A step frees arrays of many megabytes that the next one makes again. Given back to the system they would come back as pages
    that have to be found and cleared, one for each 4 kB. Threads share one arena: what one has freed serves another as well,
    and the limit to what is given back holds in that arena only.
    """
    with suppress(AttributeError, OSError, TypeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(ARENA_MAX, 1)
        mallopt(TRIM_THRESHOLD, 1 << 30)
        mallopt(MMAP_THRESHOLD, 32 << 20)  # the most that it takes; larger arrays are the system's


@cache
def one_blas_thread() -> Any:
    """Limit BLAS to one thread a caller, for the rest of the process: from now on each worker is one core's worth."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  only when a CPU device is really made

    return threadpool_limits(limits=1, user_api="blas")
