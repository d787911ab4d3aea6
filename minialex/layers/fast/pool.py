r"""Max-pooling a few images at a time, whose backward pass writes each gradient once, at the place of its winner.

Forward takes the maxima down the columns first, from rows that lie in one piece, then along the rows: kH + kW steps where the
plain version makes K = kH kW. Backwards that one goes through the K places and multiplies dy by a mask at each. Here place k
only leaves a small code where it won, K - k; the largest code of a window is that of its first winner. The code says where in
the image the window's gradient belongs, and one `np.add.at` adds all of them there:

    dx[origin of the window + offset of its winner] += dy

Whoever stands last must have won if nobody else has. (If nobody at all can, in a window of nan or of nothing above -infinity,
backward goes the plain way.) Images are taken by the few, so that they are still in the cache when the next place is looked at.

On a GPU forward's kernel keeps a byte for each window, the place of its winner, and backward's gathers; averages likewise.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty, zeros
from minialex.layers import cuda, pool
from minialex.layers.fast.workspace import padded_room, room
from minialex.layers.im2col import pad_channels_last


class Winners(NamedTuple):
    """What forward's kernel leaves for backward's: the winners (N, oH, oW, C), and x's shape."""

    places: Array
    shape: Shape


class MaxPool2d(pool.MaxPool2d):
    """The plain MaxPool2d, as above on a CPU, and by kernels on a GPU; for windows of at most 255 pixels."""

    piece_bytes = 4 << 20  # of x: with less, towers wait for each other's Python; with more, images leave the cache

    def forward(self, x: Array, train: bool = True) -> Array:
        N, C, oH, oW = self.output_shape(self._check_input(x).shape)
        if cuda.fits(x) and prod(self.kernel_size) <= 255:
            y, winners = cuda.max_pool_forward(x, (oH, oW), self.kernel_size, self.stride, (self.padding[0], self.padding[2]))
            self._saved = Winners(winners, x.shape)
            return y
        if array_module(x) is not np:
            return super().forward(x, train)
        y = empty(x, (N, oH, oW, C))
        for n in self._pieces(x):
            self._maxima(self._padded(x[n]), y[n])
        self._saved = x, y
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        if isinstance(self._recall(), Winners):
            return self._by_kernel(dy, *self._recall())
        x, y = self._recall()
        few, real = prod(self.kernel_size) <= 255, x.dtype.kind == "f"
        if array_module(x) is not np or not (few and real and np.min(y, initial=np.inf) > -np.inf):
            return super().backward(dy)
        N, oH, oW, C = y.shape
        self._check_upstream(dy, (N, C, oH, oW))
        top, bottom, left, right = self._cover(x.shape)
        dpadded = zeros(x, (N, top + x.shape[2] + bottom, left + x.shape[3] + right, C))
        offsets = _offsets_by_code(self.kernel_size, *dpadded.shape[2:])
        for n in self._pieces(x):
            origins = _origins(y[n].shape, dpadded.shape[1:3], self.stride)
            winners = room(empty(y, (0,), origins.dtype), origins.shape, "winners")
            np.take(offsets, self._codes(x[n], y[n]), out=winners, mode="clip")
            winners += origins
            np.add.at(dpadded[n].reshape(-1), winners.reshape(-1), dy[n].transpose(0, 2, 3, 1).reshape(-1))
        return self._crop(dpadded, x.shape)

    def _maxima(self, padded: Array, y: Array) -> None:
        """y (n, oH, oW, C), by the maxima of the windows' columns."""
        (n, oH, oW, C), (kH, kW), (sH, sW) = y.shape, self.kernel_size, self.stride
        columns = room(padded, (n, oH, padded.shape[2], C), "maxima")
        _maximum([padded[:, u : u + sH * (oH - 1) + 1 : sH] for u in range(kH)], columns)
        _maximum([columns[:, :, v : v + sW * (oW - 1) + 1 : sW] for v in range(kW)], y)

    def _codes(self, x: Array, y: Array) -> Array:
        """The code of each window (n, oH, oW, C): how many of its places there are from the first winner on."""
        code, won = (room(empty(y, (0,), np.uint8), y.shape, name) for name in ("code", "won"))
        code[...] = 1
        *others, _ = self._offsets(self._padded(x), *y.shape[1:3])
        for k, pixel in enumerate(others):
            np.equal(pixel, y, out=won.view(bool))
            won *= np.uint8(len(others) + 1 - k)
            np.maximum(code, won, out=code)
        return code

    def _padded(self, x: Array) -> Array:
        return pad_channels_last(x, self._cover(x.shape), -np.inf, padded_room)

    def _pieces(self, x: Array) -> list[slice]:
        step = max(1, self.piece_bytes // max(1, x[:1].nbytes))
        return [slice(n, min(n + step, len(x))) for n in range(0, len(x), step)]

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


def _maximum(arrays: list[Array], out: Array) -> None:
    """out = the maximum of them all, number by number."""
    first, *others = arrays
    for other in others:
        first = np.maximum(first, other, out=out)
    if not others:
        out[...] = first


@lru_cache(maxsize=16)
def _origins(shape: tuple[int, int, int, int], padded: tuple[int, int], stride: tuple[int, int]) -> Array:
    """For each (n, i, j, c), the flat index of its window's first pixel in the padded images (N, pH, pW, C)."""
    (N, oH, oW, C), (pH, pW), (sH, sW) = shape, padded, stride
    n, i, j, c = np.ogrid[:N, :oH, :oW, :C]
    return ((n * pH + i * sH) * pW + j * sW) * C + c


@lru_cache(maxsize=16)
def _offsets_by_code(kernel: tuple[int, int], pW: int, C: int) -> Array:
    """For each code, how far its place (u, v) lies from the window's first pixel; nobody has the code 0."""
    kH, kW = kernel
    return np.array([0, *((u * pW + v) * C for u in reversed(range(kH)) for v in reversed(range(kW)))])
