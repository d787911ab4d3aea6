"""A data set's own promises: labels that fit, and images as a net sees them."""

import numpy as np
import pytest

from minialex.data import Dataset, Split


def some(count, dtype=np.uint8):
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 4, 5)).astype(dtype)
    return Split(images, np.arange(count, dtype=np.int64) % 2)


@pytest.mark.parametrize("labels", [np.zeros(3, np.int64), np.zeros(4, np.int32), np.zeros((4, 1), np.int64)])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError, match="4 images need int64 labels"):
        Split(np.zeros((4, 1, 8, 8)), labels)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_prepare_takes_the_mean_away_and_scales(dtype):
    split = some(6, dtype)
    mean = split.images.mean(axis=0)
    data = Dataset("some", ("a", "b"), split, split, mean, scale=4.0)
    seen = data.prepare(split.images)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, (split.images.astype(np.float64) - mean) / 4, rtol=1e-6, atol=1e-5)
    assert data.image_shape == (3, 4, 5)


def test_prepare_leaves_the_images_alone():
    split = some(2)
    before = split.images.copy()
    Dataset("some", ("a", "b"), split, split, 3.0).prepare(split.images)
    np.testing.assert_array_equal(split.images, before)
