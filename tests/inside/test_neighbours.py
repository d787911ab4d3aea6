"""Neighbours and codes, against the slow and plain way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minialex.inside import nearest, neighbours
from minialex.inside.codes import Coder, hamming, precision_at, random_codes


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), Q=st.integers(1, 5), N=st.integers(1, 30), D=st.integers(1, 6), data=st.data())
def test_nearest_is_what_sorting_all_distances_gives(seed, Q, N, D, data):
    count = data.draw(st.integers(1, N))
    rng = np.random.default_rng(seed)
    queries, vectors = rng.normal(size=(Q, D)).astype(np.float32), rng.normal(size=(N, D)).astype(np.float32)
    found, distances = nearest(queries, vectors, count)
    all_distances = np.linalg.norm(queries[:, None].astype(np.float64) - vectors[None], axis=2)
    np.testing.assert_allclose(distances, np.sort(all_distances, axis=1)[:, :count], atol=1e-3)
    np.testing.assert_allclose(np.take_along_axis(all_distances, found, axis=1), distances, atol=1e-3)
    assert all(len(set(row)) == count for row in found.tolist())


def test_few_at_a_time_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    queries, vectors = rng.normal(size=(9, 2, 3)), rng.normal(size=(20, 2, 3))
    whole = nearest(queries, vectors, 4)
    monkeypatch.setattr(neighbours, "AT_ONCE", 40)
    np.testing.assert_array_equal(nearest(queries, vectors, 4)[0], whole[0])


def test_whole_pixels_do_not_overflow():
    images = np.array([[250], [5], [248]], np.uint8)
    assert nearest(images[:1], images, 3)[0].tolist() == [[0, 2, 1]]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), Q=st.integers(1, 4), N=st.integers(1, 9), B=st.integers(1, 16))
def test_hamming_counts_bits(seed, Q, N, B):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 256, (n, B), dtype=np.uint8) for n in (Q, N))
    expected = [[sum(bin(int(x) ^ int(y)).count("1") for x, y in zip(q, c, strict=True)) for c in b] for q in a]
    np.testing.assert_array_equal(hamming(a, b), expected)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), N=st.integers(1, 8), data=st.data())
def test_precision_with_ties_is_the_mean_over_all_orders(seed, N, data):
    k = data.draw(st.integers(1, N))
    rng = np.random.default_rng(seed)
    distances, same = rng.integers(0, 3, (1, N)), rng.random((1, N)) < 0.5
    orders = [np.lexsort((rng.permutation(N), distances[0]))[:k] for _ in range(4000)]
    expected = np.mean([same[0][order].mean() for order in orders])
    assert precision_at(distances, same, k)[0] == pytest.approx(expected, abs=0.05)


def test_codes_come_back_the_same_halve_the_vectors_and_keep_neighbours():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 20))
    labels = np.repeat(np.arange(8), 25)
    vectors = (centres[labels] + 0.3 * rng.normal(size=(200, 20))).astype(np.float32)
    coder = Coder(20, bits=16, hidden=32)
    losses = coder.fit(vectors, epochs=25)
    codes = coder.encode(vectors)
    assert losses[-1] < 0.5 * losses[0]
    assert codes.shape == (200, 2)
    again = Coder(20, bits=16, hidden=32)
    again.fit(vectors, epochs=25)
    np.testing.assert_array_equal(again.encode(vectors), codes)
    assert np.abs(np.unpackbits(codes, axis=1).mean(axis=0) - 0.5).max() <= 0.01
    same = labels[:, None] == labels[None]
    learned = precision_at(hamming(codes, codes), same, 10).mean()
    assert learned > 0.7


def test_random_planes_keep_directions():
    vectors = np.array([[1.0, 0], [1.0, 0.05], [-1.0, 0]], np.float32)
    codes = random_codes(vectors, np.zeros((1, 2), np.float32), 64, np.random.default_rng(0))
    near, far = hamming(codes[:1], codes[1:])[0]
    assert near < 8
    assert far == 64


@pytest.mark.parametrize("bits", [0, 7, 12])
def test_codes_are_whole_bytes(bits):
    with pytest.raises(ValueError, match="multiple of 8"):
        Coder(4, bits)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="nearest"):
        nearest(np.zeros((1, 2)), np.zeros((3, 2)), 4)
    with pytest.raises(ValueError, match="codes of one length"):
        hamming(np.zeros((1, 2), np.uint8), np.zeros((1, 3), np.uint8))
    with pytest.raises(ValueError, match="precision_at"):
        precision_at(np.zeros((1, 2)), np.zeros((1, 2), bool), 3)
