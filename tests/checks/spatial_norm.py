"""What is claimed of SpatialResponseNorm."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex import layers
from tests import reference
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.suite import Suite, complains, same
from tests.strategies import spatial_norm_cases


def constants_are_those_of_the_2012_code(cls: Any) -> None:
    """SpatialResponseNorm() has a square of 5 x 5, alpha = 0.001 over its 25 places, beta = 0.75, k = 1"""
    x = 100 * np.random.default_rng(1).standard_normal((2, 2, 7, 6))  # large, so that alpha shows
    expected = reference.spatial_norm(x, size=5, alpha=1e-3, beta=0.75, k=1.0)
    same("y", cls().forward(x), expected, 1e-12)


def squares_are_cut_at_the_edges(cls: Any) -> None:
    """From place - n//2 on, n rows and n columns, as far as the image goes: n even, odd, and more than H and W"""
    x = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])  # every square has a sum of squares of its own
    s = x**2
    left, right, all_of_it = s[:, :2].sum(), s[:, 1:].sum(), s.sum()
    for size, sums in (
        (1, s),
        (2, [[s[0, 0], s[0, :2].sum(), s[0, 1:].sum()], [s[:, 0].sum(), left, right]]),
        (3, [[left, all_of_it, right]] * 2),
        (4, [[left, all_of_it, all_of_it]] * 2),
        (9, [[all_of_it] * 3] * 2),
    ):
        y = cls(size, float(size**2), 1.0, 3.0).forward(x.reshape(1, 1, 2, 3))
        same(f"y for n = {size}", y[0, 0], x / (3 + np.array(sums)), 1e-14)


def maps_and_images_do_not_meet(cls: Any) -> None:
    """Each map of each image is normalised by itself alone"""
    x = np.random.default_rng(2).standard_normal((2, 3, 4, 5))
    y = cls(3, 4.5).forward(x)
    for n, c in np.ndindex(2, 3):
        same(f"y[{n}, {c}]", y[n, c], cls(3, 4.5).forward(x[n : n + 1, c : c + 1])[0, 0], 1e-15)


def normalisation_names_what_is_wrong(cls: Any) -> None:
    """Constants for which the formula has no meaning are errors of one line, and so is what is no batch of images"""
    complains(ValueError, "size", "0", of=lambda: cls(0))
    complains(ValueError, "k=0", of=lambda: cls(k=0.0))
    complains(ValueError, "alpha=-1", of=lambda: cls(alpha=-1.0))
    complains(ValueError, "(3, 4)", of=lambda: cls().forward(np.zeros((3, 4))))


SPATIAL_RESPONSE_NORM = Suite(
    layers.SpatialResponseNorm,
    spatial_norm_cases(),
    NUMBERS + MANNERS,
    (
        constants_are_those_of_the_2012_code,
        squares_are_cut_at_the_edges,
        maps_and_images_do_not_meet,
        normalisation_names_what_is_wrong,
    ),
)

check_spatial_response_norm = SPATIAL_RESPONSE_NORM.run
