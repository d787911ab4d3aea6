"""Lesson 04: the same mistakes as the test suite's mutants of col2im, as they come out of a loop over the patches.

The mutants loop over the places in the kernel, and where `=` stands for `+=` it matters who writes last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lessons.check.ex_04 import Pair, Sides, conv_backward
from lessons.check.exercise import EXERCISES, Mistake
from minialex.arrays import Array, Shape

Scatter = Callable[[Array, Shape, Pair, Sides], Array]


def overwritten(columns: Array, x_shape: Shape, stride: Pair, padding: Sides) -> Array:
    """Patch by patch, row by row: the last patch wins."""
    (_, oH, oW, kH, kW, C), (N, _, H, W), (sH, sW), (top, bottom, left, right) = columns.shape, x_shape, stride, padding
    padded = np.zeros((N, top + H + bottom, left + W + right, C), columns.dtype)
    for i, j in np.ndindex(oH, oW):
        padded[:, i * sH : i * sH + kH, j * sW : j * sW + kW] = columns[:, i, j]
    return padded[:, top : top + H, left : left + W].transpose(0, 3, 1, 2)


def averaged(columns: Array, x_shape: Shape, stride: Pair, padding: Sides) -> Array:
    """The sum over the patches, divided by their number; 0 where no patch looks."""
    right = EXERCISES["col2im"].right
    readers = right(np.ones_like(columns), x_shape, stride, padding)
    return right(columns, x_shape, stride, padding) / np.maximum(readers, 1)


def backward_with(scatter: Scatter) -> Callable[[Array, Array, Array, Pair, Sides], tuple[Array, Array, Array]]:
    """conv_backward with this col2im in it."""

    def backward(dy: Array, x: Array, weight: Array, stride: Pair, padding: Sides) -> tuple[Array, Array, Array]:
        _, dweight, dbias = conv_backward(dy, x, weight, stride, padding)
        (N, _, oH, oW), (_, C, kH, kW) = dy.shape, weight.shape
        dX = np.einsum("noij,ocuv->nijuvc", dy, weight).reshape(N, oH, oW, kH, kW, C)
        return scatter(dX, x.shape, stride, padding), dweight, dbias

    return backward


MISTAKES: tuple[tuple[str, Scatter, str], ...] = (
    (
        "= patch by patch",
        overwritten,
        "where patches overlap the last one wins: = where += is meant, or a += with index arrays, which adds only once",
    ),
    (
        "averaged over the patches",
        averaged,
        "what overlapping patches bring is divided by how many they are; a pixel that is read more often has more influence",
    ),
)

for exercise, of in (("col2im", lambda scatter: scatter), ("conv_backward", backward_with)):
    added = tuple(Mistake(name, of(scatter), says) for name, scatter, says in MISTAKES)
    EXERCISES[exercise] = replace(EXERCISES[exercise], mistakes=(*EXERCISES[exercise].mistakes, *added))
