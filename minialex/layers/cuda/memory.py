"""How images lie in memory where a kernel reads them: channels-last, without holes but perhaps with more channels beside."""

from __future__ import annotations

from minialex.arrays import Array, Shape, empty


def pixels(x: Array) -> tuple[Array, int]:
    """x (N, C, H, W) -> the same images (N, H, W, C), and how many numbers lie from one pixel to the next.

    A view where x lies channels-last, all its channels or a slice of them; else a channels-last copy.
    """
    nhwc = x.transpose(0, 2, 3, 1)
    N, H, W, C = nhwc.shape
    n, h, w, c = (stride // x.itemsize for stride in nhwc.strides)
    pitch = w if W > 1 else h if H > 1 else n if N > 1 else C  # W = 1: a row is one pixel, and so on
    regular = (C == 1 or c == 1) and (W == 1 or w == pitch) and (H == 1 or h == W * pitch) and (N == 1 or n == H * W * pitch)
    if regular and pitch >= C:
        return nhwc, pitch
    copy = empty(x, nhwc.shape)
    copy[...] = nhwc
    return copy, C


def dense(x: Array) -> Array:
    """x (N, C, H, W) -> (N, H, W, C), contiguous: a view where x is channels-last and whole, else a copy."""
    nhwc, pitch = pixels(x)
    return nhwc if pitch == nhwc.shape[3] else contiguous(nhwc)


def contiguous(x: Array) -> Array:
    """x itself where it is C-contiguous, else a copy that is."""
    return x if x.flags.c_contiguous else x.copy(order="C")


def target(like: Array, shape: Shape, out: Array | None) -> tuple[Array, int]:
    """Where a kernel writes images of `shape` (N, C, H, W): (N, H, W, C) and its pitch; fresh memory, or `out`.

    ValueError where `out` has another shape or dtype, or does not lie channels-last.
    """
    N, C, H, W = shape
    if out is None:
        return empty(like, (N, H, W, C)), C
    if out.shape != shape or out.dtype != like.dtype:
        raise ValueError(f"out must be {like.dtype} {shape}, got {out.dtype} {out.shape}")
    nhwc, pitch = pixels(out)
    if nhwc.data.ptr != out.data.ptr:  # type: ignore[attr-defined]
        raise ValueError(f"out must be an (N, C, H, W) view of channels-last memory, got strides {out.strides}")
    return nhwc, pitch


def channels_first(nhwc: Array) -> Array:
    """(N, H, W, C) -> the view (N, C, H, W)."""
    return nhwc.transpose(0, 3, 1, 2)
