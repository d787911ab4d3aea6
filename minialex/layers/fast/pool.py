r"""Max-pooling whose backward pass writes each gradient once, at the place of its winner.

The plain version goes through the kernel's K places and multiplies dy by a mask at each. Here place k only leaves a small code
where it won, K - k, and 0 where it did not; the largest code of a window is that of its first winner. The code says where in
the image the window's gradient belongs, and one `np.add.at` adds all of them there:

    dx[origin of the window + offset of its winner] += dy

On a GPU forward's kernel keeps a byte for each window, the place of its winner, and backward's gathers; averages likewise.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minialex.arrays import Array, Shape, array_module, zeros
from minialex.layers import cuda, pool
from minialex.layers.im2col import pad_channels_last


class Winners(NamedTuple):
    """What forward's kernel leaves for backward's: the winners (N, oH, oW, C), and x's shape."""

    places: Array
    shape: Shape


class MaxPool2d(pool.MaxPool2d):
    """The plain MaxPool2d; its backward as above on a CPU, and both by kernels on a GPU; for windows of at most 255 pixels."""

    def forward(self, x: Array, train: bool = True) -> Array:
        if not cuda.fits(x) or self.kernel_size[0] * self.kernel_size[1] > 255:
            return super().forward(x, train)
        _, _, oH, oW = self.output_shape(self._check_input(x).shape)
        y, winners = cuda.max_pool_forward(x, (oH, oW), self.kernel_size, self.stride, (self.padding[0], self.padding[2]))
        self._saved = Winners(winners, x.shape)
        return y

    def backward(self, dy: Array) -> Array:
        if isinstance(self._recall(), Winners):
            return self._by_kernel(dy, *self._recall())
        x, y = self._recall()
        (kH, kW), (N, oH, oW, C) = self.kernel_size, y.shape
        if array_module(x) is not np or x.dtype.kind != "f" or kH * kW > 255:
            return super().backward(dy)
        self._check_upstream(dy, (N, C, oH, oW))
        padded = pad_channels_last(x, self._cover(x.shape), fill=np.nan)  # nan equals nothing: padding never wins
        code, won = np.zeros(y.shape, np.uint8), np.empty(y.shape, bool)
        for k, pixel in enumerate(self._offsets(padded, oH, oW)):
            np.equal(pixel, y, out=won)
            np.maximum(code, won.view(np.uint8) * np.uint8(kH * kW - k), out=code)
        dpadded = zeros(x, padded.shape)
        _, pH, pW, _ = padded.shape
        origins = _origins((N, oH, oW, C), (pH, pW), self.stride)
        offsets = _offsets_by_code((kH, kW), pW, C)
        winners = origins + offsets[code]
        found = code > 0  # false only where nothing was comparable: a window of nan
        if not found.all():
            winners, dy = winners[found], dy.transpose(0, 2, 3, 1)[found]
        else:
            dy = dy.transpose(0, 2, 3, 1)
        np.add.at(dpadded.reshape(-1), winners.reshape(-1), dy.reshape(-1))
        return self._crop(dpadded, x.shape)

    def _by_kernel(self, dy: Array, winners: Array, shape: Shape) -> Array:
        self._check_upstream(dy, self.output_shape(shape))
        return cuda.max_pool_backward(dy, winners, shape, self.kernel_size, self.stride, (self.padding[0], self.padding[2]))


class AvgPool2d(pool.AvgPool2d):
    """The plain AvgPool2d; by kernels on a GPU."""

    def forward(self, x: Array, train: bool = True) -> Array:
        if not cuda.fits(x):
            return super().forward(x, train)
        _, _, oH, oW = self.output_shape(self._check_input(x).shape)
        self._saved = x.shape
        return cuda.avg_pool_forward(x, (oH, oW), self.kernel_size, self.stride, (self.padding[0], self.padding[2]))

    def backward(self, dy: Array) -> Array:
        shape = self._recall()
        if not isinstance(shape, tuple):
            return super().backward(dy)
        self._check_upstream(dy, self.output_shape(shape))
        return cuda.avg_pool_backward(dy, shape, self.kernel_size, self.stride, (self.padding[0], self.padding[2]))


@lru_cache(maxsize=16)
def _origins(shape: tuple[int, int, int, int], padded: tuple[int, int], stride: tuple[int, int]) -> Array:
    """For each (n, i, j, c), the flat index of its window's first pixel in the padded images (N, pH, pW, C)."""
    (N, oH, oW, C), (pH, pW), (sH, sW) = shape, padded, stride
    n, i, j, c = np.ogrid[:N, :oH, :oW, :C]
    return ((n * pH + i * sH) * pW + j * sW) * C + c


@lru_cache(maxsize=16)
def _offsets_by_code(kernel: tuple[int, int], pW: int, C: int) -> Array:
    """For each code, how far its place (u, v) lies from the window's first pixel; code 0 has no place."""
    kH, kW = kernel
    return np.array([0, *((u * pW + v) * C for u in reversed(range(kH)) for v in reversed(range(kW)))])
