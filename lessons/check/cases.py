"""The cases of the test suite, as the lessons' functions can take them: stride and padding in full, no groups, no overhang."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis.strategies import SearchStrategy

from tests.strategies import ConvCase, LRNCase, MaxPoolCase, PoolCase, conv_cases, lrn_cases, pool_cases, two


def one_group(case: ConvCase) -> ConvCase:
    """The case without groups."""
    return replace(case, groups=1)


def real_windows(case: PoolCase) -> Any:
    """The case without padding and overhang; the image is as large as its first window at least."""
    (N, C, H, W), (kH, kW) = case.shape, two(case.kernel_size)
    return replace(case, padding=0, ceil_mode=False, shape=(N, C, max(H, kH), max(W, kW)))


def convolutions() -> SearchStrategy[ConvCase]:
    """What a convolution without groups may be given."""
    return conv_cases().map(one_group)


def poolings() -> SearchStrategy[MaxPoolCase]:
    """What max-pooling without padding may be given."""
    return pool_cases(MaxPoolCase).map(real_windows)


def normalisations() -> SearchStrategy[LRNCase]:
    """alpha multiplies the sum as it is, as in the paper; one group."""
    return lrn_cases(grouped=False).map(lambda case: replace(case, alpha_over_size=False))
