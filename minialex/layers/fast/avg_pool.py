r"""Average pooling by sums down the columns, then along the rows (sides.py); backwards the same in the opposite order.

    s = dy / number of pixels      dcolumns[i, j sW + v] += s[i, j]      dx[i sH + u, w] += dcolumns[i, w]

On a GPU both ways are kernels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from minialex.arrays import Array, array_module, empty
from minialex.layers import cuda, pool
from minialex.layers.fast.sides import BySides, Side


class AvgPool2d(BySides, pool.AvgPool2d):
    """The plain AvgPool2d, as above on a CPU; by kernels on a GPU."""

    def forward(self, x: Array, train: bool = True) -> Array:
        _, _, oH, oW = self.output_shape(self._check_input(x).shape)
        if cuda.fits(x):
            self._saved = x.shape
            return cuda.avg_pool_forward(x, (oH, oW), self.kernel_size, self.stride, (self.padding[0], self.padding[2]))
        if array_module(x) is not np:
            return super().forward(x, train)
        y = self._of_windows(np.add, 0, x)
        y /= _counts(self.sides, x.shape[2:], (oH, oW), x.real.dtype)
        self._saved = x
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        if isinstance(x, tuple):
            self._check_upstream(dy, self.output_shape(x))
            return cuda.avg_pool_backward(dy, x, self.kernel_size, self.stride, (self.padding[0], self.padding[2]))
        if array_module(x) is not np:
            return super().backward(dy)
        (N, C, H, W), (down, along) = x.shape, self.sides
        _, _, oH, oW = self.output_shape(x.shape)
        self._check_upstream(dy, (N, C, oH, oW))
        share = dy.transpose(0, 2, 3, 1) / _counts(self.sides, (H, W), (oH, oW), x.real.dtype)
        dx = empty(x, (N, H, W, C)).transpose(0, 3, 1, 2)
        for images, n in self._pieces(dx):
            columns = self._columns(images, oH)
            along.spread(share[n], columns)
            down.spread(columns, images)
        return dx


@lru_cache(maxsize=16)
def _counts(sides: tuple[Side, Side], pixels: tuple[int, int], windows: tuple[int, int], dtype: Any) -> Array:
    """How many pixels each window has (1, oH, oW, 1), for all to read."""
    down, along = (side.counts(*sizes) for side, *sizes in zip(sides, pixels, windows, strict=True))
    counts = np.outer(down, along).astype(dtype)[None, :, :, None]
    counts.flags.writeable = False
    return counts
