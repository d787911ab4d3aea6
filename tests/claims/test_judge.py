"""Planted differences are judged as they are: there, too small for their spread, the other way round, or one seed's."""

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from minialex.claims.judge import T95, difference, points, verdict

SEEDS = ("0", "1", "2")


def errors(*values):
    return dict(zip(SEEDS, values, strict=False))


def test_quantiles_are_students():
    for freedom in range(1, len(T95)):
        assert T95[freedom] == pytest.approx(stats.t.ppf(0.975, freedom), abs=5e-4)


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=8), st.floats(0, 0.9))
def test_interval_is_the_paired_t_interval(pairs, base):
    assume(np.std(pairs) > 1e-6)
    before = {str(n): base for n in range(len(pairs))}
    found = difference(before, {str(n): base + pair for n, pair in enumerate(pairs)})
    low, high = stats.t.interval(0.95, len(pairs) - 1, np.mean(pairs), stats.sem(pairs))
    assert found.mean - found.half == pytest.approx(low, abs=1e-3 * (high - low) + 1e-9)
    assert found.mean + found.half == pytest.approx(high, abs=1e-3 * (high - low) + 1e-9)


def test_seeds_are_paired():
    """What differs between seeds cancels: only the differences count."""
    before, after = errors(0.2, 0.4, 0.6), errors(0.19, 0.39, 0.589)
    assert difference(before, after).seen


def test_an_effect_is_seen():
    said = verdict("normalisation", errors(0.40, 0.41, 0.42), errors(0.38, 0.392, 0.401))
    assert said.startswith("normalisation: -1.9 points (95% interval -2.")
    assert said.endswith("3 seeds): the effect is seen.")


def test_no_effect_is_called_none():
    said = verdict("normalisation", errors(0.40, 0.41, 0.42), errors(0.41, 0.40, 0.42))
    assert "the effect is not seen at this size" in said


def test_the_opposite_is_called_so():
    assert "the opposite of the claim is seen" in verdict("depth", errors(0.40, 0.41, 0.42), errors(0.45, 0.462, 0.47))


@pytest.mark.parametrize(("after", "words"), [((0.39, 0.37, 0.419), "in the claim's"), ((0.41, 0.46, 0.421), "against the")])
def test_agreement_within_chance_is_no_effect(after, words):
    said = verdict("x", errors(0.40, 0.41, 0.42), errors(*after))
    assert words in said
    assert "cannot tell it from chance" in said
    assert "is seen" not in said


def test_one_seed_concludes_nothing():
    said = verdict("x", errors(0.5), errors(0.1))
    assert "nothing is concluded" in said
    assert "is seen" not in said


def test_what_diverged_is_left_out():
    assert "2 seeds" in verdict("x", errors(0.4, 0.5, float("nan")), errors(0.3, 0.41, 0.2))
    assert "no numbers on both sides" in verdict("x", errors(float("nan")), errors(0.2))


def test_expected_sign_is_the_claims():
    assert "the effect is seen" in verdict("x", errors(0.40, 0.41, 0.42), errors(0.45, 0.462, 0.47), expected=1)


@given(st.integers(0, 2**32 - 1))
def test_noise_alone_is_rarely_an_effect(seed):
    """Of 100 comparisons of nothing with nothing about 5 are called an effect; never 20."""
    rng = np.random.default_rng(seed)
    called = 0
    for _ in range(100):
        a, b = rng.normal(0.4, 0.01, (2, 3))
        called += "is seen" in verdict("x", errors(*a), errors(*b))
    assert called < 20


def test_points_are_hundredths():
    (mean,) = re.findall(r"([+-][\d.]+) points", verdict("x", errors(0.4), errors(0.45)))
    assert float(mean) == 5.0


@pytest.mark.parametrize(("share", "text"), [(0.0123, "+1.2"), (-0.5, "-50.0"), (0.0001, "0.0"), (-0.0004, "0.0")])
def test_points_in_words(share, text):
    assert points(share) == text
