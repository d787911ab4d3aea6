"""Top-k errors against their definition over all ways to break ties; predictions that do not depend on the batches;
views and ensembles against the plain mean of probabilities."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data import Dataset, Split
from minialex.data.augment import Augmentation
from minialex.data.loader import LoadError
from minialex.data.views import CentreCrop, TenViews, average
from minialex.devices import parse_devices
from minialex.evaluation import (
    ClassScores,
    by_class,
    evaluate,
    log_mean,
    log_probabilities,
    log_softmax,
    predict,
    score,
    softmax,
    top_k_error,
)
from minialex.layers import SoftmaxCrossEntropy
from minialex.nets import small_towers


def credit_by_counting(scores, label, k):
    """The share of all orders of the classes that agree with the scores in which the label is among the first k."""
    orders = [p for p in permutations(range(len(scores))) if all(scores[a] >= scores[b] for a, b in pairwise(p))]
    return np.mean([label in order[:k] for order in orders])


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_ties_are_shared(classes, images, k, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 3, (images, classes)).astype(np.float64), rng.integers(classes, size=images)
    expected = 1 - np.mean([credit_by_counting(row, label, k) for row, label in zip(scores, labels, strict=True)])
    assert top_k_error(scores, labels, k) == pytest.approx(expected, abs=1e-12)


def test_no_ties():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    assert top_k_error(scores, np.array([1, 1]), 1) == 0.5
    assert top_k_error(scores, np.array([2, 2]), 2) == 0
    assert top_k_error(scores, np.array([0, 1]), 2) == 1


def test_a_net_that_knows_nothing():
    assert top_k_error(np.zeros((3, 1000)), np.array([0, 5, 999]), 5) == pytest.approx(0.995)


def test_fewer_classes_than_five():
    assert top_k_error(np.array([[3.0, 2.0, 1.0]]), np.array([2]), 5) == 0


def test_what_is_not_a_number_is_wrong():
    scores = np.array([[np.nan, np.nan], [np.nan, 1.0], [2.0, 1.0]])
    assert top_k_error(scores, np.array([0, 1, 0]), 1) == pytest.approx(2 / 3)
    assert top_k_error(scores, np.array([0, 1, 0]), 5) == pytest.approx(2 / 3)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize(("scores", "labels"), [((0, 3), 0), ((2, 3), 3), ((6,), 6)])
def test_scores_that_make_no_sense(scores, labels, k):
    with pytest.raises(ValueError, match="needs scores"):
        top_k_error(np.zeros(scores), np.zeros(labels, int), k)


def test_softmax_of_large_logits():
    logits = np.array([[1e4, 1e4, -1e4], [0.0, np.log(3), -np.inf]])
    np.testing.assert_allclose(softmax(logits), [[0.5, 0.5, 0], [0.25, 0.75, 0]], atol=1e-15)
    assert softmax(logits.astype(np.float32)).dtype == np.float32


@pytest.fixture(scope="module")
def net():
    return small_towers(parse_devices("cpu,cpu"), 4, seed=1, maps=2, hidden=3, dropout=0.5, dtype=np.float64)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 17, (11, 1, 8, 8)).astype(np.uint8), rng.integers(4, size=11))
    return Dataset("some", tuple("abcd"), split, split, mean=5.0, scale=4.0)


@pytest.mark.parametrize("batch_size", [1, 4, 11, 100])
def test_predictions_do_not_depend_on_the_batches(net, data, batch_size):
    whole = softmax(net.forward(data.prepare(data.test.images)))
    parts = predict(net, data.test.images, data.prepare, batch_size)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    np.testing.assert_allclose(parts.sum(axis=1), 1)


def test_predict_without_preparation(net, data):
    ready = data.prepare(data.test.images)
    np.testing.assert_array_equal(predict(net, ready), predict(net, data.test.images, data.prepare))


@pytest.mark.parametrize("batch_size", [3, 11])
def test_scores_of_a_split(net, data, batch_size):
    scores = evaluate(net, data.test, data.prepare, batch_size)
    logits = net.forward(data.prepare(data.test.images))
    assert scores.loss == pytest.approx(SoftmaxCrossEntropy().forward(logits, data.test.labels))
    assert scores.top1_error == pytest.approx(np.mean(logits.argmax(axis=1) != data.test.labels))
    assert scores.accuracy == 1 - scores.top1_error
    assert scores.top5_error == 0


def test_testing_draws_no_numbers(net, data):
    before = {name: rng.bit_generator.state for name, rng in net.generators().items()}
    evaluate(net, data.test, data.prepare)
    assert {name: rng.bit_generator.state for name, rng in net.generators().items()} == before


def test_nothing_to_predict(net):
    with pytest.raises(ValueError, match="needs images"):
        predict(net, np.zeros((0, 1, 8, 8)))


# --- views and ensembles ---


def views(rng, m, n, classes):
    return log_softmax(rng.normal(0, 5, (m * n, classes))).reshape(m, n, classes)


@given(st.integers(1, 10), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_mean_is_of_the_probabilities(m, n, classes, seed):
    logs = views(np.random.default_rng(seed), m, n, classes)
    np.testing.assert_allclose(np.exp(log_mean(logs)), np.exp(logs).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.exp(log_mean(logs)), average(np.exp(logs)), rtol=1e-12)


def test_the_mean_of_one_is_itself():
    logs = views(np.random.default_rng(0), 1, 5, 3)
    np.testing.assert_array_equal(log_mean(logs), logs[0])


def test_probabilities_too_small_for_a_number_still_have_a_loss():
    logs = log_softmax(np.array([[0.0, 900.0], [0.0, 1000.0]], np.float32))
    np.testing.assert_allclose(logs, [[-900, 0], [-1000, 0]])
    assert score(log_mean([logs, logs - np.log(2)]), np.array([0, 0])).loss == pytest.approx(950 - np.log(0.75))


@pytest.mark.parametrize("parts", [[], [np.zeros((2, 3)), np.zeros((3, 3))]])
def test_a_mean_of_different_things(parts):
    with pytest.raises(ValueError, match="the same images and classes"):
        log_mean(parts)


class Sum:
    """A net without BLAS, so that equal must mean equal to the last bit: logit c is the sum of the pixels of column c."""

    dtype, training, largest, takes_bytes = np.dtype(np.float32), False, 0, False

    def forward(self, images, train=False):
        self.training |= train
        self.largest = max(self.largest, len(images))
        return np.stack([image.astype(np.float32).sum(axis=(0, 1)) / 64 for image in images])


@pytest.fixture(scope="module")
def cropped():
    """Images whose ten views all differ, and their crop."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (7, 3, 12, 11)).astype(np.uint8)
    return images, CentreCrop((3, 12, 11), (8, 7), mean=100.0, scale=50.0)


def test_ten_views_are_averaged(cropped):
    images, crop = cropped
    net = Sum()
    expected = np.zeros((7, 7))
    for top, left in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)):
        window = (images[:, :, top : top + 8, left : left + 7].astype(np.float32) - 100) / 50
        for view in (window, window[..., ::-1]):
            expected += softmax(net.forward(view).astype(np.float64)) / 10
    np.testing.assert_allclose(predict(net, images, TenViews(crop)), expected, rtol=1e-5)
    assert not net.training


@pytest.mark.parametrize("prepare", [lambda crop: crop, TenViews], ids=["centre", "ten views"])
def test_the_same_bytes_for_any_batch_and_any_workers(cropped, prepare):
    images, crop = cropped
    whole = log_probabilities(Sum(), images, prepare(crop), 1000)
    assert whole.dtype == np.float64
    for batch_size, workers in ((1, 0), (3, 1), (20, 2), (70, 3)):
        net = Sum()
        np.testing.assert_array_equal(log_probabilities(net, images, prepare(crop), batch_size, workers=workers), whole)
        assert net.largest <= max(batch_size, 10 if prepare is TenViews else 1)


def test_the_centre_is_what_a_plain_function_gives(cropped):
    images, crop = cropped

    def plain(stored):
        return crop(stored)

    np.testing.assert_array_equal(predict(Sum(), images, crop), predict(Sum(), images, plain))


def test_an_augmentation_is_used_without_chance(cropped):
    images, crop = cropped
    augmentation = Augmentation((3, 12, 11), (8, 7), mean=100.0, scale=50.0, shrink=1.1)
    np.testing.assert_array_equal(predict(Sum(), images, augmentation), predict(Sum(), images, crop))


def test_it_says_how_far_it_is(cropped):
    images, crop = cropped
    done = []
    log_probabilities(Sum(), images, crop, 3, advance=done.append)
    assert done == [3, 3, 1]


def test_images_that_cannot_be_read_are_named(cropped):
    class Broken(list):
        def __getitem__(self, indices):
            if 4 in indices:
                raise OSError("gone")
            return cropped[0][indices]

        def where(self, index):
            return f"file{index}.jpg"

    with pytest.raises(LoadError, match=r"file4\.jpg.*gone"):
        predict(Sum(), Broken([0] * 7), cropped[1], 3)


def test_a_net_that_has_diverged():
    scores = score(log_softmax(np.array([[np.inf, 0.0], [np.nan, 1.0], [1.0, 2.0]])), np.array([0, 1, 1]))
    assert np.isnan(scores.loss)
    assert scores.top1_error == pytest.approx(2 / 3)


# --- by class ---


def test_errors_by_class():
    scores = np.array([[3, 1, 0], [1, 3, 0], [0, 1, 3], [0, 3, 1], [0, 0, 1], [2, 2, 1]], np.float64)
    first, second, third = by_class(np.c_[scores, scores[:, :1] - 9], np.array([0, 0, 0, 1, 0, 1]))[:3]
    assert (first.images, first.top1_error, first.mistaken_for, first.times) == (4, 0.75, 2, 2)
    assert (second.images, second.top1_error) == (2, 0.25)  # one is right, one shared with class 0
    mostly_right = np.eye(3)[[2, 2, 2, 1]]
    assert by_class(mostly_right, np.array([2, 2, 2, 2]))[2] == ClassScores(2, 4, 0.25, mistaken_for=1, times=1)
    assert (third.images, third.mistaken_for, third.times) == (0, None, 0)
    assert np.isnan(third.top1_error)


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_the_classes_together_are_the_whole(classes, images, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 3, (images, classes)).astype(np.float64), rng.integers(classes, size=images)
    found = [c for c in by_class(scores, labels) if c.images]
    assert sum(c.images * c.top1_error for c in found) / images == pytest.approx(top_k_error(scores, labels, 1))
