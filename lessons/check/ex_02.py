"""Lesson 02: ReLU and tanh."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from lessons.check.ex_01 import FORWARD
from lessons.check.exercise import Exercise, Function, Mistake, Planted, Trial, register
from minialex import layers
from minialex.arrays import Array
from tests.checks.activation import RELU, TANH, the_kink_has_slope_zero
from tests.checks.every_layer import NUMBERS
from tests.mutants import activation as activation_mutants


def relu_forward(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


def relu_backward(dy: Array, x: Array) -> Array:
    """The gradient passes where x > 0."""
    return dy * (x > 0)


def tanh_backward(dy: Array, y: Array) -> Array:
    """dy (1 - y²), with y = tanh x."""
    return dy * (1 - y * y)


def relu_with(forward: Function | None = None, backward: Function | None = None) -> Any:
    """minialex's ReLU, with a learner's functions in it."""

    class YourReLU(layers.ReLU):
        def forward(self, x: Array, train: bool = True) -> Array:
            self._input = x
            y = super().forward(x, train)
            return y if forward is None else forward(x)

        def backward(self, dy: Array) -> Array:
            return super().backward(dy) if backward is None else backward(dy, self._input)

    return YourReLU


def tanh_with(backward: Function) -> Any:
    """minialex's Tanh, with a learner's backward pass."""

    class YourTanh(layers.Tanh):
        def backward(self, dy: Array) -> Array:
            dx: Array = backward(dy, self._recall())
            return dx

    return YourTanh


def planted_relu(fresh: ModuleType) -> Function:
    """relu_backward, as a mutant of ReLU computes it."""

    def backward(dy: Array, x: Array) -> Array:
        layer = fresh.ReLU()
        layer.forward(x)
        dx: Array = layer.backward(dy)
        return dx

    return backward


def planted_tanh(fresh: ModuleType) -> Function:
    """tanh_backward, as a mutant of Tanh computes it: forward is given the x that has this y."""

    def backward(dy: Array, y: Array) -> Array:
        layer = fresh.Tanh()
        layer.forward(np.arctanh(y))
        dx: Array = layer.backward(dy)
        return dx

    return backward


register(
    Exercise(
        name="relu_forward",
        lesson="02",
        right=relu_forward,
        returns=("y",),
        trials=(
            Trial(
                replace(RELU, properties=FORWARD, facts=(the_kink_has_slope_zero,)),
                lambda function: relu_with(forward=function),
            ),
        ),
        reward="The simplest neuron there is, and the one that made deep nets quick to train.",
        then="Its gradient is a gate.",
        lights=("relu",),
        mistakes=(
            Mistake("absolute value", np.abs, "negative numbers change their sign; they should become 0"),
            Mistake("minimum", lambda x: np.minimum(x, 0), "the negative numbers are kept, and the positive ones lost"),
            Mistake("step", lambda x: (x > 0).astype(x.dtype), "this is 1 where x > 0; x itself is meant"),
            Mistake("capped", lambda x: np.clip(x, 0, 1), "numbers above 1 are cut off; ReLU has no upper end"),
            Mistake("leaky", lambda x: np.where(x > 0, x, 0.01 * x), "negative numbers leak through (a leaky ReLU)"),
            Mistake("identity", lambda x: x.copy(), "negative numbers pass"),
            Mistake("maximum of all", lambda x: x * 0 + max(x.max(), 0), "this is the largest number of all, everywhere"),
        ),
    )
)

register(
    Exercise(
        name="relu_backward",
        lesson="02",
        right=relu_backward,
        returns=("dx",),
        trials=(
            Trial(
                replace(RELU, properties=NUMBERS, facts=(the_kink_has_slope_zero,)),
                lambda function: relu_with(backward=function),
            ),
        ),
        reward="A silent neuron passes nothing back; a speaking one passes everything.",
        then="Compare it with tanh, which passes less and less the louder it speaks.",
        lights=("relu",),
        mistakes=(
            Mistake(
                "x for its derivative",
                lambda dy, x: dy * x,
                "dy is multiplied by x itself where its derivative, 0 or 1, is meant",
            ),
            Mistake("derivative alone", lambda dy, x: (x > 0).astype(dy.dtype), "dy is not used: this is the derivative alone"),
            Mistake("forward again", lambda dy, x: np.maximum(x, 0), "this is the forward pass once more"),
            Mistake("relu of dy", lambda dy, x: np.maximum(dy, 0), "ReLU is applied to dy; it is x whose sign decides"),
            Mistake("sign", lambda dy, x: -dy * (x > 0), "the sign is wrong"),
        ),
        planted=(Planted(activation_mutants.RELU, planted_relu),),
    )
)

register(
    Exercise(
        name="tanh_backward",
        lesson="02",
        right=tanh_backward,
        returns=("dx",),
        trials=(Trial(replace(TANH, properties=NUMBERS, facts=()), tanh_with),),
        reward="1 - y² is never more than 1, and close to 0 at both ends: there a neuron learns nothing.",
        then="See it happen: further down you measure how much of a gradient gets through a layer of tanh, and of ReLU.",
        lights=("relu",),
        mistakes=(
            Mistake("derivative alone", lambda dy, y: 1 - y * y, "dy is not used: this is the derivative alone"),
            Mistake("2 y missing its place", lambda dy, y: dy * (1 - 2 * y), "this is 1 - 2 y; the derivative is 1 - y²"),
            Mistake(
                "cosh of y",
                lambda dy, y: dy / np.cosh(y) ** 2,
                "1 / cosh² wants x, but y = tanh x is given: the same derivative is 1 - y²",
            ),
        ),
        planted=(Planted(activation_mutants.TANH, planted_tanh),),
    )
)
