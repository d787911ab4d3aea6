"""What is claimed of MaxPool2d and AvgPool2d."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from minialex import layers
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.suite import Fact, Suite, complains, same
from tests.strategies import AvgPoolCase, MaxPoolCase, pool_cases


def a_tie_goes_to_the_first(cls: Any) -> None:
    """Where pixels tie, the first in row-major order of the window gets the whole gradient"""
    layer = cls(2)
    same("y", layer.forward(np.full((1, 1, 2, 4), 0.5)), np.full((1, 1, 1, 2), 0.5))
    same("dx", layer.backward(np.array([[[[3.0, -7.0]]]])), [[[[3, 0, -7, 0], [0, 0, 0, 0]]]])
    layer.forward(np.array([[[[1.0, 2.0], [2.0, 2.0]]]]))  # in the second column first, then in the second row
    same("dx", layer.backward(np.full((1, 1, 1, 1), 5.0)), [[[[0, 5], [0, 0]]]])
    layer.forward(np.array([[[[1.0, 1.0], [2.0, 2.0]]]]))
    same("dx", layer.backward(np.full((1, 1, 1, 1), 5.0)), [[[[0, 0], [5, 0]]]])
    overlapping = cls(3, 2)  # the shared column wins once as the last of its row and once as the first
    overlapping.forward(np.ones((1, 1, 3, 5), np.float32))
    same("dx", overlapping.backward(np.array([[[[1.0, 2.0]]]], np.float32))[0, 0, 0], [1, 0, 2, 0, 0])
    padded = cls(3, 2, 1)
    padded.forward(np.zeros((1, 1, 3, 3)))
    same("dx", padded.backward(np.array([[[[1.0, 2.0], [3.0, 4.0]]]])), [[[[1, 2, 0], [3, 4, 0], [0, 0, 0]]]])


def padding_never_wins(cls: Any) -> None:
    """However small the pixels are, padding is not the maximum and takes no gradient: the first pixel of those that tie does"""
    for dtype in (np.float32, np.float64):
        for lowest in (np.finfo(dtype).min, -np.inf):
            layer = cls(3, 2, 1, True)
            y = layer.forward(np.full((1, 1, 2, 3), lowest, dtype))
            same("y", y, np.full(y.shape, lowest))
            dx = layer.backward(np.array([[[[1.0, 2.0], [4.0, 8.0]]]], dtype))
            same("dx", dx, [[[[1, 2, 0], [4, 8, 0]]]])


def windows_meet_unless_told_otherwise(cls: Any) -> None:
    """stride=None means the kernel's size; ceil_mode and padding are off"""
    for size, expected in ((6, (1, 2, 2, 3)), (7, (1, 2, 2, 3)), (8, (1, 2, 2, 4))):
        y = cls((3, 2)).forward(np.zeros((1, 2, size, size)))
        assert y.shape == expected, f"{size} x {size} gives {y.shape}, expected {expected}"


def pooling_reaches_the_sizes_of_the_paper(cls: Any) -> None:
    """3 x 3 windows, 2 apart: 55 -> 27 -> 13 -> 6; on CIFAR-10 with ceil_mode 32 -> 16 -> 8 -> 4"""
    for sizes, ceil_mode in (
        ((55, 27, 13, 6), False),
        ((55, 27, 13, 6), True),
        ((32, 16, 8, 4), True),
        ((32, 15, 7, 3), False),
    ):
        for before, after in pairwise(sizes):
            shape = cls(3, 2, 0, ceil_mode).output_shape((2, 3, before, before))
            assert shape == (2, 3, after, after), f"{before} becomes {shape[2:]}, expected {after}"


def the_last_window_starts_inside(cls: Any) -> None:
    """With ceil_mode no window starts beyond the image and the padding before it"""
    shape = cls(2, 3, 0, True).output_shape((1, 1, 3, 4))  # a second window would start at row 3, where nothing is
    assert shape == (1, 1, 1, 2), f"3 x 4 becomes {shape[2:]}, expected (1, 2)"
    shape = cls((3, 2), 2, (0, 2, 0, 0), True).output_shape((1, 1, 4, 4))  # nor in the padding below
    assert shape == (1, 1, 2, 2), f"4 x 4 with padding below becomes {shape[2:]}, expected (2, 2)"


def pooling_names_what_is_wrong(cls: Any) -> None:
    """Windows that do not fit or see nothing, wrong dimensions and numbers are errors of one line"""
    image = np.zeros((2, 3, 8, 6), np.float32)
    complains(ValueError, "(3, 8, 6)", of=lambda: cls(2).forward(image[0]))
    complains(ValueError, "9", "8", of=lambda: cls((9, 2)).forward(image))
    complains(ValueError, "9", "6", of=lambda: cls((2, 9), 1, 1, True).forward(image))
    complains((TypeError, ValueError), "int32", of=lambda: cls(2).forward(image.astype(np.int32)))
    for empty in ((3, 0, 0, 0), (0, 3, 0, 0), (0, 0, 2, 0), (0, 0, 0, 2)):
        complains(ValueError, "padding", of=partial(cls, (3, 2), 2, empty))
    complains(ValueError, "stride", of=lambda: cls(3, 0))
    complains(ValueError, "kernel_size", of=lambda: cls(0))


POOLING: tuple[Fact, ...] = (
    windows_meet_unless_told_otherwise,
    pooling_reaches_the_sizes_of_the_paper,
    the_last_window_starts_inside,
    pooling_names_what_is_wrong,
)
MAX_POOL2D = Suite(
    layers.MaxPool2d, pool_cases(MaxPoolCase), NUMBERS + MANNERS, (a_tie_goes_to_the_first, padding_never_wins, *POOLING)
)


def only_real_pixels_count(cls: Any) -> None:
    """The mean of equal pixels is that pixel, at the border too, where padding and overhang are not pixels"""
    layer = cls(3, 2, (1, 0, 0, 2), True)
    y = layer.forward(np.full((2, 3, 6, 5), 7.0))
    same("y", y, np.full(y.shape, 7.0), 1e-15)
    same("the sum of dx", layer.backward(np.ones_like(y)).sum(), y.size, 1e-12)


AVG_POOL2D = Suite(layers.AvgPool2d, pool_cases(AvgPoolCase), NUMBERS + MANNERS, (only_real_pixels_count, *POOLING))

check_max_pool2d = MAX_POOL2D.run
check_avg_pool2d = AVG_POOL2D.run
