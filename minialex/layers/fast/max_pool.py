r"""Max-pooling one side after the other (sides.py), whose backward pass writes each gradient once, at the place of its winner.

Backwards the plain version goes through the K = kH kW places and multiplies dy by a mask at each. Here place k only leaves a
small code where it won, K - k; the largest code of a window is that of its first winner. The code says where in the image the
window's gradient belongs, and one `np.add.at` adds all of them there:

    dx[origin of the window + offset of its winner] += dy

Whoever stands last must have won if nobody else has. (Where nobody can, in a window of nan, backward goes the plain way.)

On a GPU forward's kernel keeps a byte for each window, the place of its winner, and backward's gathers.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty, zeros
from minialex.layers import cuda, pool
from minialex.layers.fast.sides import BySides
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
        y = self._of_windows(np.maximum, -np.inf, x)
        self._saved = x, y
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        if isinstance(self._recall(), Winners):
            return self._by_kernel(dy, *self._recall())
        x, y = self._recall()
        few, real = prod(self.kernel_size) <= 255, x.dtype.kind == "f"
        if array_module(x) is not np or not (few and real) or np.isnan(np.min(y, initial=np.inf)):
            return super().backward(dy)
        N, C, H, W = x.shape
        self._check_upstream(dy, (N, C, *y.shape[1:3]))
        dx, offsets = zeros(x, (N, H, W, C)), _offsets_by_code(self.kernel_size, W, C)
        for images, n in self._pieces(x):
            origins = _origins(y[n].shape, (H, W), self.stride, (self.padding[0], self.padding[2]))
            winners = room(empty(y, (0,), origins.dtype), origins.shape, "winners")
            np.take(offsets, self._codes(images, y[n]), out=winners, mode="clip")
            winners += origins
            np.add.at(dx[n].reshape(-1), winners.reshape(-1), dy[n].transpose(0, 2, 3, 1).reshape(-1))
        return dx.transpose(0, 3, 1, 2)

    def _codes(self, images: Array, y: Array) -> Array:
        """The code of each window (n, oH, oW, C): how many of its places there are from the first winner on."""
        code, won = (room(empty(y, (0,), np.uint8), y.shape, name) for name in ("code", "won"))
        code[...] = 1
        (_, H, W, _), (_, oH, oW, _), (down, along) = images.shape, y.shape, self.sides
        places = list(product(range(down.kernel), range(along.kernel)))
        for k, (u, v) in enumerate(places[:-1]):
            (i, rows), (j, columns) = down.reach(u, H, oH), along.reach(v, W, oW)
            np.equal(images[:, rows, columns], y[:, i, j], out=won[:, i, j].view(bool))
            won[:, i, j] *= np.uint8(len(places) - k)
            np.maximum(code[:, i, j], won[:, i, j], out=code[:, i, j])
        return code

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


@lru_cache(maxsize=16)
def _offsets_by_code(kernel: tuple[int, int], W: int, C: int) -> Array:
    """For each code, how far its place (u, v) lies from the window's first pixel; nobody has the code 0."""
    kH, kW = kernel
    return np.array([0, *((u * W + v) * C for u in reversed(range(kH)) for v in reversed(range(kW)))])
