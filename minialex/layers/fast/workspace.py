"""Memory for what a layer needs for a moment, kept: the next one finds it mapped, and the beginning of it still in the cache.

Work on a CPU device is a thread's, work on a GPU a stream's, and either runs in order: so all layers there may have the same
arrays in turn, and nobody has to wait. They live as long as their thread or stream, and grow to the largest ever asked for.
"""

from __future__ import annotations

from math import prod
from threading import local
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty

_of_streams: WeakKeyDictionary[Any, dict[Any, Array]] = WeakKeyDictionary()


class _OfThread(local):
    """Each thread finds arrays of its own here."""

    def __init__(self) -> None:
        self.arrays: dict[Any, Array] = {}


_of_thread = _OfThread()


def workspace(like: Any, numbers: int, name: str = "columns") -> Array:
    """At least so many numbers of like's dtype, of any value; they are the caller's until somebody else asks for this name."""
    kind: tuple[Any, ...]
    if isinstance(like, np.ndarray):  # in strict mode an array has a place, and so has memory that is made like it
        mine, kind = _of_thread.arrays, (name, like.dtype, type(like), getattr(like, "place", None))
    else:  # all GPUs have the same null stream
        mine = _of_streams.setdefault(array_module(like).cuda.get_current_stream(), {})
        kind = name, like.dtype, like.device.id
    if kind not in mine or mine[kind].size < numbers:
        mine.pop(kind, None)  # the old one may go before the new one comes
        mine[kind] = empty(like, (numbers,))
    return mine[kind]


def room(like: Any, shape: Shape, name: str) -> Array:
    """The same, as an array of this shape."""
    return workspace(like, prod(shape), name)[: prod(shape)].reshape(shape)


def padded_room(like: Any, shape: Shape) -> Array:
    """The room for images with padding around them."""
    return room(like, shape, "padded")
