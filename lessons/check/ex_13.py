"""Lesson 13: how sure one may be of an error, and of a difference."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lessons.check import plain
from lessons.check.exercise import EXERCISES, Arguments, Exercise, Mistake, Value, register, register_value
from minialex.arrays import Array


def standard_error(error: float, images: int) -> float:
    """How far an error that was measured on so many images is typically from the true one: sqrt(e (1 - e) / n)."""
    return sqrt(error * (1 - error) / images)


def paired_difference(whole: Array, without: Array) -> tuple[float, float]:
    """Errors (S,) of S seeds with and without an idea -> mean of the differences without - whole, and its standard error."""
    d = np.asarray(without) - np.asarray(whole)
    return float(d.mean()), float(np.sqrt(((d - d.mean()) ** 2).sum() / (len(d) - 1) / len(d)))


@st.composite
def rates(draw: Any) -> Arguments:
    """An error strictly between 0 and 1, and a number of images."""
    return draw(st.sampled_from([0.02, 0.1, 0.25, 0.407, 0.5, 0.8])), draw(st.integers(1, 2000))


@st.composite
def pairs(draw: Any) -> Arguments:
    """Errors of two to seven seeds."""
    S, rng = draw(st.integers(2, 7)), np.random.default_rng(draw(st.integers(0, 999)))
    return 0.1 + 0.02 * rng.standard_normal(S), 0.11 + 0.02 * rng.standard_normal(S)


def coin_tosses_agree(function: Any) -> None:
    """Measured again and again on other images, an error scatters by just so much"""
    rng = np.random.default_rng(0)
    measured = rng.binomial(400, 0.1, 20_000) / 400
    received = float(function(0.1, 400))
    assert abs(received - measured.std()) < 5e-4, f"the scatter is {measured.std():.4f}, yours is {received:.4f}"


def _differences(whole: Array, without: Array) -> Array:
    return np.asarray(without) - np.asarray(whole)


register(
    Exercise(
        name="standard_error",
        lesson="13",
        right=standard_error,
        returns=("standard_error",),
        trials=(plain.trial(lambda: EXERCISES["standard_error"], rates(), coin_tosses_agree, dtypes=False),),
        reward="From now on no error of yours has to stand there without its ±.",
        then="Look what it says of our digits, and of ImageNet.",
        lights=("softmax",),
        keeps_dtype=False,
        mistakes=(
            Mistake(
                "variance",
                lambda error, images: error * (1 - error) / images,
                "this is the variance; the standard error is its root",
            ),
            Mistake(
                "one image",
                lambda error, images: sqrt(error * (1 - error)),
                "this is the scatter of a single image; the mean of n scatters less",
            ),
            Mistake("divided by n", lambda error, images: sqrt(error * (1 - error)) / images, "n stands under the root, too"),
            Mistake("1 - e missing", lambda error, images: sqrt(error / images), "the factor 1 - e is missing"),
            Mistake(
                "n - 1",
                lambda error, images: sqrt(error * (1 - error) / max(1, images - 1)),
                "it is divided by n - 1; here by n",
            ),
        ),
    )
)

register(
    Exercise(
        name="paired_difference",
        lesson="13",
        right=paired_difference,
        returns=("mean", "standard_error"),
        trials=(plain.trial(lambda: EXERCISES["paired_difference"], pairs(), dtypes=False),),
        reward="Same seed against same seed: what both have in common drops out.",
        then="Now take the net apart.",
        lights=("softmax",),
        keeps_dtype=False,
        mistakes=(
            Mistake(
                "the other way round",
                lambda whole, without: (paired_difference(without, whole)[0], paired_difference(without, whole)[1]),
                "it is whole - without; wanted is without - whole, so that a positive number means: it got worse",
            ),
            Mistake(
                "scatter of one seed",
                lambda whole, without: (_differences(whole, without).mean(), _differences(whole, without).std(ddof=1)),
                "this is how far single seeds scatter; their mean scatters less: divide by the root of how many there are",
            ),
            Mistake(
                "scatter of one seed, with S",
                lambda whole, without: (_differences(whole, without).mean(), _differences(whole, without).std()),
                "this is how far single seeds scatter (with S for S - 1); their mean scatters less: divide by the root of S",
            ),
            Mistake(
                "divided by S",
                lambda whole, without: (
                    _differences(whole, without).mean(),
                    _differences(whole, without).std() / sqrt(len(whole)),
                ),
                "the squares are divided by S; with few seeds it matters that it should be S - 1 (np.std has ddof=1 for it)",
            ),
            Mistake(
                "not paired",
                lambda whole, without: (
                    _differences(whole, without).mean(),
                    sqrt((np.var(whole, ddof=1) + np.var(without, ddof=1)) / len(whole)),
                ),
                "the scatter of the two is taken by itself; take the difference of each seed first, then its scatter",
            ),
            Mistake(
                "scatter without the idea",
                lambda whole, without: (
                    _differences(whole, without).mean(),
                    np.std(without, ddof=1) / sqrt(len(without)),
                ),
                "this is how the errors without the idea scatter; take the difference of each seed first, then its scatter",
            ),
            Mistake(
                "S for its root",
                lambda whole, without: (
                    _differences(whole, without).mean(),
                    _differences(whole, without).std(ddof=1) / len(whole),
                ),
                "the scatter is divided by S; it should be by the root of S",
            ),
        ),
    )
)

register_value(
    Value(
        name="standard error of ImageNet's validation",
        expected=sqrt(0.407 * 0.593 / 50_000),
        about="the standard error, as a share, of an error of 0.407 on 50,000 images",
        tolerance=5e-3,
        hint="The error is 0.407, and there are 50,000 images.",
        mistakes=(
            (0.407 * 0.593 / 50_000, "this is the variance; take its root"),
            (100 * sqrt(0.407 * 0.593 / 50_000), "this is in per cent; give it as a share"),
        ),
    )
)
