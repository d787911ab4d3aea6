"""Convolution by columns: on a CPU in the cache and in small products; on a GPU they are made and scattered by kernels.

Columns are made in a workspace that is kept. In backward the columns' gradient takes their place there. On a GPU they come
straight from the images, with no padded copy, and are collected straight into dx; the products are cuBLAS's.
"""

from __future__ import annotations

from math import prod

import numpy as np

from minialex.arrays import Array, array_module, channels_last, contiguous, empty
from minialex.layers import conv, cuda
from minialex.layers.fast.biased import Biased
from minialex.layers.fast.small import add_columns_times, rows_times
from minialex.layers.fast.workspace import padded_room, room, workspace
from minialex.layers.im2col import pad_channels_last, windows


class Conv2d(Biased, conv.Conv2d):
    """The plain Conv2d, as above."""

    workspace_bytes: dict[str, int] = {"numpy": 5 << 18, "cupy": 1 << 30}  # noqa: RUF012  a core's own cache, or so

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        if array_module(x) is not np:
            return super().forward(channels_last(x) if cuda.fits(x) else x, train)  # once, not for each im2col
        self._saved = x
        N, O, oH, oW = self.output_shape(x.shape)
        W = [contiguous(w.T) for w in self._weight_matrices(x)]
        Y = empty(x, (N * oH * oW, O))
        for images, p in self._blocks(x):
            for g, (ins, outs) in enumerate(self._slices()):
                rows_times(self._columns(x[images, ins]), W[g], out=Y[p, outs])
            self._add_bias(Y[p])
        return Y.reshape(N, oH, oW, O).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        if array_module(x) is not np:
            return super().backward(dy)
        N, O, oH, oW = self.output_shape(x.shape)
        self._check_upstream(dy, (N, O, oH, oW))
        W = self._weight_matrices(x)
        dY = pad_channels_last(dy, (0, 0, 0, 0)).reshape(N * oH * oW, O)
        dW = [np.zeros_like(w) for w in W]
        dx = empty(x, (N, *x.shape[2:], self.in_channels) if self.input_gradient else (N, 0, 0, 0)).transpose(0, 3, 1, 2)
        for images, p in self._blocks(x):
            for g, (ins, outs) in enumerate(self._slices()):
                X = self._columns(x[images, ins])
                add_columns_times(dY[p, outs], X, dW[g])
                if self.input_gradient:
                    dX = np.matmul(dY[p, outs], W[g], out=X)  # X has served; its memory serves dX
                    self._scatter(dX.reshape(-1, oH, oW, *self.kernel_size, ins.stop - ins.start), dx[images, ins])
        self._keep_gradients(dW, self._bias_gradient(dY))
        return dx

    def remember(self, x: Array) -> None:
        super().remember(channels_last(x) if cuda.fits(x) else x)

    def _columns(self, x: Array) -> Array:
        if array_module(x) is np:
            patches = windows(pad_channels_last(x, self.padding, make=padded_room), self.kernel_size, self.stride)
            X = room(x, patches.shape, "columns")
            X[...] = patches
            return X.reshape(prod(X.shape[:3]), prod(X.shape[3:]))
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
