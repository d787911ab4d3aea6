"""A device: a place where arrays live and work runs in order.

Everything that happens on a device happens inside `with device:`; `submit` puts a call at the end of the device's queue.
Arrays cross from one device to another by a `Wire` (wire.py) and in no other way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from minialex.arrays import Array
from minialex.devices.reading import Reading

T = TypeVar("T")


class DeviceError(ValueError):
    """A device that is not there, or arrays of two devices in one operation. The message says what to do."""


class Device(ABC):
    """`name` is "cpu:0", "cuda:1", ...; `xp` is the array module that computes there."""

    name: str
    xp: Any
    sends_ahead = False  # whether a host array can be on its way here while the device computes: `mark` and `begin`

    @abstractmethod
    def __enter__(self) -> Device:
        """Make this the place where the thread's allocations, kernels and copies happen."""

    @abstractmethod
    def __exit__(self, *exception: object) -> None:
        """Back to the place before."""

    @abstractmethod
    def submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Queue work(*arguments) on this device. result() waits for the call and raises what it raised.

        On a GPU the call itself has ended when this returns, but the kernels that it launched may still run.
        """

    def side_by_side(self, work: Callable[..., T], *arguments: Any) -> list[T]:
        """[work(a, b, ...), ...] like map(), for calls that need nothing from each other; called by work that runs here.

        Whatever cores the device has may share the calls. All are waited for, then the first failure is raised.
        """
        return list(map(work, *arguments))

    @abstractmethod
    def put(self, host: Array, dtype: Any = None) -> Array:
        """A copy of a host array on this device, in its own dtype or the one given."""

    @abstractmethod
    def get(self, array: Array) -> Array:
        """A C-contiguous host copy of one of this device's arrays, once all work queued before is done."""

    @abstractmethod
    def read_later(self, array: Array) -> Reading:
        """What one of this device's arrays, C-contiguous, holds once all work queued before is done. Never waits."""

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Uninitialised memory on this device."""

    @abstractmethod
    def receive(self, x: Array, source: Device | None, buffer: Array) -> None:
        """Copy x, contiguous, from `source` (None: the host) into `buffer` on this device, same shape and dtype; never waits.

        A host's x may be written over as soon as this returns.
        """

    def borrow(self, host: Array) -> Array | None:
        """The host's array itself, to be read by this device and not written, if it lies in the host's memory; else None."""
        return None

    def mark(self) -> Any:
        """This moment in the device's queue: what was queued before it, and what comes after."""
        raise NotImplementedError

    def begin(self, host: Array, buffer: Array, after: Any) -> Any:
        """Let a host array set out for `buffer`, once all is done that was queued before the moment `after`; never waits.

        Returns the moment of its arrival.
        """
        raise NotImplementedError

    def arrive(self, moment: Any) -> None:
        """What is queued from now on comes after this moment."""
        raise NotImplementedError

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all work queued here is done."""

    def __repr__(self) -> str:
        return self.name


def on_all(devices: tuple[Device, ...], work: Callable[..., T], *arguments: tuple[Any, ...]) -> tuple[T, ...]:
    """work(a_d, b_d, ...) on every device d at the same time; all are waited for, then the first failure is raised."""
    futures = [device.submit(work, *each) for device, *each in zip(devices, *arguments, strict=True)]
    failures = [failure for future in futures if (failure := future.exception()) is not None]
    if failures:
        raise failures[0]
    return tuple(future.result() for future in futures)
