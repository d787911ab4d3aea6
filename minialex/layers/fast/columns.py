"""Convolution by columns: on a CPU in the cache and in small products; on a GPU they are made and scattered by kernels.

Columns are made in a workspace that is kept. In backward the columns' gradient takes their place there. On a CPU they have one
number more, a 1 at the end of each row, whose weight is the bias:

    Y = [X 1] [W b]ᵀ        [dW db] = dYᵀ [X 1]        dX = dY W

so that nobody goes through Y or dY once more for the bias. On a GPU the columns come straight from the images, with no padded
copy, and are collected straight into dx; the products are cuBLAS's.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minialex.arrays import Array, Shape, array_module, channels_last, contiguous, empty
from minialex.layers import conv, cuda
from minialex.layers.fast.biased import Biased
from minialex.layers.fast.runs import copy_runs
from minialex.layers.fast.small import add_columns_times, rows_times
from minialex.layers.fast.workspace import padded_room, room, workspace
from minialex.layers.im2col import pad_channels_last, windows


class Conv2d(Biased, conv.Conv2d):
    """The plain Conv2d, as above."""

    workspace_bytes: dict[str, int] = {"numpy": 5 << 19, "cupy": 1 << 30}  # noqa: RUF012  near a core's own cache

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        if array_module(x) is not np:
            return super().forward(channels_last(x) if cuda.fits(x) else x, train)  # once, not for each im2col
        self._saved = x
        N, O, oH, oW = self.output_shape(x.shape)
        b = self.params["bias"].astype(x.dtype, copy=False)
        Wb = [
            contiguous(np.vstack((w.T, b[outs]))) for w, (_, outs) in zip(self._weight_matrices(x), self._slices(), strict=True)
        ]
        Y = empty(x, (N * oH * oW, O))
        for images, p in self._blocks(x):
            for g, (ins, outs) in enumerate(self._slices()):
                rows_times(self._columns_and_ones(x[images, ins]), Wb[g], out=Y[p, outs])
        return Y.reshape(N, oH, oW, O).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        if array_module(x) is not np:
            return super().backward(dy)
        N, O, oH, oW = self.output_shape(x.shape)
        self._check_upstream(dy, (N, O, oH, oW))
        W = self._weight_matrices(x)
        dWb = [np.zeros_like(w, shape=(len(w), w.shape[1] + 1)) for w in W]
        dx = empty(x, (N, *x.shape[2:], self.in_channels) if self.input_gradient else (N, 0, 0, 0)).transpose(0, 3, 1, 2)
        for images, _ in self._blocks(x):
            dY = pad_channels_last(dy[images], (0, 0, 0, 0), make=_gradients_room).reshape(-1, O)
            for g, (ins, outs) in enumerate(self._slices()):
                X = self._columns_and_ones(x[images, ins])
                add_columns_times(dY[:, outs], X, dWb[g])
                if self.input_gradient:  # X has served; its memory serves dX
                    dX = np.matmul(dY[:, outs], W[g], out=X.reshape(-1)[: len(X) * W[g].shape[1]].reshape(len(X), -1))
                    self._scatter(dX.reshape(-1, oH, oW, *self.kernel_size, ins.stop - ins.start), dx[images, ins])
        self._keep_gradients([each[:, :-1] for each in dWb], np.concatenate([each[:, -1] for each in dWb]))
        return dx

    def remember(self, x: Array, y: Array | None = None) -> None:
        super().remember(channels_last(x) if cuda.fits(x) else x, y)

    def _columns_and_ones(self, x: Array) -> Array:
        """[X 1] (n oH oW, kH kW C + 1), for some images and the channels of a group; the caller may overwrite it."""
        patches = windows(pad_channels_last(x, self.padding, make=padded_room), self.kernel_size, self.stride)
        positions, row = patches.shape[:3], prod(patches.shape[3:])
        X = room(x, (*positions, row + 1), "columns")
        copy_runs(patches, X[..., :row].reshape(patches.shape))
        X[..., row] = 1
        return X.reshape(-1, row + 1)

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


def _gradients_room(like: Any, shape: Shape) -> Array:
    return room(like, shape, "gradients")
