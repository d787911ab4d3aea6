"""Lesson 08: the paper's update rule."""

from __future__ import annotations

import inspect
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lessons.check import plain
from lessons.check.exercise import EXERCISES, Arguments, Exercise, Function, Mistake, Planted, Trial, register
from minialex import layers, optim
from minialex.arrays import Array
from tests.checks.optim import SGD, SGDCase, old_velocity_keeps_its_pace, steps_follow_the_paper
from tests.mutants import optim as optim_mutants
from tests.mutants.engine import run


def sgd_update(w: Array, dw: Array, v: Array, lr: float, momentum: float, weight_decay: float) -> tuple[Array, Array]:
    """v <- momentum v - weight_decay lr w - lr dw; w <- w + v. New arrays, both."""
    v = momentum * v - weight_decay * lr * w - lr * dw
    return w + v, v


def sgd_with(update: Function) -> Any:
    """minialex's SGD, which asks a learner's function for each new weight and velocity; with no flag that would forbid it."""

    def in_place(w: Array, dw: Array, v: Array, lr: float, momentum: float, weight_decay: float, unless: None) -> None:
        w[...], v[...] = update(w.copy(), dw.copy(), v.copy(), lr, momentum, weight_decay)

    module = run(optim, inspect.getsource(optim))
    module.__dict__["update"] = in_place
    return module.__dict__["SGD"]


def planted_update(fresh: ModuleType) -> Function:
    """sgd_update, as a mutant of optim.update computes it."""

    def update(w: Array, dw: Array, v: Array, lr: float, momentum: float, weight_decay: float) -> tuple[Array, Array]:
        w, v = w.copy(), v.copy()
        fresh.update(w, dw, v, lr, momentum, weight_decay)
        return w, v

    return update


def planted_step(fresh: ModuleType) -> Function:
    """sgd_update, as a mutant of SGD.step computes it for one weight."""

    def update(w: Array, dw: Array, v: Array, lr: float, momentum: float, weight_decay: float) -> tuple[Array, Array]:
        layer = layers.Layer()
        layer.params, layer.grads = {"weight": w.copy()}, {"weight": dw.copy()}
        sgd = fresh.SGD(layer, lr, momentum, weight_decay)
        sgd.velocity["weight"] = v.copy()
        sgd.step()
        return layer.params["weight"], sgd.velocity["weight"]

    return update


def alone(case: SGDCase) -> SGDCase:
    """The case with one layer on no device, which is all that a rule for one array needs."""
    return replace(case, towers=0, rates={})


@st.composite
def updates(draw: Any) -> Arguments:
    """One step from any weight and any velocity."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    shape = draw(st.sampled_from([(1,), (3,), (2, 3), (2, 1, 2, 2)]))
    w, dw, v = (rng.standard_normal(shape) for _ in range(3))
    return (
        w,
        dw,
        v,
        draw(st.sampled_from([0.1, 0.5])),
        draw(st.sampled_from([0.9, 0.5, 0.0])),
        draw(st.sampled_from([0.1, 0.0])),
    )


def _examples() -> tuple[Arguments, ...]:
    rng = np.random.default_rng(8)
    w, dw, v = (rng.standard_normal((2, 3)) for _ in range(3))
    return tuple(
        (w, dw, v, lr, momentum, decay) for lr, momentum, decay in ((0.1, 0.9, 0.2), (0.5, 0.5, 0.1), (0.01, 0.9, 0.0))
    )


register(
    Exercise(
        name="sgd_update",
        lesson="08",
        right=sgd_update,
        returns=("w", "v"),
        trials=(
            Trial(
                replace(
                    SGD,
                    cases=SGD.cases.map(alone),
                    properties=(steps_follow_the_paper,),
                    facts=(old_velocity_keeps_its_pace,),
                ),
                sgd_with,
            ),
            plain.trial(lambda: EXERCISES["sgd_update"], updates()),
        ),
        reward="These two lines trained AlexNet for 90 passes over 1.2 million images.",
        then="Give a ball a push: the next cell draws its way down a valley, with momentum and without.",
        lights=("all",),
        examples=_examples(),
        mistakes=(
            Mistake(
                "plain gradient descent",
                lambda w, dw, v, lr, momentum, weight_decay: (w - lr * dw, v),
                "the velocity is not used at all: this is plain gradient descent",
            ),
            Mistake(
                "no decay",
                lambda w, dw, v, lr, momentum, weight_decay: (w + momentum * v - lr * dw, momentum * v - lr * dw),
                "the weight decay is missing",
            ),
            Mistake(
                "old velocity",
                lambda w, dw, v, lr, momentum, weight_decay: (w + v, momentum * v - weight_decay * lr * w - lr * dw),
                "w moves by the old velocity; the new one comes first",
            ),
            Mistake(
                "order of results",
                lambda w, dw, v, lr, momentum, weight_decay: sgd_update(w, dw, v, lr, momentum, weight_decay)[::-1],
                "w and v come back in the wrong order",
            ),
            Mistake(
                "velocity subtracted",
                lambda w, dw, v, lr, momentum, weight_decay: (
                    w - (momentum * v + weight_decay * lr * w + lr * dw),
                    momentum * v + weight_decay * lr * w + lr * dw,
                ),
                "here v points uphill and is subtracted (another convention): in the paper's, v is what is added to w",
            ),
            Mistake(
                "rate outside the velocity",
                lambda w, dw, v, lr, momentum, weight_decay: (
                    w + lr * (momentum * v - weight_decay * w - dw),
                    momentum * v - weight_decay * w - dw,
                ),
                "w <- w + lr v: when the rate drops, the old velocity drops with it at once (not the rule of the paper)",
            ),
        ),
        planted=(
            Planted(optim_mutants.SGD, planted_update, within="update"),
            Planted(optim_mutants.SGD, planted_step, only=("rate outside the velocity",)),
        ),
    )
)
