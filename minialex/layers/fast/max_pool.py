r"""Max-pooling one side after the other (sides.py), whose backward pass writes each gradient once, at the place of its winner.

Backwards the plain version goes through the K = kH kW places and multiplies dy by a mask at each. Here forward leaves a byte
for each window, the code of its first winner (winners.py). It says where in the image the window's gradient belongs, and one
`np.add.at` adds all of them there:

    dx[origin of the window + offset of its winner] += dy

A pass from which nobody will go back leaves none; who comes back all the same makes it again. Where nobody can win, in a window
of nan, backward goes the plain way.

On a GPU forward's kernel keeps a byte for each window, the place of its winner, and backward's gathers.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty
from minialex.layers import cuda, pool
from minialex.layers.fast.sides import BySides
from minialex.layers.fast.winners import have_codes, maxima_and_codes, offsets_by_code
from minialex.layers.fast.workspace import room


class Winners(NamedTuple):
    """What forward's kernel leaves for backward's: the winners (N, oH, oW, C), and x's shape."""

    places: Array
    shape: Shape


class MaxPool2d(BySides, pool.MaxPool2d):
    """The plain MaxPool2d, as above on a CPU, and by kernels on a GPU; for windows of at most 255 pixels."""

    def forward(self, x: Array, train: bool = True) -> Array:
        _, _, oH, oW = self.output_shape(self._check_input(x).shape)
        if cuda.fits(x) and prod(self.kernel_size) <= 255:
            y, winners = cuda.max_pool_forward(x, (oH, oW), self.kernel_size, self.stride, (self.padding[0], self.padding[2]))
            self._saved = Winners(winners, x.shape)
            return y
        if array_module(x) is not np:
            return super().forward(x, train)
        coded = x.dtype.kind == "f" and have_codes(self.kernel_size)
        if not (train and coded):
            y = self._of_windows(np.maximum, -np.inf, x)
            self._saved = x if coded else (x, y)
            return y.transpose(0, 3, 1, 2)
        y = empty(x, (len(x), oH, oW, x.shape[1]))
        codes = empty(x, y.shape, np.uint8)
        for images, n in self._pieces(x):
            maxima_and_codes(self.sides, images, y[n], codes[n])
        self._saved = x, y, codes
        return y.transpose(0, 3, 1, 2)

    def apply(self, x: Array, train: bool = True) -> Array:
        return self.forward(x, train=False)

    def backward(self, dy: Array) -> Array:
        if isinstance(self._recall(), Winners):
            return self._by_kernel(dy, *self._recall())
        if not isinstance(self._recall(), tuple):
            self.forward(self._saved)
        x, y, *codes = self._recall()
        if not codes or np.isnan(np.min(y, initial=np.inf)):
            self._saved = x, y
            return super().backward(dy)
        N, C, H, W = x.shape
        self._check_upstream(dy, (N, C, *y.shape[1:3]))
        dx, offsets = empty(x, (N, H, W, C)), offsets_by_code(self.kernel_size, W, C)
        for _, n in self._pieces(dx.transpose(0, 3, 1, 2)):
            origins = _origins(y[n].shape, (H, W), self.stride, (self.padding[0], self.padding[2]))
            winners = room(empty(y, (0,), origins.dtype), origins.shape, "winners")
            np.take(offsets, codes[0][n], out=winners, mode="clip")
            winners += origins
            dx[n] = 0
            np.add.at(dx[n].reshape(-1), winners.reshape(-1), dy[n].transpose(0, 2, 3, 1).reshape(-1))
        return dx.transpose(0, 3, 1, 2)

    def _by_kernel(self, dy: Array, winners: Array, shape: Shape) -> Array:
        self._check_upstream(dy, self.output_shape(shape))
        return cuda.max_pool_backward(dy, winners, shape, self.kernel_size, self.stride, (self.padding[0], self.padding[2]))


@lru_cache(maxsize=16)
def _origins(
    shape: tuple[int, int, int, int], pixels: tuple[int, int], stride: tuple[int, int], before: tuple[int, int]
) -> Array:
    """For each (n, i, j, c), the flat index in images (N, H, W, C) of its window's first pixel, be it in the padding."""
    (N, oH, oW, C), (H, W), (sH, sW), (top, left) = shape, pixels, stride, before
    n, i, j, c = np.ogrid[:N, :oH, :oW, :C]
    return ((n * H + i * sH - top) * W + j * sW - left) * C + c
