"""Memory that is lent and comes back: large arrays of one size, made again and again, without new memory each time.

Fresh memory costs a page that the system must find and clear for each 4 kB that are first touched: for a large array more than
the work on it. And nobody has to say when he is done.
"""

from __future__ import annotations

import weakref
from collections import deque
from math import prod
from typing import Any

import numpy as np

from minialex.arrays import Array, Shape


class Memory:
    """Memory for arrays of up to `size` numbers, lent out and used again.

    What is lent is an array over a block that NumPy does not own, so that every view of it holds on to that array; when the
    last is gone, the block comes back. Who keeps an array keeps its block, and another is made.
    """

    def __init__(self, size: int, dtype: Any = np.float32) -> None:
        self.size, self.dtype = size, dtype
        self._free: deque[Array] = deque()

    def lend(self, shape: Shape) -> Array:
        """An array of this shape, of any value."""
        try:
            block = self._free.pop()
        except IndexError:
            block = np.empty(self.size, self.dtype)
        lent = np.frombuffer(block.data, self.dtype, count=prod(shape))
        weakref.finalize(lent, self._free.append, block).atexit = False
        return lent.reshape(shape)
