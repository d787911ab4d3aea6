"""Pooling on a GPU (layers/pool.py). kernel, stride: (h, w); corner: the padding (top, left); places: (oH, oW)."""

from __future__ import annotations

from minialex.arrays import Array, Shape, empty
from minialex.layers.cuda.launch import by_image, launch, vector_parts
from minialex.layers.cuda.memory import channels_first, dense
from minialex.layers.cuda.patches import Pair, geometry


def max_pool_forward(x: Array, places: Pair, kernel: Pair, stride: Pair, corner: Pair = (0, 0)) -> tuple[Array, Array]:
    """x (N, C, H, W) -> y (N, C, oH, oW) and winners, uint8 (N, oH, oW, C): u kW + v of each window's first largest pixel.

    ValueError for windows of more than 256 places, which one byte cannot tell apart.
    """
    if kernel[0] * kernel[1] > 256:
        raise ValueError(f"max_pool: a window of {kernel[0]} x {kernel[1]} has more than 256 places")
    pixels = dense(x)
    N, _, _, C = pixels.shape
    y = empty(x, (N, *places, C))
    winners = empty(x, y.shape, "u1")
    parts = vector_parts(x.dtype, (C,), pixels, y, winners)
    grid, block = by_image(N, places[0] * places[1] * C)
    windows = geometry(pixels.shape, C, places, kernel, stride, corner, parts)
    launch("max_pool_forward" + "_vectors" * (parts > 1), grid, block, x=pixels, y=y, winners=winners, g=windows)
    return channels_first(y), winners


def max_pool_backward(dy: Array, winners: Array, x_shape: Shape, kernel: Pair, stride: Pair, corner: Pair = (0, 0)) -> Array:
    """dy (N, C, oH, oW) and the winners of forward -> dx of x_shape (N, C, H, W), channels-last."""
    upstream = dense(dy)
    N, C, H, W = x_shape
    dx = empty(dy, (N, H, W, C))
    parts = vector_parts(dy.dtype, (C,), upstream, winners, dx)
    grid, block = by_image(N, H * W * C)
    windows = geometry(dx.shape, C, upstream.shape[1:3], kernel, stride, corner, parts)
    launch("max_pool_backward" + "_vectors" * (parts > 1), grid, block, dy=upstream, winners=winners, dx=dx, g=windows)
    return channels_first(dx)


def avg_pool_forward(x: Array, places: Pair, kernel: Pair, stride: Pair, corner: Pair = (0, 0)) -> Array:
    """x (N, C, H, W) -> y (N, C, oH, oW), channels-last: the mean of the real pixels under each window."""
    pixels = dense(x)
    N, _, _, C = pixels.shape
    y = empty(x, (N, *places, C))
    parts = vector_parts(x.dtype, (C,), pixels, y)
    grid, block = by_image(N, places[0] * places[1] * C)
    windows = geometry(pixels.shape, C, places, kernel, stride, corner, parts)
    launch("avg_pool_forward" + "_vectors" * (parts > 1), grid, block, x=pixels, y=y, g=windows)
    return channels_first(y)


def avg_pool_backward(dy: Array, x_shape: Shape, kernel: Pair, stride: Pair, corner: Pair = (0, 0)) -> Array:
    """dy (N, C, oH, oW) -> dx of x_shape (N, C, H, W), channels-last: each real pixel's share."""
    upstream = dense(dy)
    N, C, H, W = x_shape
    dx = empty(dy, (N, H, W, C))
    parts = vector_parts(dy.dtype, (C,), upstream, dx)
    grid, block = by_image(N, H * W * C)
    windows = geometry(dx.shape, C, upstream.shape[1:3], kernel, stride, corner, parts)
    launch("avg_pool_backward" + "_vectors" * (parts > 1), grid, block, dy=upstream, dx=dx, g=windows)
    return channels_first(dx)
