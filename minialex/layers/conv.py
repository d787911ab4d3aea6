r"""Convolution as one matrix product, and its backward pass (paper, section 3.5; LeCun et al. 1989).

    y[n, o, i, j] = b[o] + sum_{c, u, v} W[o, c, u, v] x_padded[n, c, i sH + u, j sW + v]

im2col copies the patches into a matrix X, a row for each output position p = (n, i, j), a column for each q = (u, v, c).
With W as a matrix (o, q) the layer is a linear one, and with dY = dL/dy as a matrix (p, o) so is its backward pass:

    Y = X Wᵀ + b          Y[p, o]  = sum_q X[p, q] W[o, q] + b[o]
    dW = dYᵀ X            dW[o, q] = sum_p dY[p, o] X[p, q]        (each weight was used once at every position)
    db = sum_p dY[p] = 1ᵀ dY      (as a product: BLAS adds thousands of rows with less rounding than one by one)
    dX = dY W             dX[p, q] = sum_o dY[p, o] W[o, q]
    dx = col2im(dX)       every pixel collects the gradients of all the patches that it was copied to

With `groups` = G the channels fall into G equal slices, and output slice g sees only input slice g: the same five lines for
each g. The paper's two towers are G = 2.

X is kH kW times larger than x, so it is made for a few images at a time (`workspace_bytes`), used at once, while it is in
the cache, and made again in backward rather than kept: memory does not grow with the batch.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty
from minialex.layers.base import Layer, four_sides, geometry, image_shape, pair, positions
from minialex.layers.im2col import col2im, im2col, pad_channels_last
from minialex.layers.parameters import constant, gaussian


class Conv2d(Layer):
    """x (N, in_channels, H, W) -> y (N, out_channels, oH, oW), oH = floor((H + top + bottom - kH) / sH) + 1.

    kernel_size, stride: int or (h, w); padding: int, (h, w) or (top, bottom, left, right), filled with zeros.
    params: weight (out_channels, in_channels / groups, kH, kW), drawn from N(0, std²); bias (out_channels,).
    y is an (N, C, H, W) view of channels-last memory.
    """

    workspace_bytes: dict[str, int] = {"numpy": 6 << 20, "cupy": 1 << 30}  # noqa: RUF012  about a core's share of cache

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | tuple[int, int, int, int] = 0,
        groups: int = 1,
        *,
        std: float = 0.01,
        bias: float = 0.0,
        dtype: Any = np.float32,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, groups) < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"Conv2d: groups={groups} must divide both {in_channels} and {out_channels} channels")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair(kernel_size, "kernel_size"), pair(stride, "stride")
        self.padding = four_sides(padding)
        self.params["weight"] = gaussian((out_channels, in_channels // groups, *self.kernel_size), std, dtype, rng)
        self.params["bias"] = constant(out_channels, bias, dtype)

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        self._saved = x
        N, O, oH, oW = self.output_shape(x.shape)
        W = self._weight_matrices(x)
        Y = empty(x, (N * oH * oW, O))
        for images, p in self._blocks(x):
            for g, (ins, outs) in enumerate(self._slices()):
                array_module(x).matmul(self._columns(x[images, ins]), W[g].T, out=Y[p, outs])
            self._add_bias(Y[p])
        return Y.reshape(N, oH, oW, O).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        N, O, oH, oW = self.output_shape(x.shape)
        self._check_upstream(dy, (N, O, oH, oW))
        W = self._weight_matrices(x)
        dY = pad_channels_last(dy, (0, 0, 0, 0)).reshape(N * oH * oW, O)
        dW = [array_module(x).zeros_like(w) for w in W]
        dx = empty(x, (N, *x.shape[2:], self.in_channels) if self.input_gradient else (N, 0, 0, 0)).transpose(0, 3, 1, 2)
        for images, p in self._blocks(x):
            for g, (ins, outs) in enumerate(self._slices()):
                X = self._columns(x[images, ins])
                dW[g] += dY[p, outs].T @ X
                if self.input_gradient:
                    dX = array_module(x).matmul(dY[p, outs], W[g], out=X)  # X has served; its memory serves dX
                    self._scatter(dX.reshape(-1, oH, oW, *self.kernel_size, ins.stop - ins.start), dx[images, ins])
        self._keep_gradients(dW, self._bias_gradient(dY))
        return dx

    def remember(self, x: Array, y: Array | None = None) -> None:
        self._saved = self._check_input(x)

    def _columns(self, x: Array) -> Array:
        """X (n oH oW, kH kW C), for some images and the channels of a group; the caller may overwrite it."""
        X = im2col(x, self.kernel_size, self.stride, self.padding)
        return X.reshape(prod(X.shape[:3]), prod(X.shape[3:]))

    def _scatter(self, dX: Array, dx: Array) -> None:
        dx[...] = col2im(dX, dx.shape, self.stride, self.padding)

    def _add_bias(self, Y: Array) -> None:
        Y += self.params["bias"].astype(Y.dtype, copy=False)

    def _bias_gradient(self, dY: Array) -> Array:
        return array_module(dY).ones(len(dY), dY.dtype) @ dY

    def _weight_matrices(self, x: Array) -> list[Array]:
        """W of each group as a matrix (o, q), q = (u, v, c) as in the columns, in x's dtype."""
        W = self.params["weight"].astype(x.dtype, copy=False).transpose(0, 2, 3, 1)
        return [W[outs].reshape(self.out_channels // self.groups, -1) for _, outs in self._slices()]

    def _keep_gradients(self, dW: list[Array], db: Array) -> None:
        O, C, kH, kW = self.params["weight"].shape
        stacked = array_module(db).concatenate(dW).reshape(O, kH, kW, C).transpose(0, 3, 1, 2)
        for key, gradient in (("weight", stacked), ("bias", db)):
            self.grads[key] = gradient.astype(self.params[key].dtype, copy=False)

    def _slices(self) -> list[tuple[slice, slice]]:
        """For each group, its input channels and its output channels."""
        i, o = self.in_channels // self.groups, self.out_channels // self.groups
        return [(slice(g * i, (g + 1) * i), slice(g * o, (g + 1) * o)) for g in range(self.groups)]

    def _blocks(self, x: Array) -> list[tuple[slice, slice]]:
        """The batch, cut so that the columns of one block fit the workspace: its images, and its rows of X and Y."""
        N, _, oH, oW = self.output_shape(x.shape)
        one_image = oH * oW * prod(self.params["weight"].shape[1:]) * x.dtype.itemsize
        step = max(1, self.workspace_bytes[array_module(x).__name__] // one_image)
        cuts = [(n, min(n + step, N)) for n in range(0, N, step)]
        return [(slice(n, m), slice(n * oH * oW, m * oH * oW)) for n, m in cuts]

    def output_shape(self, shape: Shape) -> Shape:
        N, _, H, W = image_shape(self, shape, self.in_channels)
        (kH, kW), (sH, sW), (top, bottom, left, right) = self.kernel_size, self.stride, self.padding
        return N, self.out_channels, positions(self, H, top, bottom, kH, sH), positions(self, W, left, right, kW, sW)

    def multiply_adds(self, shape: Shape) -> int:
        N, _, oH, oW = self.output_shape(shape)
        return N * oH * oW * prod(self.params["weight"].shape)

    def __repr__(self) -> str:
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        window = geometry(self.kernel_size, self.stride, self.padding)
        return f"Conv2d({self.in_channels} -> {self.out_channels}, {window}{groups})"
