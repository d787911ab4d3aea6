"""Convolution whose columns are made and scattered by kernels, where there is a GPU; the products are cuBLAS's.

Columns are made in a workspace that is kept, straight from the images: no padded copy of them is needed. In backward the
columns' gradient takes their place there, and is collected straight into dx.
"""

from __future__ import annotations

from math import prod

from minialex.arrays import Array, channels_last
from minialex.layers import conv, cuda
from minialex.layers.fast.biased import Biased
from minialex.layers.fast.workspace import workspace


class Conv2d(Biased, conv.Conv2d):
    """The plain Conv2d, as above on a GPU."""

    def forward(self, x: Array, train: bool = True) -> Array:
        return super().forward(channels_last(x) if cuda.fits(x) else x, train)  # once, not for each im2col

    def remember(self, x: Array) -> None:
        super().remember(channels_last(x) if cuda.fits(x) else x)

    def _columns(self, x: Array) -> Array:
        if not cuda.fits(x):
            return super()._columns(x)
        n, _, oH, oW = self.output_shape((len(x), self.in_channels, *x.shape[2:]))
        rows, row = n * oH * oW, prod(self.params["weight"].shape[1:])
        X = cuda.im2col(x, self.kernel_size, self.stride, self.padding, out=workspace(x, rows * row))
        return X.reshape(rows, row)

    def _scatter(self, dX: Array, dx: Array) -> None:
        if cuda.fits(dx):
            cuda.col2im(dX, dx.shape, self.stride, self.padding, out=dx)
        else:
            super()._scatter(dX, dx)
