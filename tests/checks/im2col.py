"""What is claimed of im2col and col2im."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex import layers
from tests import reference
from tests.checks.suite import Suite, same
from tests.strategies import ConvCase, conv_cases, four, two


class Patches:
    """The two functions as one thing to check: Patches.im2col, Patches.col2im."""

    im2col = staticmethod(layers.im2col)
    col2im = staticmethod(layers.col2im)


def patches_follow_the_definition(cls: Any, case: ConvCase) -> None:
    """im2col and col2im equal the loops of the specification, in any memory order and in the dtype given"""
    kernel, stride, padding = two(case.kernel_size), two(case.stride), four(case.padding)
    for dtype in (np.float64, np.float32):
        x = case.x(dtype)
        columns = cls.im2col(x, kernel, stride, padding)
        same("columns", columns, reference.im2col(x, kernel, stride, padding))
        d = case.dy(columns.shape, dtype)
        image = cls.col2im(d, x.shape, stride, padding)
        same("col2im", image, reference.col2im(d, x.shape, stride, padding), 4 * float(np.finfo(dtype).eps))
        assert columns.dtype == image.dtype == dtype, f"{columns.dtype} and {image.dtype} for {x.dtype} input"


def col2im_is_the_adjoint_of_im2col(cls: Any, case: ConvCase) -> None:
    """<im2col(x), d> = <x, col2im(d)> for every x and d"""
    kernel, stride, padding = two(case.kernel_size), two(case.stride), four(case.padding)
    x = case.x()
    columns = cls.im2col(x, kernel, stride, padding)
    d = case.dy(columns.shape)
    terms = columns * d
    received = float((x * cls.col2im(d, x.shape, stride, padding)).sum())
    assert abs(received - terms.sum()) <= 1e-12 * np.abs(terms).sum(), f"<x, col2im(d)> = {received}, not {terms.sum()}"


def each_side_is_padded_by_itself(cls: Any) -> None:
    """Padding on one side only, in memory that would need no copy without it: conv1 of the 2012 code has such"""
    for side in range(4):
        padding = tuple(2 * (other == side) for other in range(4))
        case = ConvCase(
            shape=(2, 3, 4, 5), order="channels last", out_channels=1, kernel_size=(3, 2), stride=2, padding=padding
        )
        patches_follow_the_definition(cls, case)


IM2COL = Suite(
    Patches,
    conv_cases(),
    (patches_follow_the_definition, col2im_is_the_adjoint_of_im2col),
    (each_side_is_padded_by_itself,),
)

check_im2col = IM2COL.run
