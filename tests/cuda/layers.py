"""Layers made of the kernels, with host arrays in and out: the smallest code that runs a layer on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex import layers as plain
from minialex.layers import cuda
from tests.cuda import stand_in
from tests.reference import Array


def get(x: Any) -> Array:
    """A host copy."""
    host: Array = x.get()
    return host


class Conv2d(plain.Conv2d):
    """With im2col and col2im by kernels, two images a block, and the bias added by the kernel that could do ReLU as well."""

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        self._saved = x = stand_in.put(x)
        N, O, oH, oW = self.output_shape(x.shape)
        W, bias = self._weight_matrices(x), stand_in.put(self.params["bias"].astype(x.dtype))
        Y = stand_in.put(np.full((N * oH * oW, O), np.nan, x.dtype))
        for images, p in self._blocks(x):
            for g, (ins, outs) in enumerate(self._slices()):
                Y[p, outs] = self._columns(x[images, ins], ins) @ W[g].T
        return get(cuda.bias_relu(Y, bias, relu=False).reshape(N, oH, oW, O).transpose(0, 3, 1, 2))

    def backward(self, dy: Array) -> Array:
        x, dy = self._recall(), stand_in.put(dy)
        N, O, oH, oW = self.output_shape(x.shape)
        W = self._weight_matrices(x)
        dY = stand_in.put(np.ascontiguousarray(get(dy).transpose(0, 2, 3, 1))).reshape(N * oH * oW, O)
        dW = [stand_in.put(np.zeros(w.shape, w.dtype)) for w in W]
        dx = stand_in.put(np.full((N, *x.shape[2:], x.shape[1]), np.nan, x.dtype)).transpose(0, 3, 1, 2)
        for images, p in self._blocks(x):
            for g, (ins, outs) in enumerate(self._slices()):
                dW[g] += dY[p, outs].T @ self._columns(x[images, ins], ins)
                dX = (dY[p, outs] @ W[g]).reshape(-1, oH, oW, *self.kernel_size, ins.stop - ins.start)
                cuda.col2im(dX, dx[images, ins].shape, self.stride, self.padding, out=dx[images, ins])
        self._keep_gradients([get(w) for w in dW], get(dY).sum(axis=0))
        return get(dx)

    def _columns(self, images: Any, channels: slice) -> Any:
        X = cuda.im2col(images, self.kernel_size, self.stride, self.padding)
        return X.reshape(int(np.prod(X.shape[:3])), -1)

    def _weight_matrices(self, x: Any) -> list[Any]:
        host = np.empty(0, x.dtype)
        return [stand_in.put(np.ascontiguousarray(w)) for w in super()._weight_matrices(host)]

    def _blocks(self, x: Any) -> list[tuple[slice, slice]]:
        N, _, oH, oW = self.output_shape(x.shape)
        cuts = [(n, min(n + 2, N)) for n in range(0, N, 2)]
        return [(slice(n, m), slice(n * oH * oW, m * oH * oW)) for n, m in cuts]


class Patches:
    """im2col and col2im."""

    @staticmethod
    def im2col(x: Array, *geometry: Any) -> Array:
        return get(cuda.im2col(stand_in.put(x), *geometry))

    @staticmethod
    def col2im(columns: Array, *geometry: Any) -> Array:
        return get(cuda.col2im(stand_in.put(columns), *geometry))


class MaxPool2d(plain.MaxPool2d):
    """By kernels; the winners are kept, not x."""

    def forward(self, x: Array, train: bool = True) -> Array:
        _, _, oH, oW = self.output_shape(self._check_input(x).shape)
        y, winners = cuda.max_pool_forward(stand_in.put(x), (oH, oW), self.kernel_size, self.stride, self.padding[::2])
        self._saved = winners, x.shape
        return get(y)

    def backward(self, dy: Array) -> Array:
        winners, shape = self._recall()
        return get(cuda.max_pool_backward(stand_in.put(dy), winners, shape, self.kernel_size, self.stride, self.padding[::2]))


class AvgPool2d(plain.AvgPool2d):
    """By kernels."""

    def forward(self, x: Array, train: bool = True) -> Array:
        _, _, oH, oW = self.output_shape(self._check_input(x).shape)
        self._saved = x.shape
        return get(cuda.avg_pool_forward(stand_in.put(x), (oH, oW), self.kernel_size, self.stride, self.padding[::2]))

    def backward(self, dy: Array) -> Array:
        return get(cuda.avg_pool_backward(stand_in.put(dy), self._recall(), self.kernel_size, self.stride, self.padding[::2]))


class LocalResponseNorm(plain.LocalResponseNorm):
    """By kernels; x and d are kept."""

    def forward(self, x: Array, train: bool = True) -> Array:
        x = stand_in.put(self._check_input(x))
        y, d = cuda.lrn_forward(x, self.size, self._alpha, self.beta, self.k, self.groups)
        self._saved = x, d
        return get(y)

    def backward(self, dy: Array) -> Array:
        x, d = self._recall()
        return get(cuda.lrn_backward(stand_in.put(dy), x, d, self.size, self._alpha, self.beta, self.groups))


class Dropout(plain.Dropout):
    """By the kernel, with Philox generators; the mask is made again in backward."""

    def forward(self, x: Array, train: bool = True) -> Array:
        draws = [cuda.mask_numbers(rng, x.size // len(self.rngs)) for rng in self.rngs]
        self._saved = draws, x.shape
        return get(cuda.dropout(stand_in.put(x), self.p, draws))

    def backward(self, dy: Array) -> Array:
        draws, _ = self._recall()
        return get(cuda.dropout(stand_in.put(dy), self.p, draws))
