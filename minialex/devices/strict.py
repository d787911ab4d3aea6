"""Strict mode: on the CPU an array remembers its device, and an operation that mixes two devices raises, as on GPUs.

Two virtual devices share one memory, so a layer that forgot to copy would still be right on a laptop and fail on two GPUs.
In strict mode it fails on the laptop. The tests run in it; training does not, for it costs a little at every operation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.devices.device import DeviceError

_state = {"strict": False}
_here = threading.local()  # .places: the virtual devices whose work this thread is doing, the innermost last


@contextmanager
def strict_mode(on: bool = True) -> Iterator[None]:
    """Arrays that are put on a CPU device inside this block remember it, for as long as they live."""
    before = _state["strict"]
    _state["strict"] = on
    try:
        yield
    finally:
        _state["strict"] = before


def is_strict() -> bool:
    return _state["strict"]


class DeviceArray(np.ndarray[Any, Any]):
    """A NumPy array that knows its device; whatever is made from it, views and results alike, is on the same one."""

    place: str | None  # NumPy itself has a `device`, which is always "cpu"

    def __array_finalize__(self, source: Any) -> None:
        self.place = getattr(source, "place", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        outs = options.get("out", ())
        device = one_device(ufunc.__name__, (*inputs, *outs, options.get("where")))
        if outs:
            options["out"] = tuple(raw(out) for out in outs)
        if "where" in options:
            options["where"] = raw(options["where"])
        result = getattr(ufunc, method)(*(raw(x) for x in inputs), **options)
        results = result if isinstance(result, tuple) else (result,)
        placed = tuple(own(r, device) if out is None else out for r, out in zip_longest(results, outs))
        return placed if isinstance(result, tuple) else placed[0]

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        device = one_device(function.__name__, _flat((*arguments, *options.values())))
        return own(super().__array_function__(function, types, arguments, options), device)

    def __getitem__(self, key: Any) -> Any:
        if any(isinstance(index, DeviceArray) for index in _flat((key,))):  # a slice is a view, which any thread may take
            one_device("indexing", (self, *_flat((key,))))
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        one_device("assignment", (self, value, *_flat((key,))))
        super().__setitem__(key, value)


def own(x: Any, device: str | None) -> Any:
    """x as an array of this device: a view that remembers it (anything but an array is returned as it is)."""
    if not isinstance(x, np.ndarray) or device is None:
        return x
    tagged = x.view(DeviceArray)
    tagged.place = device
    return tagged


def raw(x: Any) -> Any:
    """x without its memory of a device: what a copy between devices reads, and what the host gets."""
    return x.view(np.ndarray) if isinstance(x, DeviceArray) else x


def one_device(operation: str, operands: Iterable[Any]) -> str | None:
    """The one device of all the operands that have one, and of the thread that computes; raises where they differ."""
    found = {x.place for x in operands if isinstance(x, DeviceArray) and x.place is not None}
    here = (getattr(_here, "places", None) or [None])[-1]
    if len(found) > 1:
        raise DeviceError(f"{operation}: mixes arrays of {' and '.join(sorted(found))}; copy one across first")
    if found and here is not None and found != {here}:
        raise DeviceError(f"{operation}: an array of {found.pop()} in the work of {here}; copy it across first")
    return found.pop() if found else here


def enter(device: str) -> None:
    """From here on this thread works for `device`."""
    if not hasattr(_here, "places"):
        _here.places = []
    _here.places.append(device)


def leave() -> None:
    """Undo the last `enter`."""
    _here.places.pop()


def _flat(values: Iterable[Any]) -> Iterator[Array | Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value
