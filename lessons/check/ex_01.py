"""Lesson 01: the linear layer, softmax, cross-entropy, and how to check a gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lessons.check import plain
from lessons.check.exercise import EXERCISES, Exercise, Function, Mistake, Planted, Trial, register
from minialex import layers
from minialex.arrays import Array
from tests.checks.every_layer import NUMBERS
from tests.checks.linear import LINEAR
from tests.checks.loss import (
    SOFTMAX_CROSS_ENTROPY,
    large_logits_do_no_harm,
    the_gradient_of_each_row_sums_to_zero,
    the_loss_follows_the_definition,
    the_loss_is_a_mean,
    the_loss_passes_central_differences,
)
from tests.checks.suite import same
from tests.mutants import linear as linear_mutants
from tests.mutants import loss as loss_mutants
from tests.strategies import LossCase, loss_cases


def linear_forward(x: Array, weight: Array, bias: Array) -> Array:
    """y[n, o] = sum_d x[n, d] W[o, d] + b[o]."""
    return x @ weight.T + bias


def linear_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """dx = dy W, dW = dyᵀ x, db = sum_n dy[n]."""
    return dy @ weight, dy.T @ x, dy.sum(axis=0)


def softmax(logits: Array) -> Array:
    """p[n, c] = exp z[n, c] / sum_k exp z[n, k]; the row's maximum is taken off first, so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(logits: Array, labels: Array) -> float:
    """The mean over the batch of -log p[n, label], from the logarithm itself: p may be 0 in the computer, its log not."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(len(labels)), labels].mean())


def cross_entropy_backward(logits: Array, labels: Array) -> Array:
    """(p[n, c] - [c = label]) / N."""
    dlogits = softmax(logits)
    dlogits[np.arange(len(labels)), labels] -= 1
    return dlogits / len(labels)


def numerical_gradient(f: Callable[[Array], float], x: Array, h: float) -> Array:
    """(f(x + h e) - f(x - h e)) / (2 h), for one coordinate after the other."""
    gradient = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = h
        gradient[at] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


def linear_with(forward: Function | None = None, backward: Function | None = None) -> Any:
    """minialex's Linear, with a learner's functions in it."""

    class YourLinear(layers.Linear):
        def forward(self, x: Array, train: bool = True) -> Array:
            if forward is None:
                return super().forward(x, train)
            self._saved = x
            y: Array = forward(x, *(self.params[key].astype(x.dtype, copy=False) for key in ("weight", "bias")))
            return y

        def backward(self, dy: Array) -> Array:
            if backward is None:
                return super().backward(dy)
            x = self._recall()
            dx, self.grads["weight"], self.grads["bias"] = backward(dy, x, self.params["weight"].astype(x.dtype, copy=False))
            return dx

    return YourLinear


def loss_with(forward: Function | None = None, backward: Function | None = None) -> Any:
    """minialex's loss, with a learner's functions in it."""

    class YourLoss(layers.SoftmaxCrossEntropy):
        def forward(self, logits: Array, labels: Array) -> float:
            self.given = logits, labels
            value = super().forward(logits, labels)
            return value if forward is None else float(forward(logits, labels))

        def backward(self) -> Array:
            dlogits: Array = super().backward() if backward is None else backward(*self.given)
            return dlogits

    return YourLoss


def planted_linear(fresh: ModuleType) -> Function:
    """linear_backward, as a mutant of Linear computes it."""

    def backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
        layer = fresh.Linear(weight.shape[1], weight.shape[0])
        layer.params["weight"] = weight
        layer.forward(x)
        return layer.backward(dy), layer.grads["weight"], layer.grads["bias"]

    return backward


def planted_loss(fresh: ModuleType) -> Function:
    """cross_entropy_backward, as a mutant of SoftmaxCrossEntropy computes it."""

    def backward(logits: Array, labels: Array) -> Array:
        loss = fresh.SoftmaxCrossEntropy()
        loss.forward(logits, labels)
        dlogits: Array = loss.backward()
        return dlogits

    return backward


def planted_value(fresh: ModuleType) -> Function:
    """cross_entropy, as a mutant of SoftmaxCrossEntropy computes it."""
    return lambda logits, labels: fresh.SoftmaxCrossEntropy().forward(logits, labels)


FORWARD = tuple(claim for claim in NUMBERS if "complex" not in claim.__name__)
DIVIDED = "it is divided by N; the loss has done that already, so dy brings it along"

register(
    Exercise(
        name="linear_forward",
        lesson="01",
        right=linear_forward,
        returns=("y",),
        trials=(Trial(replace(LINEAR, properties=FORWARD, facts=()), lambda function: linear_with(forward=function)),),
        reward="Every neuron of AlexNet's last three layers computes just this.",
        then="Time it against the three loops.",
        lights=("linear",),
        mistakes=(
            Mistake("bias missing", lambda x, weight, bias: x @ weight.T, "the bias is not added"),
            Mistake(
                "weight reshaped",
                lambda x, weight, bias: x @ weight.reshape(weight.shape[::-1]) + bias,
                "W is reshaped where it should be transposed: W.T swaps its axes, reshape only counts the numbers anew",
            ),
            Mistake("bias subtracted", lambda x, weight, bias: x @ weight.T - bias, "the bias is subtracted"),
            Mistake(
                "bias counted N times",
                lambda x, weight, bias: x @ weight.T + len(x) * bias,
                "the bias is added once for each image of the batch, to every one of them",
            ),
            Mistake(
                "mean over the features",
                lambda x, weight, bias: x @ weight.T / x.shape[1] + bias,
                "the products are averaged over the features; they should be added up",
            ),
            Mistake(
                "transposed",
                lambda x, weight, bias: (x @ weight.T + bias).T,
                "y lies on its side: its rows should be the images, its columns the neurons",
            ),
        ),
    )
)

register(
    Exercise(
        name="linear_backward",
        lesson="01",
        right=linear_backward,
        returns=("dx", "dweight", "dbias"),
        trials=(Trial(replace(LINEAR, properties=NUMBERS, facts=()), lambda function: linear_with(backward=function)),),
        reward="Three lines, and the largest layers of AlexNet can learn: fc6 alone holds 38 million weights.",
        then="Put it behind the loss: one pass gives all 640 slopes that took so long to measure.",
        lights=("linear",),
        mistakes=(
            Mistake(
                "averaged over the batch",
                lambda dy, x, weight: (dy @ weight / len(x), dy.T @ x / len(x), dy.mean(axis=0)),
                DIVIDED,
            ),
            Mistake(
                "dbias keeps its axis",
                lambda dy, x, weight: (dy @ weight, dy.T @ x, dy.sum(axis=0, keepdims=True)),
                "dbias keeps the axis that it was summed over: leave keepdims out",
            ),
            Mistake(
                "dweight on its side",
                lambda dy, x, weight: (dy @ weight, x.T @ dy, dy.sum(axis=0)),
                "dW lies on its side: xᵀ dy is (features, neurons), W is (neurons, features)",
            ),
            Mistake(
                "y for dy",
                lambda dy, x, weight: (x @ weight.T @ weight, (x @ weight.T).T @ x, (x @ weight.T).sum(axis=0)),
                "y stands where dy is meant: the gradient that comes from above is not used",
            ),
            Mistake(
                "upstream of ones",
                lambda dy, x, weight: (np.ones_like(dy) @ weight, np.ones_like(dy).T @ x, np.ones_like(dy).sum(axis=0)),
                "dy is not used: this is the gradient of the plain sum of y",
            ),
            Mistake(
                "weight not used",
                lambda dy, x, weight: (
                    np.broadcast_to(dy.sum(axis=1, keepdims=True), x.shape).copy(),
                    dy.T @ x,
                    dy.sum(axis=0),
                ),
                "dx is the sum of dy: each neuron's share has to be multiplied by its weight",
            ),
            Mistake("sign", lambda dy, x, weight: (-dy @ weight, -dy.T @ x, -dy.sum(axis=0)), "the sign is wrong"),
            Mistake(
                "order of results",
                lambda dy, x, weight: (dy.T @ x, dy @ weight, dy.sum(axis=0)),
                "they have changed places: dx comes first, then dweight",
            ),
        ),
        planted=(Planted(linear_mutants.LINEAR, planted_linear),),
    )
)


def softmax_rows_are_probabilities(function: Function, case: LossCase) -> None:
    """Every row adds up to 1, and stays the same when a number is added to all its logits"""
    logits = case.x()
    p = function(logits)
    same("the sums of the rows", p.sum(axis=1), np.ones(len(logits)), 1e-12)
    same("p of logits + 3", function(logits + 3.0), p, 1e-12)


def softmax_follows_the_definition(function: Function, case: LossCase) -> None:
    """p[n, c] is exp z[n, c] over the sum of its row's exponentials"""
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5)):
        logits = case.x(dtype)
        same("p", function(logits), softmax(logits.astype(np.float64)), tolerance)


def large_logits_do_not_overflow(function: Function) -> None:
    """Logits of ±1000 give probabilities, not nan: exp(1000) is more than a computer can hold"""
    logits = np.array([[1000.0, 0.0, -1000.0], [1000.0, 1000.0, 1000.0], [-1000.0, -1000.0, 0.0]])
    same("p", function(logits), softmax(logits), 1e-12)


def _no_overflow(logits: Array, axis: int | None) -> Array:
    powers: Array = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


SOFTMAX = replace(
    SOFTMAX_CROSS_ENTROPY,
    properties=(softmax_follows_the_definition, softmax_rows_are_probabilities),
    facts=(large_logits_do_not_overflow,),
)
OVERFLOWS = "the row's maximum is not subtracted: exp overflows for large logits"

register(
    Exercise(
        name="softmax",
        lesson="01",
        right=softmax,
        returns=("p",),
        trials=(Trial(SOFTMAX),),
        reward="Numbers of any size become probabilities, and nothing overflows.",
        then="Cross-entropy: how surprised the net is by the right answer.",
        lights=("softmax",),
        mistakes=(
            Mistake("overflows", lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), OVERFLOWS),
            Mistake(
                "maximum of everything",
                lambda z: np.exp(z - z.max()) / np.exp(z - z.max()).sum(axis=1, keepdims=True),
                "the maximum of the whole batch is subtracted: a row far below it becomes 0 / 0. Take each row's own",
            ),
            Mistake(
                "over the batch",
                lambda z: _no_overflow(z, 0),
                "the sum runs down the batch; each image's probabilities should add up to 1 along its own row (axis=1)",
            ),
            Mistake(
                "over everything",
                lambda z: _no_overflow(z, None),
                "the sum runs over the whole batch; each row should add up to 1 by itself",
            ),
            Mistake(
                "not divided",
                lambda z: np.exp(z - z.max(axis=1, keepdims=True)),
                "the exponentials are not divided by their row's sum",
            ),
            Mistake(
                "not divided, overflows",
                np.exp,
                "the exponentials are not divided by their row's sum",
            ),
            Mistake(
                "no exponential",
                lambda z: z / z.sum(axis=1, keepdims=True),
                "the logits themselves are divided by their sum; their exponentials should be",
            ),
            Mistake(
                "log",
                lambda z: np.log(_no_overflow(z, 1)),
                "these are the logarithms of the probabilities",
            ),
            Mistake(
                "divided by the maximum",
                lambda z: (
                    np.exp(z / z.max(axis=1, keepdims=True)) / np.exp(z / z.max(axis=1, keepdims=True)).sum(1, keepdims=True)
                ),
                "the logits are divided by their maximum; it should be subtracted",
            ),
        ),
    )
)

LOSS = replace(  # one class alone would leave a loss of rounding errors, which no gradient check likes
    SOFTMAX_CROSS_ENTROPY,
    cases=loss_cases().map(lambda case: replace(case, shape=(case.shape[0], max(2, case.shape[1])))),
    properties=(
        the_loss_follows_the_definition,
        the_gradient_of_each_row_sums_to_zero,
        the_loss_is_a_mean,
        the_loss_passes_central_differences,
    ),
    facts=(large_logits_do_no_harm,),
)


def _log_p(z: Array) -> Array:
    shifted = z - z.max(axis=1, keepdims=True)
    log_p: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_p


def _of_labels(log_p: Array, labels: Array) -> Array:
    picked: Array = log_p[np.arange(len(labels)), labels]
    return picked


register(
    Exercise(
        name="cross_entropy",
        lesson="01",
        right=cross_entropy,
        returns=("loss",),
        trials=(Trial(LOSS, lambda function: loss_with(forward=function)),),
        reward="A net that knows nothing of ten classes is surprised by ln 10 = 2.303 nats. You will meet that number again.",
        then="Its gradient, which is shorter than its derivation.",
        lights=("softmax",),
        mistakes=(
            Mistake(
                "summed over the batch",
                lambda z, labels: float(-_of_labels(_log_p(z), labels).sum()),
                "the loss is the sum over the batch; it should be the mean",
            ),
            Mistake(
                "sign", lambda z, labels: float(_of_labels(_log_p(z), labels).mean()), "the minus is missing: log p is negative"
            ),
            Mistake(
                "no logarithm",
                lambda z, labels: float(-np.exp(_of_labels(_log_p(z), labels)).mean()),
                "this is -p of the right class; -log p is meant",
            ),
            Mistake(
                "1 - p",
                lambda z, labels: float((1 - np.exp(_of_labels(_log_p(z), labels))).mean()),
                "this is 1 - p of the right class; -log p is meant",
            ),
            Mistake(
                "log of 2",
                lambda z, labels: float(-_of_labels(_log_p(z), labels).mean() / np.log(2)),
                "the logarithm is to base 2; the natural one, np.log, is meant",
            ),
            Mistake(
                "all classes",
                lambda z, labels: float(-_log_p(z).mean()),
                "the mean runs over all classes; only the right one of each image counts",
            ),
            Mistake(
                "every label in every row",
                lambda z, labels: float(-_log_p(z)[:, labels].mean()),
                "every image is asked about every label: index rows and columns together, [np.arange(N), labels]",
            ),
            Mistake(
                "logits for probabilities",
                lambda z, labels: float(-_of_labels(z, labels).mean()),
                "the logits themselves are used; log softmax is meant",
            ),
            Mistake(
                "log of 0",
                lambda z, labels: float(-np.log(_of_labels(softmax(z), labels)).mean()),
                "log is taken of a probability that the computer has rounded to 0: "
                "write log p as z - max - log(sum(exp(z - max))) instead",
            ),
            Mistake(
                "overflow",
                lambda z, labels: float(-(_of_labels(z, labels) - np.log(np.exp(z).sum(axis=1))).mean()),
                OVERFLOWS,
            ),
        ),
        planted=(Planted(loss_mutants.SOFTMAX_CROSS_ENTROPY, planted_value, only=("overflows",)),),
    )
)

register(
    Exercise(
        name="cross_entropy_backward",
        lesson="01",
        right=cross_entropy_backward,
        returns=("dlogits",),
        trials=(Trial(LOSS, lambda function: loss_with(backward=function)),),
        reward="p minus 1 at the right answer: what the net believes, less the truth. AlexNet learns from this one line.",
        then="Chain it with linear_backward, and a classifier learns.",
        lights=("softmax",),
        planted=(Planted(loss_mutants.SOFTMAX_CROSS_ENTROPY, planted_loss),),
    )
)


# A gradient by moving every number a little


def sum_of_squares(x: Array) -> float:
    """sum x², whose gradient is 2 x."""
    return float((x**2).sum())


def sum_of_cubes(x: Array) -> float:
    """sum x³."""
    return float((x**3).sum())


def product_of_neighbours(x: Array) -> float:
    """sum x_i x_{i+1} + x_i³, in which the numbers act together."""
    flat = x.ravel()
    return float((flat[1:] * flat[:-1]).sum() + (flat**3).sum())


def _one_sided(f: Function, x: Array, h: float, sign: int = 1) -> Array:
    gradient = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        moved = x.copy()
        moved[at] += sign * h
        gradient[at] = sign * (f(moved) - f(x)) / h
    return gradient


def _not_put_back(f: Function, x: Array, h: float, left: int) -> Array:
    gradient, x = np.zeros_like(x), x.copy()
    for at in np.ndindex(*x.shape):
        x[at] += h
        above = f(x)
        x[at] -= 2 * h
        gradient[at] = (above - f(x)) / (2 * h)
        x[at] += left * h
    return gradient


def _all_at_once(f: Function, x: Array, h: float) -> Array:
    return np.full_like(x, (f(x + h) - f(x - h)) / (2 * h))


register(
    Exercise(
        name="numerical_gradient",
        lesson="01",
        right=numerical_gradient,
        returns=("gradient",),
        trials=(
            plain.trial(
                lambda: EXERCISES["numerical_gradient"],
                st.builds(
                    lambda f, shape, seed: (f, np.random.default_rng(seed).standard_normal(shape), 1e-3),
                    st.sampled_from([sum_of_squares, sum_of_cubes, product_of_neighbours]),
                    st.sampled_from([(1,), (2,), (4,), (2, 3), (3, 1), (2, 1, 2, 3)]),
                    st.integers(0, 999),
                ),
                dtypes=False,
            ),
        ),
        reward="Now no backward pass can lie to you: move each number a little, and watch.",
        then="Use it on the layers that you write from here on.",
        tolerance=1e-7,
        mistakes=(
            Mistake(
                "one-sided",
                _one_sided,
                "only one side is looked at, (f(x + h) - f(x)) / h: its error shrinks with h, that of two sides with h²",
            ),
            Mistake("one-sided below", partial(_one_sided, sign=-1), "only the side below x is looked at; take both"),
            Mistake(
                "divided by h",
                lambda f, x, h: 2 * numerical_gradient(f, x, h),
                "the difference is divided by h; from x - h to x + h it is 2 h wide",
            ),
            Mistake("not divided", lambda f, x, h: 2 * h * numerical_gradient(f, x, h), "the difference is not divided by 2 h"),
            Mistake(
                "times h / 2",
                lambda f, x, h: h * h * numerical_gradient(f, x, h),
                "/ 2 * h divides by 2 and multiplies by h: put 2 * h in brackets",
            ),
            Mistake("sign", lambda f, x, h: -numerical_gradient(f, x, h), "the two sides are swapped: f(x + h) comes first"),
            Mistake("not put back", partial(_not_put_back, left=0), "x is not put back before the next number is moved"),
            Mistake(
                "put back too far", partial(_not_put_back, left=2), "x is put back too far before the next number is moved"
            ),
            Mistake(
                "all at once",
                _all_at_once,
                "all numbers are moved at once; the gradient asks for each one by itself",
            ),
        ),
    )
)
