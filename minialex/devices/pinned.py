"""Pinned host memory: the only kind that a GPU copies from and to by itself, so that the host need not wait for the copy."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minialex.arrays import Array, Shape


class Pinned:
    """Memory of CuPy's pinned pool, kept until the copies that use it are made: what is let go, the pool lends to the next."""

    def __init__(self, cupy: Any) -> None:
        self.xp = cupy
        self._in_use: list[tuple[Array, Any]] = []

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """An array of any value."""
        self._in_use = [(array, moment) for array, moment in self._in_use if not moment.done]
        kind, numbers = np.dtype(dtype), prod(shape)
        memory = self.xp.cuda.alloc_pinned_memory(max(1, numbers * kind.itemsize))
        return np.frombuffer(memory, kind, numbers).reshape(shape)

    def keep(self, array: Array, until: Any) -> None:
        """The array's memory is a GPU's until this event."""
        self._in_use.append((array, until))
