"""Memory that is lent."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np

from minialex.layers import fast
from minialex.lent import Memory
from minialex.optim import SGD


def test_memory_comes_back_when_the_last_view_is_gone() -> None:
    memory = Memory(2 * 3 * 4 * 5)
    lent = memory.lend((2, 3, 4, 5))
    lent[...] = 7
    address, corner = lent.__array_interface__["data"][0], lent[1:, ::2, 1]
    del lent
    other = memory.lend((1, 3, 4, 5))
    assert not np.shares_memory(corner, other)
    del corner
    assert memory.lend((2, 3, 4, 5)).__array_interface__["data"][0] == address


def test_it_is_of_the_dtype_that_was_asked_for() -> None:
    assert Memory(6, np.uint8).lend((2, 3)).dtype == np.uint8
    assert Memory(6, np.float64).lend((6,)).dtype == np.float64


def test_a_linear_layers_gradients_lie_in_the_same_memory_step_after_step() -> None:
    layer, rng = fast.Linear(30, 20), np.random.default_rng(0)
    optimizer = SGD(layer)
    with patch("minialex.lent.np.empty", side_effect=np.empty) as made:
        for _ in range(4):
            layer.backward(layer.forward(rng.standard_normal((5, 30), dtype=np.float32)))
            optimizer.step()
    assert sum(call.args[0] == 30 * 20 for call in made.call_args_list) == 1


def test_a_gradient_that_somebody_holds_stays_as_it_is() -> None:
    layer, rng = fast.Linear(30, 20), np.random.default_rng(0)
    held = []
    for _ in range(3):
        y = layer.forward(rng.standard_normal((5, 30), dtype=np.float32))
        layer.backward(y)
        held.append((layer.grads["weight"][3:], layer.grads["weight"][3:].copy()))
    for gradient, copy in held:
        np.testing.assert_array_equal(gradient, copy)
