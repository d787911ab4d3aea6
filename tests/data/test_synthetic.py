"""Synthetic images are made when asked for, and are always the same ones."""

import numpy as np
import pytest

from minialex.data import synthetic


def test_the_default_is_imagenet_in_size():
    data = synthetic()
    assert data.image_shape == (3, 224, 224)
    assert len(data.classes) == 1000
    assert len(data.test) <= 64  # a test after each epoch must not take long


def test_an_image_does_not_depend_on_how_it_is_asked_for():
    images = synthetic(5, (3, 6, 7), 10).train.images
    together = images[np.array([4, 900, 4])]
    assert together.shape == (3, 3, 6, 7)
    assert together.dtype == np.uint8
    np.testing.assert_array_equal(together[0], together[2])
    np.testing.assert_array_equal(together[1], images[np.array([900])][0])
    np.testing.assert_array_equal(images[:2], images[np.arange(2)])
    np.testing.assert_array_equal(images[-1], images[len(images) - 1])
    assert images[7].shape == (3, 6, 7)


def test_seed_split_and_index_each_give_other_pixels():
    data, other = synthetic(1, (1, 8, 8), 10), synthetic(2, (1, 8, 8), 10)
    first = data.train.images[0]
    for image in (data.train.images[1], data.test.images[0], other.train.images[0]):
        assert (first != image).mean() > 0.9
    assert not np.array_equal(data.train.labels, other.train.labels)


def test_labels_are_classes():
    data = synthetic(0, (1, 8, 8), 7, train=500, test=9)
    assert set(data.train.labels) == set(range(7))
    assert data.test.labels.shape == (9,)


def test_an_image_that_is_not_there():
    with pytest.raises(IndexError):
        synthetic(0, (1, 8, 8), 7, train=5).train.images[np.array([5])]
