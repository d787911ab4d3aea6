"""Lesson 06: local response normalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from lessons.check.cases import normalisations
from lessons.check.ex_01 import FORWARD
from lessons.check.exercise import Exercise, Function, Mistake, Planted, Trial, register
from minialex import layers
from minialex.arrays import Array
from tests.checks.every_layer import NUMBERS
from tests.checks.lrn import LOCAL_RESPONSE_NORM
from tests.mutants import lrn as lrn_mutants

Window = Callable[[int, int, int], tuple[int, int]]  # channel i, size, C -> the first channel, and the one after the last


def window(i: int, size: int, C: int) -> tuple[int, int]:
    """W(i) = [i - size // 2, i - size // 2 + size), cut at both ends."""
    return max(i - size // 2, 0), min(i - size // 2 + size, C)


def sums(a: Array, size: int, over: Window = window) -> Array:
    """For each channel the sum of `a` over its window."""
    total = np.empty_like(a)
    for i in range(a.shape[1]):
        low, high = over(i, size, a.shape[1])
        total[:, i] = a[:, low:high].sum(axis=1)
    return total


def lrn_forward(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """y_i = x_i d_i^-beta, d_i = k + alpha * the sum of x_j² over W(i)."""
    return x * (k + alpha * sums(x * x, size)) ** -beta


def lrn_backward(dy: Array, x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """dx_i = dy_i d_i^-beta - 2 alpha beta x_i * the sum of dy_m y_m / d_m over the m whose windows hold i."""
    d = k + alpha * sums(x * x, size)
    t = dy * x * d ** (-beta - 1)
    back = np.zeros_like(x)
    for m in range(x.shape[1]):
        low, high = window(m, size, x.shape[1])
        back[:, low:high] += t[:, m : m + 1]
    return dy * d**-beta - 2 * alpha * beta * x * back


def lrn_with(forward: Function | None = None, backward: Function | None = None) -> Any:
    """minialex's LocalResponseNorm, with a learner's functions in it."""

    class YourLocalResponseNorm(layers.LocalResponseNorm):
        def forward(self, x: Array, train: bool = True) -> Array:
            self._input = x
            y = super().forward(x, train)
            return y if forward is None else forward(x, self.size, self.alpha, self.beta, self.k)

        def backward(self, dy: Array) -> Array:
            if backward is None:
                return super().backward(dy)
            dx: Array = backward(dy, self._input, self.size, self.alpha, self.beta, self.k)
            return dx

    return YourLocalResponseNorm


def planted_lrn(fresh: ModuleType) -> Function:
    """lrn_backward, as a mutant of LocalResponseNorm computes it."""

    def backward(dy: Array, x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
        layer = fresh.LocalResponseNorm(size, alpha, beta, k)
        layer.forward(x)
        dx: Array = layer.backward(dy)
        return dx

    return backward


def _around(a: Array, size: int) -> Array:
    """The sum over a square of pixels of the same map, as the other normalisation of the 2012 code has it."""
    total, (H, W) = np.empty_like(a), a.shape[2:]
    for i, j in np.ndindex(H, W):
        (top, bottom), (left, right) = window(i, size, H), window(j, size, W)
        total[:, :, i, j] = a[:, :, top:bottom, left:right].sum(axis=(2, 3))
    return total


def _short(i: int, size: int, C: int) -> tuple[int, int]:
    return max(i - size // 2, 0), min(i + size // 2, C)


def _even_up(i: int, size: int, C: int) -> tuple[int, int]:
    return max(i - size // 2, 0), min(i + size // 2 + 1, C)


def _ahead(i: int, size: int, C: int) -> tuple[int, int]:
    return i, min(i + size, C)


def _even_other(i: int, size: int, C: int) -> tuple[int, int]:
    return max(i - (size - 1) // 2, 0), min(i - (size - 1) // 2 + size, C)


def _over(over: Window) -> Function:
    return lambda x, size, alpha, beta, k: x * (k + alpha * sums(x * x, size, over)) ** -beta


def _wrap(i: int, size: int, C: int) -> tuple[int, int]:
    low = i - size // 2
    return (low + C if low < 0 else low), min(low + size, C)


def _seen_by(i: int, size: int, C: int) -> tuple[int, int]:
    """The m whose windows hold i."""
    return max(i + size // 2 - size + 1, 0), min(i + size // 2 + 1, C)


def _second_term(term: Callable[..., Array]) -> Function:
    """lrn_backward with this in the place of the sum over m."""

    def backward(dy: Array, x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
        d = k + alpha * sums(x * x, size)
        return dy * d**-beta - 2 * alpha * beta * x * term(dy, x, d, lambda t: sums(t, size, _seen_by), beta)

    return backward


register(
    Exercise(
        name="lrn_forward",
        lesson="06",
        right=lrn_forward,
        returns=("y",),
        trials=(
            Trial(
                replace(LOCAL_RESPONSE_NORM, cases=normalisations(), properties=FORWARD, facts=()),
                lambda f: lrn_with(forward=f),
            ),
        ),
        reward="Each channel is held down by its neighbours at the same pixel: who is loud makes its neighbours quieter.",
        then="Its backward pass, the longest derivation of the whole net.",
        lights=("lrn",),
        mistakes=(
            Mistake(
                "alpha divided by the size",
                lambda x, size, alpha, beta, k: x * (k + alpha / size * sums(x * x, size)) ** -beta,
                "alpha is divided by the window's size, as the 2012 code does; the paper's formula has it as it is",
            ),
            Mistake(
                "squares missing",
                lambda x, size, alpha, beta, k: x * (k + alpha * sums(x, size)) ** -beta,
                "the numbers are summed as they are; their squares should be",
            ),
            Mistake(
                "square of the sum",
                lambda x, size, alpha, beta, k: x * (k + alpha * sums(x, size) ** 2) ** -beta,
                "the sum is squared; the squares should be summed",
            ),
            Mistake("k missing", lambda x, size, alpha, beta, k: x * (alpha * sums(x * x, size)) ** -beta, "k is missing"),
            Mistake(
                "k inside alpha",
                lambda x, size, alpha, beta, k: x * (alpha * (k + sums(x * x, size))) ** -beta,
                "k is multiplied by alpha, too: it stands outside the brackets",
            ),
            Mistake("alpha missing", lambda x, size, alpha, beta, k: x * (k + sums(x * x, size)) ** -beta, "alpha is missing"),
            Mistake(
                "exponent's sign",
                lambda x, size, alpha, beta, k: x * (k + alpha * sums(x * x, size)) ** beta,
                "x is multiplied by d^beta; it should be divided by it",
            ),
            Mistake(
                "beta missing", lambda x, size, alpha, beta, k: x / (k + alpha * sums(x * x, size)), "the power beta is missing"
            ),
            Mistake(
                "only itself",
                lambda x, size, alpha, beta, k: x * (k + alpha * x * x) ** -beta,
                "each channel looks at itself only; its neighbours count, too",
            ),
            Mistake(
                "without itself",
                lambda x, size, alpha, beta, k: x * (k + alpha * (sums(x * x, size) - x * x)) ** -beta,
                "the channel itself is left out of its window",
            ),
            Mistake(
                "all channels",
                lambda x, size, alpha, beta, k: x * (k + alpha * (x * x).sum(axis=1, keepdims=True)) ** -beta,
                "the sum runs over all channels; only the window's count",
            ),
            Mistake(
                "over the pixels",
                lambda x, size, alpha, beta, k: x * (k + alpha * _around(x * x, size)) ** -beta,
                "the sum runs over neighbouring pixels of the same map; it should run over neighbouring maps at the same pixel",
            ),
            Mistake(
                "window one short",
                _over(_short),
                "the window ends one channel early: Python's ranges leave their end out",
            ),
            Mistake(
                "even windows one too wide",
                _over(_even_up),
                "for an even size the window is one channel too wide: it starts at i - size // 2 and is size channels long",
            ),
            Mistake(
                "even windows to the other side",
                _over(_even_other),
                "for an even size the window leans to the wrong side: it starts at i - size // 2",
            ),
            Mistake("window ahead", _over(_ahead), "the window starts at the channel itself; the channel stands in its middle"),
            Mistake(
                "negative start",
                _over(_wrap),
                "a window that starts before channel 0 has a negative index, which NumPy counts from the end: cut it at 0",
            ),
        ),
    )
)

register(
    Exercise(
        name="lrn_backward",
        lesson="06",
        right=lrn_backward,
        returns=("dx",),
        trials=(
            Trial(
                replace(LOCAL_RESPONSE_NORM, cases=normalisations(), properties=NUMBERS, facts=()),
                lambda f: lrn_with(backward=f),
            ),
        ),
        reward="Both terms, the right way round. A well-known library had the second one wrong, and its check saw nothing.",
        then="See why: run a gradient check at alpha = 1e-4.",
        lights=("lrn",),
        mistakes=(
            Mistake(
                "forward again",
                lambda dy, x, size, alpha, beta, k: lrn_forward(dy, size, alpha, beta, k),
                "dy is normalised as if it were x",
            ),
            Mistake(
                "x_i twice",
                _second_term(lambda dy, x, d, over, beta: x * over(dy * d ** (-beta - 1))),
                "x_i stands twice in the second term; one of the two belongs inside the sum, and is x_m",
            ),
            Mistake(
                "dy of the wrong channel",
                _second_term(lambda dy, x, d, over, beta: dy * over(x * d ** (-beta - 1))),
                "dy_i stands where dy_m is meant: each output's own dy belongs inside the sum",
            ),
        ),
        planted=(Planted(lrn_mutants.LOCAL_RESPONSE_NORM, planted_lrn),),
    )
)
