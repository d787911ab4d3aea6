"""What is claimed of LocalResponseNorm."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex import layers
from tests import reference
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.suite import Suite, complains, same
from tests.strategies import lrn_cases


def constants_are_those_of_the_paper(cls: Any) -> None:
    """LocalResponseNorm() has n = 5, alpha = 1e-4, beta = 0.75, k = 2, and alpha is not divided by n"""
    x = 100 * np.random.default_rng(1).standard_normal((2, 8, 2, 3))  # large, so that alpha shows
    expected = reference.lrn(x, size=5, alpha=1e-4, beta=0.75, k=2.0, groups=1)
    same("y", cls().forward(x), expected, 1e-12)
    same("y with alpha over n", cls(alpha=5e-4, alpha_over_size=True).forward(x), expected, 1e-12)


def windows_are_cut_at_the_edges(cls: Any) -> None:
    """W(i) = [i - n//2, i - n//2 + n), cut at the first and the last channel of the group: n even, odd, and more than C"""
    x = np.array([1.0, 2.0, 4.0, 8.0])  # squares 1, 4, 16, 64: every window has a sum of its own
    for size, groups, sums in (
        (1, 1, (1, 4, 16, 64)),
        (2, 1, (1, 5, 20, 80)),
        (3, 1, (5, 21, 84, 80)),
        (4, 1, (5, 21, 85, 84)),
        (5, 1, (21, 85, 85, 84)),
        (9, 1, (85, 85, 85, 85)),
        (3, 2, (5, 5, 80, 80)),
        (2, 2, (1, 5, 16, 80)),
    ):
        y = cls(size, 1.0, 1.0, 3.0, groups=groups).forward(x.reshape(1, 4, 1, 1))
        same(f"y for n = {size}, groups = {groups}", y.ravel(), x / (3 + np.array(sums)), 1e-14)


def normalisation_names_what_is_wrong(cls: Any) -> None:
    """Constants for which the formula has no meaning, and channels that do not fall into groups, are errors of one line"""
    complains(ValueError, "size", "0", of=lambda: cls(0))
    complains(ValueError, "k=0", of=lambda: cls(k=0.0))
    complains(ValueError, "alpha=-1", of=lambda: cls(alpha=-1.0))
    complains(ValueError, "groups", "0", of=lambda: cls(groups=0))
    complains(ValueError, "5", "2", of=lambda: cls(groups=2).forward(np.zeros((1, 5, 2, 2))))
    complains(ValueError, "(3, 4)", of=lambda: cls().forward(np.zeros((3, 4))))


LOCAL_RESPONSE_NORM = Suite(
    layers.LocalResponseNorm,
    lrn_cases(),
    NUMBERS + MANNERS,
    (constants_are_those_of_the_paper, windows_are_cut_at_the_edges, normalisation_names_what_is_wrong),
)

check_local_response_norm = LOCAL_RESPONSE_NORM.run
