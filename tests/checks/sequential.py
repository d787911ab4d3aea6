"""What is claimed of Sequential."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex import layers
from minialex.gradcheck import check_gradient, check_layer
from tests.checks.every_layer import (
    MANNERS,
    a_batch_is_the_sum_of_its_samples,
    backward_follows_the_definition,
    forward_follows_the_definition,
)
from tests.checks.suite import Suite, complains, same
from tests.strategies import SequentialCase, sequential_cases


def parameters_are_named_by_the_way_to_them(cls: Any) -> None:
    """ "conv.weight", "tail.1.weight": names where given, places where not; the arrays and generators are the layers' own"""
    rng = np.random.default_rng(1)
    conv, linear, dropout = layers.Conv2d(1, 2, 2), layers.Linear(8, 3), layers.Dropout(rng=rng)
    conv.name = "conv"
    net = cls(conv, layers.ReLU(), tail=cls(layers.Flatten(), linear, dropout))
    expected = {"conv.weight", "conv.bias", "tail.1.weight", "tail.1.bias"}
    assert set(net.params) == expected, f"params has {set(net.params)}, expected {expected}"
    assert net.params["tail.1.weight"] is linear.params["weight"], "params holds a copy, not the layer's own array"
    assert net.generators() == {"tail.2.rng": rng}, f"generators() gives {net.generators()}"
    net.backward(np.ones_like(net.forward(np.ones((2, 1, 3, 5), np.float32)[..., :3])))
    assert set(net.grads) == expected, f"grads has {set(net.grads)}, expected {expected}"
    assert net.grads["conv.bias"] is conv.grads["bias"], "grads holds a copy, not the layer's own array"
    complains(ValueError, "names", of=lambda: cls(a=layers.ReLU(), b=cls(conv, conv)))


def a_chain_adds_up_its_multiplications(cls: Any) -> None:
    """multiply_adds is the sum over the layers, each for the shape that it sees; training reaches every layer"""
    net = cls(layers.Conv2d(1, 2, 2), layers.MaxPool2d(2), layers.Flatten(), layers.Linear(8, 3))
    counted = net.multiply_adds((10, 1, 5, 5))
    assert counted == 10 * (2 * 4 * 4 * 4 + 8 * 3), f"counted {counted}"
    x = np.ones((4, 50))
    same("y of a test pass", cls(layers.ReLU(), cls(layers.Dropout(0.25))).forward(x, train=False), 0.75 * x)
    y = cls(layers.ReLU(), cls(layers.Dropout(0.25))).forward(x, train=True)
    assert set(np.unique(y)) == {0.0, 1.0}, "dropout does not know that this is training"


def a_chain_passes_central_differences(cls: Any, case: SequentialCase) -> None:
    """Every gradient equals the slope that moving x and the parameters shows, here along random directions"""
    check_layer(case.layer(cls), case.x(), seed=case.seed, tolerance=1e-6, method="central", every=8)


def dx_passes_complex_steps(cls: Any, case: SequentialCase) -> None:
    """dx, having gone through every layer, equals the slope along an imaginary step, to ten digits"""
    layer = case.layer(cls)
    check_gradient(layer.forward, layer.backward, case.x(), seed=case.seed, tolerance=1e-10, method="complex")


SEQUENTIAL = Suite(
    layers.Sequential,
    sequential_cases(),
    (
        forward_follows_the_definition,
        backward_follows_the_definition,
        a_batch_is_the_sum_of_its_samples,
        dx_passes_complex_steps,
        a_chain_passes_central_differences,
        *MANNERS,
    ),
    (parameters_are_named_by_the_way_to_them, a_chain_adds_up_its_multiplications),
)

check_sequential = SEQUENTIAL.run
