"""The digits are those of scikit-learn, every one in exactly one split, each class in the same share."""

import numpy as np
import pytest

from minialex.data import digits

load_digits = pytest.importorskip("sklearn.datasets").load_digits


def as_rows(split):
    return [(label, *image.ravel()) for image, label in zip(split.images, split.labels, strict=True)]


def test_every_digit_is_in_exactly_one_split():
    data = digits(seed=3)
    pixels, labels = load_digits(return_X_y=True)
    original = [(label, *row) for row, label in zip(pixels, labels, strict=True)]
    assert sorted(as_rows(data.train) + as_rows(data.test)) == sorted(original)
    assert (len(data.train), len(data.test)) == (1438, 359)


def test_the_split_is_stratified():
    data = digits()
    train, test = np.bincount(data.train.labels), np.bincount(data.test.labels)
    np.testing.assert_array_equal(test, np.round(0.2 * (train + test)))


def test_the_seed_decides_the_split():
    one, same, other = digits(1), digits(1), digits(2)
    np.testing.assert_array_equal(one.test.images, same.test.images)
    assert not np.array_equal(one.test.labels, other.test.labels)


def test_images_and_what_a_net_sees():
    data = digits()
    assert data.train.images.dtype == np.uint8
    assert data.image_shape == (1, 8, 8)
    seen = data.prepare(data.train.images)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-6)  # the mean is the training images' own
    assert np.abs(seen).max() <= 2
    assert np.abs(data.prepare(data.test.images).mean(axis=0)).max() > 1e-3
