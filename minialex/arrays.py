"""The few words for arrays that every room shares: what an array is, which module computes with it, new memory beside it."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]  # a NumPy array, or a CuPy array, which has the same interface
Shape: TypeAlias = tuple[int, ...]


def array_module(x: Array) -> Any:
    """numpy, or cupy for an array that lives on a GPU. CuPy is never imported here: such an array has done it."""
    return np if isinstance(x, np.ndarray | np.generic) else sys.modules["cupy"]


def empty(like: Array, shape: Shape, dtype: Any = None) -> Array:
    """Uninitialised memory where `like` lives (its module and device), C-contiguous."""
    if type(like) is np.ndarray:  # empty_like would take three times as long
        return np.empty(shape, like.dtype if dtype is None else dtype)
    return array_module(like).empty_like(like, shape=shape, dtype=dtype, order="C")


def zeros(like: Array, shape: Shape) -> Array:
    """Zeros where `like` lives, C-contiguous, in its dtype."""
    x = empty(like, shape)
    x[...] = 0
    return x


def contiguous(x: Array) -> Array:
    """x itself where its memory is C-contiguous, else a copy that is; on its device (np.ascontiguousarray would forget it)."""
    return x if x.flags.c_contiguous else x.copy(order="C")


def strided(x: Array, shape: Shape, strides: Shape, begin: int = 0) -> Array:
    """A view of contiguous x: number (i, j, ...) lies i strides[0] + j strides[1] + ... bytes behind x's number `begin`."""
    if type(x) is np.ndarray:  # as_strided would take ten times as long
        return np.ndarray(shape, x.dtype, x, begin * x.itemsize, strides)
    rest = x.reshape(-1)[begin:]
    if isinstance(x, np.ndarray):
        return np.lib.stride_tricks.as_strided(rest, shape, strides, subok=True)
    return array_module(x).lib.stride_tricks.as_strided(rest, shape, strides)


def by_memory(x: Array) -> tuple[int, ...]:
    """x's axes in the order of its memory: so transposed x has no gaps, whether it is C-contiguous or channels-last."""
    return tuple(sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis])))


def channels_last(x: Array) -> Array:
    """x itself, but four axes (N, C, H, W) are laid out in memory as (N, H, W, C); a copy only where they are not yet."""
    if x.ndim != 4:
        return x
    return contiguous(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
