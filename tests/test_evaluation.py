"""Top-k errors against their definition over all ways to break ties; predictions that do not depend on the batches."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data import Dataset, Split
from minialex.devices import parse_devices
from minialex.evaluation import evaluate, predict, softmax, top_k_error
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
