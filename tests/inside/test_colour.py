"""Saturation: grey kernels have none, kernels without brightness all, and dealing at random is a fair judge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minialex.inside import chance, saturation, saturations
from minialex.inside.colour import NOISE

seeds = st.integers(0, 10**6)


def kernels(seed, out=4, kH=3, kW=5):
    return np.random.default_rng(seed).normal(size=(out, 3, kH, kW))


@settings(deadline=None)
@given(seed=seeds, kH=st.integers(1, 5), kW=st.integers(1, 5))
def test_grey_kernels_have_none_and_kernels_without_brightness_all(seed, kH, kW):
    w = kernels(seed, 4, kH, kW)
    grey = np.repeat(w.mean(axis=1, keepdims=True), 3, axis=1)
    np.testing.assert_allclose(saturations(grey), 0, atol=1e-15)
    np.testing.assert_allclose(saturations(w - grey), 1, rtol=1e-12)
    assert 0 <= saturation(w) <= 1


@settings(deadline=None)
@given(seed=seeds, factor=st.floats(0.01, 100))
def test_neither_size_nor_the_order_of_channels_matters(seed, factor):
    w = kernels(seed)
    assert saturation(factor * w) == pytest.approx(saturation(w))
    assert saturation(w[:, [2, 0, 1]]) == pytest.approx(saturation(w))


def test_a_tower_weighs_its_kernels_by_their_energy():
    grey, red = np.ones((1, 3, 2, 2)), np.zeros((1, 3, 2, 2))
    red[:, 0] = 1
    assert saturation(red) == pytest.approx(2 / 3)
    both = np.concatenate([grey, 1e-6 * red])
    assert saturation(both) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(saturations(both), [0, 2 / 3])


def test_noise_has_two_thirds():
    assert saturation(kernels(0, out=4000)) == pytest.approx(NOISE, abs=0.005)


def test_kernels_that_are_zero():
    assert np.isnan(saturation(np.zeros((2, 3, 3, 3))))
    assert np.isnan(saturations(np.zeros((2, 3, 3, 3)))).all()


def test_towers_that_differ_and_towers_that_do_not():
    rng = np.random.default_rng(0)
    grey = np.repeat(kernels(1, 12)[:, :1], 3, axis=1)
    assert chance(grey, kernels(2, 12), rng) < 0.001
    by_chance = [chance(kernels(2 * n, 8), kernels(2 * n + 1, 8), rng, draws=300) for n in range(40)]
    assert 0.3 < np.mean(by_chance) < 0.7


@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (4, 27)])
def test_kernels_that_see_no_colours(shape):
    with pytest.raises(ValueError, match="red, green and blue"):
        saturation(np.ones(shape))
