r"""Overlapping pooling (paper, section 3.4): windows of 3 x 3, two pixels apart, and their backward passes.

Over the window that belongs to output (i, j), at offsets (u, v) inside it:

    max:      y[i, j] = max_{u, v} x[i sH + u, j sW + v]        dx[i sH + u*, j sW + v*] += dy[i, j]
    average:  y[i, j] = 1/n_ij sum_{u, v} x[i sH + u, j sW + v]  dx[i sH + u, j sW + v]  += dy[i, j] / n_ij

where (u*, v*) is where the maximum was. Windows overlap, so a pixel that wins in several of them collects several
gradients. Where pixels tie, the max has a kink; the first in row-major order gets all, so that the gradients of a window
add up to dy[i, j] (the 2012 code gave every tied pixel the full dy).

Padding never wins and never counts: it is -infinity for the max, and n_ij counts real pixels only. With ceil_mode a last
window may hang over the edge, if it starts inside the image or its leading padding.
"""

from __future__ import annotations

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty, zeros
from minialex.layers.base import Layer, four_sides, geometry, image_shape, pair, positions
from minialex.layers.im2col import pad_channels_last


class _Pool2d(Layer):
    """What both kinds share: the geometry. x (N, C, H, W) -> y (N, C, oH, oW)."""

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] | tuple[int, int, int, int] = 0,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else pair(stride, "stride")
        self.padding, self.ceil_mode = four_sides(padding), ceil_mode
        top, bottom, left, right = self.padding
        if max(top, bottom) >= self.kernel_size[0] or max(left, right) >= self.kernel_size[1]:
            raise ValueError(f"{type(self).__name__}: padding {padding} would leave a window of {kernel_size} empty")

    def output_shape(self, shape: Shape) -> Shape:
        N, C, H, W = image_shape(self, shape)
        top, bottom, left, right = self.padding
        return N, C, self._places(H, top, bottom, 0), self._places(W, left, right, 1)

    def _places(self, size: int, before: int, after: int, axis: int) -> int:
        kernel, stride = self.kernel_size[axis], self.stride[axis]
        if not self.ceil_mode:
            return positions(self, size, before, after, kernel, stride)
        places = positions(self, size, before, after, kernel, stride, overhang=stride - 1)
        return places - 1 if (places - 1) * stride >= size + before else places

    def _cover(self, shape: Shape) -> tuple[int, int, int, int]:
        """The padding with which the windows fit exactly: what hangs over the edge in ceil_mode is padding too."""
        _, _, H, W = shape
        _, _, oH, oW = self.output_shape(shape)
        top, bottom, left, right = self.padding
        below = (oH - 1) * self.stride[0] + self.kernel_size[0] - top - H
        beside = (oW - 1) * self.stride[1] + self.kernel_size[1] - left - W
        return top, max(bottom, below), left, max(right, beside)

    def _offsets(self, padded: Array, oH: int, oW: int) -> list[Array]:
        """For each (u, v) in row-major order, a view (N, oH, oW, C) of the pixel at that offset in every window."""
        (kH, kW), (sH, sW) = self.kernel_size, self.stride
        return [padded[:, u : u + sH * (oH - 1) + 1 : sH, v : v + sW * (oW - 1) + 1 : sW] for u in range(kH) for v in range(kW)]

    def _crop(self, padded: Array, shape: Shape) -> Array:
        """Undo the padding: (N, H', W', C) -> (N, C, H, W)."""
        _, _, H, W = shape
        top, _, left, _ = self.padding
        return padded[:, top : top + H, left : left + W].transpose(0, 3, 1, 2)

    def __repr__(self) -> str:
        ceil = ", ceil" if self.ceil_mode else ""
        return f"{type(self).__name__}({geometry(self.kernel_size, self.stride, self.padding)}{ceil})"


class MaxPool2d(_Pool2d):
    """The largest value under each window, channel by channel. MaxPool2d(3, 2) is the paper's overlapping pooling."""

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        N, C, oH, oW = self.output_shape(x.shape)
        first, *others = self._offsets(pad_channels_last(x, self._cover(x.shape), fill=-np.inf), oH, oW)
        y = empty(x, (N, oH, oW, C))
        y[...] = first
        for pixel in others:
            array_module(x).maximum(y, pixel, out=y)
        self._saved = x, y
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        x, y = self._recall()
        N, oH, oW, C = y.shape
        self._check_upstream(dy, (N, C, oH, oW))
        padded = pad_channels_last(x, self._cover(x.shape), fill=np.nan)  # nan equals nothing: padding never wins
        dpadded = zeros(padded, padded.shape)
        waiting = dy.transpose(0, 2, 3, 1).astype(x.dtype)  # a copy: each window's gradient, until its winner is met
        for pixel, dpixel in zip(self._offsets(padded, oH, oW), self._offsets(dpadded, oH, oW), strict=True):
            won = waiting * (pixel == y)
            dpixel += won
            waiting -= won
        return self._crop(dpadded, x.shape)


class AvgPool2d(_Pool2d):
    """The mean of the real pixels under each window, channel by channel."""

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        N, C, oH, oW = self.output_shape(x.shape)
        y = zeros(x, (N, oH, oW, C))
        for pixel in self._offsets(pad_channels_last(x, self._cover(x.shape)), oH, oW):
            y += pixel
        y /= self._counts(x)
        self._saved = x
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        N, C, oH, oW = self.output_shape(x.shape)
        self._check_upstream(dy, (N, C, oH, oW))
        top, bottom, left, right = self._cover(x.shape)
        share = dy.transpose(0, 2, 3, 1) / self._counts(x)
        dpadded = zeros(x, (N, top + x.shape[2] + bottom, left + x.shape[3] + right, C))
        for dpixel in self._offsets(dpadded, oH, oW):
            dpixel += share
        return self._crop(dpadded, x.shape)

    def _counts(self, x: Array) -> Array:
        """n_ij (1, oH, oW, 1): how many real pixels each window sees."""
        _, _, oH, oW = self.output_shape(x.shape)
        real = array_module(x).ones_like(x[:1, :1].real)
        seen = self._offsets(pad_channels_last(real, self._cover(x.shape)), oH, oW)
        return sum(seen[1:], start=seen[0])
