"""Lesson 07: dropout."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from lessons.check.exercise import Exercise, Function, Mistake, Planted, Trial, register
from minialex import layers
from minialex.arrays import Array
from tests.checks.dropout import (
    DROPOUT,
    gradients_pass_in_the_test_too,
    the_test_pass_scales_by_one_minus_p,
    training_drops_and_does_not_rescale,
)
from tests.checks.every_layer import backward_is_linear, gradients_pass_central_differences
from tests.mutants import dropout as dropout_mutants


def dropout_train(x: Array, mask: Array) -> Array:
    """x where the mask is True, else 0."""
    return x * mask


def dropout_test(x: Array, p: float) -> Array:
    """What a number is on average over the masks."""
    return x * (1 - p)


def dropout_backward(dy: Array, mask: Array) -> Array:
    """The gradient takes the way that the number took."""
    return dy * mask


def dropout_with(
    train_pass: Function | None = None, test_pass: Function | None = None, backward: Function | None = None
) -> Any:
    """minialex's Dropout, with a learner's functions in it; the mask is drawn as it always is."""

    class YourDropout(layers.Dropout):
        def forward(self, x: Array, train: bool = True) -> Array:
            y = super().forward(x, train)
            self._kept = self._recall()[0] != 0 if train else None
            if train:
                return y if train_pass is None else train_pass(x, self._kept)
            return y if test_pass is None else test_pass(x, self.p)

        def backward(self, dy: Array) -> Array:
            if backward is None or self._kept is None:
                return super().backward(dy)
            dx: Array = backward(dy, self._kept)
            return dx

    return YourDropout


def planted_backward(fresh: ModuleType) -> Function:
    """dropout_backward, as a mutant of Dropout computes it with this mask."""

    def backward(dy: Array, mask: Array) -> Array:
        layer = with_mask(fresh, mask)
        layer.forward(np.ones_like(dy))
        dx: Array = layer.backward(dy)
        return dx

    return backward


def planted_train(fresh: ModuleType) -> Function:
    """dropout_train, as a mutant of Dropout computes it with this mask."""

    def train_pass(x: Array, mask: Array) -> Array:
        y: Array = with_mask(fresh, mask).forward(x)
        return y

    return train_pass


def planted_test(fresh: ModuleType) -> Function:
    """dropout_test, as a mutant of Dropout computes it."""

    def test_pass(x: Array, p: float) -> Array:
        y: Array = fresh.Dropout(p).forward(x, train=False)
        return y

    return test_pass


def with_mask(fresh: ModuleType, mask: Array) -> Any:
    """A layer with p = 1/2 that draws this mask."""
    layer = fresh.Dropout(0.5)
    layer._mask = lambda shape: mask
    return layer


TRAINING = (training_drops_and_does_not_rescale, gradients_pass_central_differences)
INVERTED = "the numbers that stay are made larger (inverted dropout); the paper leaves them as they are, and scales in the test"

register(
    Exercise(
        name="dropout_train",
        lesson="07",
        right=dropout_train,
        returns=("y",),
        trials=(Trial(replace(DROPOUT, properties=TRAINING, facts=()), lambda f: dropout_with(train_pass=f)),),
        reward="Half of the neurons fall silent, other ones each time.",
        then="In the test all of them speak. What must change?",
        lights=("dropout",),
        mistakes=(
            Mistake(
                "mask upside down", lambda x, mask: x * ~mask, "what should stay is dropped, and what should be dropped stays"
            ),
            Mistake("mask missing", lambda x, mask: x.copy(), "nothing is dropped"),
            Mistake(
                "mask as an index",
                lambda x, mask: x[mask],
                "x[mask] throws the silent numbers away, and the shape with them; they stay in their places, as 0",
            ),
            Mistake("doubled", lambda x, mask: 2 * x * mask, INVERTED),
            Mistake(
                "rescaled by the mask's share",
                lambda x, mask: x * (mask / max(mask.mean(), 1e-9)).astype(x.dtype),
                INVERTED,
            ),
            Mistake(
                "mask itself", lambda x, mask: mask.astype(x.dtype), "this is the mask alone; x has to be multiplied by it"
            ),
        ),
        planted=(Planted(dropout_mutants.DROPOUT, planted_train, only=("inverted dropout", "always float64")),),
    )
)

register(
    Exercise(
        name="dropout_test",
        lesson="07",
        right=dropout_test,
        returns=("y",),
        trials=(
            Trial(
                replace(DROPOUT, properties=(the_test_pass_scales_by_one_minus_p, gradients_pass_in_the_test_too), facts=()),
                lambda f: dropout_with(test_pass=f),
            ),
        ),
        reward="The next layer hears, on average, what it heard in training.",
        then="And is the test pass the mean of all the nets? The next cell asks every one of them.",
        lights=("dropout",),
        mistakes=(
            Mistake(
                "p for 1 - p",
                lambda x, p: x * np.asarray(p, x.dtype),
                "it is multiplied by p; a neuron stays with probability 1 - p (for p = 0.5 nobody notices)",
            ),
            Mistake("half", lambda x, p: x * np.asarray(0.5, x.dtype), "it is always halved; p may be another than 1/2"),
            Mistake(
                "divided",
                lambda x, p: x / np.asarray(1 - p, x.dtype),
                "it is divided by 1 - p; fewer neurons spoke in training, so multiply",
            ),
            Mistake(
                "not scaled",
                lambda x, p: x.copy(),
                "nothing is scaled: the next layer would hear more than it ever did in training",
            ),
        ),
        planted=(
            Planted(
                dropout_mutants.DROPOUT, planted_test, only=("p where 1 - p is meant, in the test", "drops in the test, too")
            ),
        ),
    )
)

register(
    Exercise(
        name="dropout_backward",
        lesson="07",
        right=dropout_backward,
        returns=("dx",),
        trials=(
            Trial(replace(DROPOUT, properties=(*TRAINING, backward_is_linear), facts=()), lambda f: dropout_with(backward=f)),
        ),
        reward="A neuron that was silent learns nothing from this image.",
        then="Put the layer into a net, and watch it stop learning by heart.",
        lights=("dropout",),
        mistakes=(
            Mistake(
                "doubled", lambda dy, mask: 2 * dy * mask, "backward divides by 1 - p (inverted dropout), forward does not"
            ),
            Mistake(
                "mask itself", lambda dy, mask: mask.astype(dy.dtype), "this is the mask alone; dy has to be multiplied by it"
            ),
        ),
        planted=(
            Planted(
                dropout_mutants.DROPOUT,
                planted_backward,
                only=("mask missing", "mask upside down", "rescaled in backward", "dy overwritten", "always float64"),
            ),
        ),
    )
)
