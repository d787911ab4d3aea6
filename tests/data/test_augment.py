"""The draws: what each depends on, how they are distributed, and what is made of them. All seeds are fixed."""

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data.augment import IMAGENET, Augmentation, ColourNoise, strengths_table
from minialex.data.views import CentreCrop
from tests.data.test_views import by_loops

MANY = 60_000


def paper(**changed):
    return Augmentation((3, 256, 256), 224, **({"colour": IMAGENET} | changed))


def columns(draws):
    return [column for column in draws if column is not None]


# --- what a draw depends on ------------------------------------------------------------------------------------------


@given(st.integers(0, 2**63), st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 400))
def test_an_images_draw_does_not_depend_on_how_many_images_there_are(seed, epoch, few, more):
    augment = paper()
    short, long = augment.draw(seed, epoch, few), augment.draw(seed, epoch, few + more)
    for a, b in zip(columns(short), columns(long), strict=True):
        np.testing.assert_array_equal(a, b[:few])


def test_draws_come_again_and_differ_between_seeds_and_epochs():
    augment = paper()
    first = columns(augment.draw(1, 1, 500))
    for again in zip(first, columns(augment.draw(1, 1, 500)), strict=True):
        np.testing.assert_array_equal(*again)
    for seed, epoch in ((2, 1), (1, 2), (1, 11), (11, 1)):
        for a, b in zip(first, columns(augment.draw(seed, epoch, 500)), strict=True):
            assert (a != b).any()


def test_one_kind_of_draw_does_not_disturb_another():
    whole, bare = paper().draw(3, 4, 100), paper(mirror=False, colour=None).draw(3, 4, 100)
    np.testing.assert_array_equal(whole.tops, bare.tops)
    np.testing.assert_array_equal(whole.lefts, bare.lefts)
    assert not bare.mirrored.any()
    assert bare.colours is None


# --- how the draws are distributed -----------------------------------------------------------------------------------


def assert_uniform(values, cells):
    """Pearson's chi-squared of counts in `cells` equal cells, within four standard deviations of what chance gives."""
    counts = np.bincount(values, minlength=cells)
    assert len(counts) == cells
    expected = len(values) / cells
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - (cells - 1)) < 4 * sqrt(2 * (cells - 1))


@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (0, 2), (7, 90)])
def test_every_place_and_mirror_is_equally_likely_and_they_are_independent(seed, epoch):
    draws = paper().draw(seed, epoch, MANY)
    assert (draws.tops.min(), draws.tops.max(), draws.lefts.min(), draws.lefts.max()) == (0, 32, 0, 32)
    assert_uniform((draws.tops.astype(int) * 33 + draws.lefts) * 2 + draws.mirrored, 33 * 33 * 2)


def test_neighbours_and_epochs_are_independent():
    draws, later = paper().draw(0, 1, MANY), paper().draw(0, 2, MANY)
    for other in (draws.lefts[1:], later.lefts[:-1]):
        assert_uniform(draws.lefts[:-1].astype(int) * 33 + other, 33 * 33)
    for other in (draws.mirrored[1:], later.mirrored[:-1]):
        assert_uniform(draws.mirrored[:-1] * 2 + other, 4)
    for other in (draws.colours[1:], later.colours[:-1]):
        for c in range(3):
            assert abs(np.corrcoef(draws.colours[:-1, c], other[:, c])[0, 1]) < 4 / sqrt(MANY)


@pytest.mark.parametrize("strength", ["code2012", "paper"])
def test_colours_are_normal_with_the_covariance_that_the_formula_says(strength):
    noise = ColourNoise(IMAGENET.eigenvalues, IMAGENET.eigenvectors, strength=strength)
    colours = paper(colour=noise).draw(0, 1, MANY).colours
    covariance = np.cov(colours.T)
    power = 1 if strength == "code2012" else 2  # alpha sqrt(lambda) has the variance 0.01 lambda, alpha lambda 0.01 lambda^2
    expected = sum(
        0.01 * value**power * np.outer(axis, axis) for value, axis in zip(noise.eigenvalues, noise.eigenvectors.T, strict=True)
    )
    np.testing.assert_allclose(covariance, expected, atol=0.03 * np.abs(expected).max())
    assert np.abs(colours.mean(0)).max() < 4 * sqrt(expected.max() / MANY)
    main = colours @ noise.eigenvectors[:, 2] / sqrt(0.01 * noise.eigenvalues[2] ** power)
    assert abs((np.abs(main) < 1).mean() - 0.6827) < 0.01
    assert abs((np.abs(main) < 2).mean() - 0.9545) < 0.005


# --- what is made of them --------------------------------------------------------------------------------------------


@given(st.integers(1, 3), st.integers(1, 4), st.sampled_from(["centre", "pixel"]), st.integers(0, 2**32))
def test_training_views_are_what_the_loops_give(n, C, mean_at, seed):
    rng = np.random.default_rng(seed)
    H, W = rng.integers(4, 9, 2)
    h, w = int(rng.integers(1, H, endpoint=True)), int(rng.integers(1, W, endpoint=True))
    images = rng.integers(0, 256, (n, C, H, W), dtype=np.uint8)
    noise = ColourNoise(rng.random(C) * 900, np.linalg.qr(rng.normal(size=(C, C)))[0])
    augment = Augmentation((C, H, W), (h, w), colour=noise, shrink=1.1, mean=rng.random((C, H, W)), mean_at=mean_at, scale=2.0)
    draws = augment.draw(seed, 3, n)
    for i, view in enumerate(augment(images, draws)):
        place = draws.tops[i], draws.lefts[i], draws.mirrored[i]
        np.testing.assert_array_equal(view, by_loops(augment, images[i], *place, draws.colours[i], 2 * 1.1))


def test_colours_by_hand():
    """Two axes that are easy to see: lambda = 4 along (0.6, 0.8), lambda = 25 along (-0.8, 0.6)."""
    values, vectors, normal = np.array([4.0, 25.0]), np.array([[0.6, -0.8], [0.8, 0.6]]), np.array([[1.0, 0.0], [0.0, 2.0]])
    code = ColourNoise(values, vectors).colours(normal)
    np.testing.assert_allclose(code, [[0.12, 0.16], [-0.8, 0.6]], rtol=1e-6)
    text = ColourNoise(values, vectors, strength="paper").colours(normal)
    np.testing.assert_allclose(text, [[0.24, 0.32], [-4.0, 3.0]], rtol=1e-6)
    assert code.dtype == np.float32


def test_at_test_nothing_is_left_to_chance():
    mean = np.random.default_rng(0).random((3, 256, 256))
    test = paper(shrink=1.1, mean=mean, mean_at="pixel", scale=2.0).at_test()
    assert type(test) is CentreCrop
    assert test.draw(0, 1, 10) is None
    assert test.mean_at == "pixel"
    image = np.random.default_rng(1).integers(0, 256, (1, 3, 256, 256), dtype=np.uint8)
    expected = (image[0].astype(np.float32) - mean.astype(np.float32)) / np.float32(2)
    np.testing.assert_array_equal(test(image)[0], expected[:, 16:240, 16:240])


def test_the_table_in_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "augmentation.md").read_text(encoding="utf-8")
    for line in strengths_table().splitlines():
        assert line in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ColourNoise(np.ones(3), np.eye(2)), "eigenvectors"),
        (lambda: ColourNoise(np.array([1.0, -1.0]), np.eye(2)), "not negative"),
        (lambda: ColourNoise(np.array([1.0, np.nan]), np.eye(2)), "finite"),
        (lambda: ColourNoise(np.ones(2), np.eye(2), strength="literal"), "strength"),
        (lambda: ColourNoise(np.ones(2), np.eye(2), std=-1), "std"),
        (lambda: Augmentation((1, 8, 8), 6, colour=IMAGENET), "1 channels cannot get noise of 3 colours"),
        (lambda: Augmentation((3, 8, 8), 6, shrink=0), "shrink"),
        (lambda: Augmentation((3, 8, 8), 9), "cannot be cut"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
