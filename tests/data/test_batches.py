"""An epoch is every image once, with its own label, in an order that the seed and the epoch's number decide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data import Minibatches, Split
from minialex.seeds import generator


def numbered(count):
    """Image n is full of the number n, and its label is n."""
    labels = np.arange(count, dtype=np.int64)
    return Split(np.broadcast_to(labels[:, None, None, None], (count, 1, 2, 3)).astype(np.float32), labels)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 5), st.integers(1, 4))
def test_every_image_once_with_its_label(count, batch_size, seed, number):
    batches = Minibatches(numbered(count), batch_size, seed, lambda images: images + 0.5)
    epoch = list(batches.epoch(number))
    assert len(epoch) == len(batches)
    assert all(len(labels) == min(batch_size, count) for _, labels in epoch[:-1])  # only the last may be smaller
    labels = np.concatenate([labels for _, labels in epoch])
    assert sorted(labels) == list(range(count))
    for images, labels in epoch:
        assert images.shape == (len(labels), 1, 2, 3)
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels + 0.5)
    np.testing.assert_array_equal(labels_of(batches, number), generator(seed, f"order of epoch {number}").permutation(count))


def labels_of(batches, number):
    return np.concatenate([labels for _, labels in batches.epoch(number)])


def test_the_order_belongs_to_the_epoch_and_the_seed():
    batches = Minibatches(numbered(50), 8, 0, lambda images: images)
    later = labels_of(batches, 3)  # asked for before the first
    assert not np.array_equal(labels_of(batches, 1), labels_of(batches, 2))
    np.testing.assert_array_equal(labels_of(batches, 3), later)
    assert not np.array_equal(labels_of(Minibatches(numbered(50), 8, 1, lambda images: images), 3), later)


@pytest.mark.parametrize(("count", "batch_size"), [(4, 0), (4, -1), (0, 4)])
def test_no_batches_to_make(count, batch_size):
    with pytest.raises(ValueError, match="needs images and a batch size"):
        Minibatches(numbered(count), batch_size, 0, lambda images: images)
