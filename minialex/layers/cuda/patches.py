"""im2col and col2im on a GPU; the same arguments and results as the plain ones in layers/im2col.py."""

from __future__ import annotations

from minialex.arrays import Array, Shape, empty
from minialex.layers.cuda.launch import by_image, by_rows, launch, vector_parts
from minialex.layers.cuda.memory import channels_first, contiguous, pixels, target

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


def im2col(x: Array, kernel: Pair, stride: Pair = (1, 1), padding: Sides = (0, 0, 0, 0), out: Array | None = None) -> Array:
    """x (N, C, H, W) -> columns (N, oH, oW, kH, kW, C), in x's dtype; x is not padded first.

    No copy is made of channels-last images, nor of a slice of their channels (a group). out: contiguous, of the columns' size
    or larger, any shape: a workspace whose beginning is used.
    """
    nhwc, pitch = pixels(x)
    N, H, W, C = nhwc.shape
    top, bottom, left, right = padding
    places = (top + H + bottom - kernel[0]) // stride[0] + 1, (left + W + right - kernel[1]) // stride[1] + 1
    shape = (N, *places, *kernel, C)
    columns = empty(x, shape) if out is None else beginning(out, shape, x)
    parts = vector_parts(x.dtype, (C, pitch), nhwc, columns)
    grid, block = by_rows(N, places[0] * places[1])
    windows = geometry(nhwc.shape, pitch, places, kernel, stride, (top, left), parts)
    launch("im2col" + "_vectors" * (parts > 1), grid, block, x=nhwc, X=columns, g=windows)
    return columns


def col2im(
    columns: Array, x_shape: Shape, stride: Pair = (1, 1), padding: Sides = (0, 0, 0, 0), out: Array | None = None
) -> Array:
    """columns (N, oH, oW, kH, kW, C) -> (N, C, H, W), channels-last, the adjoint of im2col: overlapping patches add up.

    out: an (N, C, H, W) view of channels-last memory, all channels or a slice of them; each of its numbers is written.
    """
    columns = contiguous(columns)
    _, oH, oW, kH, kW, _ = columns.shape
    nhwc, pitch = target(columns, x_shape, out)
    N, H, W, C = nhwc.shape
    parts = vector_parts(columns.dtype, (C, pitch), nhwc, columns)
    grid, block = by_image(N, H * W * C)
    windows = geometry(nhwc.shape, pitch, (oH, oW), (kH, kW), stride, (padding[0], padding[2]), parts)
    launch("col2im" + "_vectors" * (parts > 1), grid, block, dX=columns, dx=nhwc, g=windows)
    return channels_first(nhwc) if out is None else out


def geometry(nhwc: Shape, pitch: int, places: Pair, kernel: Pair, stride: Pair, corner: Pair, parts: int) -> dict[str, int]:
    """The struct Windows of common.cu, its lengths counted in Items of so many parts. corner: the padding (top, left)."""
    N, H, W, C = nhwc
    names = ("N", "H", "W", "C", "pitch", "oH", "oW", "kH", "kW", "sH", "sW", "top", "left")
    return dict(zip(names, (N, H, W, C // parts, pitch // parts, *places, *kernel, *stride, *corner), strict=True))


def beginning(workspace: Array, shape: Shape, like: Array) -> Array:
    """The first numbers of the workspace as an array of this shape."""
    size = 1
    for length in shape:
        size *= length
    if workspace.dtype != like.dtype or workspace.size < size or not workspace.flags.c_contiguous:
        need = f"{like.dtype}, contiguous, with room for {size} numbers"
        raise ValueError(f"im2col: out must be {need}, got {workspace.dtype} {workspace.shape}")
    return workspace.reshape(-1)[:size].reshape(shape)
