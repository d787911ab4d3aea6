r"""im2col and col2im: a convolution's patches laid out as the rows of a matrix, and their exact adjoint.

For images x (N, C, H, W), a kernel of kH x kW, strides sH, sW and padding (top, bottom, left, right):

    columns[n, i, j, u, v, c] = x_padded[n, c, i sH + u, j sW + v]                       (im2col, a copy)

so columns.reshape(N oH oW, kH kW C) has one patch a row, and a convolution is one matrix product. im2col is linear, so
its backward pass is its transpose: each pixel collects the gradients of all the places it was copied to,

    dx_padded[n, c, i sH + u, j sW + v] += dcolumns[n, i, j, u, v, c]                    (col2im, a sum)

and <im2col(x), d> = <x, col2im(d)> for every x and d (a test draws them). The channel is innermost: in channels-last
memory the kW C numbers of a patch's row lie side by side, so that the copy moves long contiguous runs.
"""

from __future__ import annotations

from collections.abc import Callable

from minialex.arrays import Array, Shape, empty, strided, zeros

Pair = tuple[int, int]  # (height, width)
Sides = tuple[int, int, int, int]


def pad_channels_last(x: Array, padding: Sides, fill: float = 0.0, make: Callable[[Array, Shape], Array] = empty) -> Array:
    """x (N, C, H, W), any strides -> (N, H + top + bottom, W + left + right, C), contiguous, its border set to `fill`.

    make: where the memory comes from, if it takes any.
    """
    N, C, H, W = x.shape
    top, bottom, left, right = padding
    nhwc = x.transpose(0, 2, 3, 1)
    if not any(padding) and nhwc.flags.c_contiguous:
        return nhwc  # a view: nobody writes to it
    padded = make(x, (N, top + H + bottom, left + W + right, C))
    padded[:, :top] = fill
    padded[:, top + H :] = fill
    padded[:, top : top + H, :left] = fill
    padded[:, top : top + H, left + W :] = fill
    padded[:, top : top + H, left : left + W] = nhwc
    return padded


def windows(padded: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    """A view, not a copy: padded (N, H, W, C), contiguous -> (N, oH, oW, kH, kW, C), every patch of it at once."""
    (N, H, W, C), (kH, kW), (sH, sW) = padded.shape, kernel, stride
    n, h, w, c = padded.strides
    shape = (N, (H - kH) // sH + 1, (W - kW) // sW + 1, kH, kW, C)
    return strided(padded, shape, (n, h * sH, w * sW, h, w, c))


def im2col(x: Array, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), padding: Sides = (0, 0, 0, 0)) -> Array:
    """x (N, C, H, W) -> columns (N, oH, oW, kH, kW, C), a contiguous copy in x's dtype."""
    view = windows(pad_channels_last(x, padding), kernel, stride)
    columns = empty(x, view.shape)
    columns[...] = view
    return columns


def col2im(columns: Array, x_shape: Shape, stride: tuple[int, int] = (1, 1), padding: Sides = (0, 0, 0, 0)) -> Array:
    """columns (N, oH, oW, kH, kW, C) -> (N, C, H, W), the adjoint of im2col: overlapping patches add up.

    One strided addition for each of the kH kW places in the kernel: within one of them no two patches overlap.
    """
    (_, oH, oW, kH, kW, _), (sH, sW) = columns.shape, stride
    N, C, H, W = x_shape
    top, bottom, left, right = padding
    padded = zeros(columns, (N, top + H + bottom, left + W + right, C))
    for u in range(kH):
        for v in range(kW):
            padded[:, u : u + sH * oH : sH, v : v + sW * oW : sW] += columns[:, :, :, u, v]
    return padded[:, top : top + H, left : left + W].transpose(0, 3, 1, 2)
