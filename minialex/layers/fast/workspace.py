"""Memory for what a layer needs for a moment, kept: the next one finds it mapped, and the beginning of it still in the cache.

Work on a CPU device is a thread's, work on a GPU a stream's, and either runs in order: so all layers there may have the same
arrays in turn, and nobody has to wait. They live as long as their thread or stream, and grow to the largest ever asked for.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from threading import local
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty

_of_streams: WeakKeyDictionary[Any, dict[Any, _Memory]] = WeakKeyDictionary()


class _Memory:
    """An array, and the shapes in which its beginning has been asked for: to make a view takes longer than to find it."""

    most = 64  # shapes

    def __init__(self, array: Array) -> None:
        self.array = array
        self.rooms: dict[Shape, Array] = {}

    def room(self, shape: Shape) -> Array:
        if shape not in self.rooms:
            if len(self.rooms) == self.most:
                self.rooms.clear()
            self.rooms[shape] = self.array[: prod(shape)].reshape(shape)
        return self.rooms[shape]


class _OfThread(local):
    """Each thread finds arrays of its own here."""

    def __init__(self) -> None:
        self.arrays: dict[Any, _Memory] = {}


_of_thread = _OfThread()


def workspace(like: Any, numbers: int, name: str = "columns") -> Array:
    """At least so many numbers of like's dtype, of any value; they are the caller's until somebody else asks for this name."""
    return _memory(like, numbers, name).array


def room(like: Any, shape: Shape, name: str) -> Array:
    """The same, as an array of this shape."""
    return _memory(like, prod(shape), name).room(shape)


def _memory(like: Any, numbers: int, name: str) -> _Memory:
    kind: tuple[Any, ...]
    if type(like) is np.ndarray:
        mine, kind = _of_thread.arrays, (name, like.dtype)
    elif isinstance(like, np.ndarray):  # in strict mode an array has a place, and so has memory that is made like it
        mine, kind = _of_thread.arrays, (name, like.dtype, type(like), getattr(like, "place", None))
    else:  # all GPUs have the same null stream
        mine = _of_streams.setdefault(array_module(like).cuda.get_current_stream(), {})
        kind = name, like.dtype, like.device.id
    memory = mine.get(kind)
    if memory is None or memory.array.size < numbers:
        del memory  # the old one may go before the new one comes
        mine.pop(kind, None)
        memory = mine[kind] = _Memory(empty(like, (numbers,)))
    return memory


def padded_room(like: Any, shape: Shape) -> Array:
    """The room for images with padding around them."""
    return room(like, shape, "padded")


@lru_cache(maxsize=64)
def filled(value: float, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """An array of one value, for all to read."""
    array = np.full(shape, value, dtype)
    array.flags.writeable = False
    return array
