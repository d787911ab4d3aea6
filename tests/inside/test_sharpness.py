"""The largest curvature, by the eigenvalues of a linear net's own matrix; and that it foretells when steps run away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minialex.evaluation import softmax
from minialex.inside.sharpness import largest_rate, sharpness
from tests.inside.nets import images, linear, towers


def exact(net, x):
    """The largest eigenvalue of G of logits = W x + b, from G itself."""
    p = softmax(net.forward(x))
    h = np.concatenate([x.reshape(len(x), -1), np.ones((len(x), 1))], axis=1)
    G = 0.0
    for row, one in zip(p, h, strict=True):
        G = G + np.kron(np.diag(row) - np.outer(row, row), np.outer(one, one)) / len(x)
    return np.linalg.eigvalsh(G)[-1]


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 1000), n=st.integers(1, 4))
def test_a_linear_net(seed, n):
    net, x = linear(seed), images(n, seed) + 1.0
    labels = np.arange(n) % 3
    found, largest = sharpness(net, x, labels, iterations=40), exact(net, x)
    assert 0.97 * largest < found < largest * (1 + 1e-6)  # from below; slowly, where two eigenvalues are near each other


def test_more_iterations_come_nearer_from_below():
    net, x, labels = towers(), images(4), np.arange(4)
    few, many = (sharpness(net, x, labels, iterations=n) for n in (1, 12))
    assert 0 < few <= many


def test_everything_is_put_back():
    net = towers()
    before = net.state_dict()
    states = [rng.bit_generator.state for rng in net.generators().values()]
    sharpness(net, images(3), np.arange(3))
    assert all(np.array_equal(before[name], w) for name, w in net.state_dict().items())
    assert [rng.bit_generator.state for rng in net.generators().values()] == states


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("factor", "steady"), [(0.95, True), (1.05, False)])
def test_momentum_on_a_parabola(momentum, factor, steady):
    curvature = 7.0
    lr = factor * largest_rate(curvature, momentum)
    w, v = 1.0, 0.0
    for _ in range(2000):
        v = momentum * v - lr * curvature * w
        w += v
        if abs(w) > 1e6:
            break
    assert (abs(w) < 1) is steady


def test_no_curvature_allows_any_rate():
    assert largest_rate(0.0) == np.inf
