"""Lesson 05: overlapping max-pooling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from lessons.check.cases import poolings
from lessons.check.ex_01 import FORWARD
from lessons.check.exercise import Exercise, Function, Mistake, Planted, Trial, register
from minialex import layers
from minialex.arrays import Array
from tests.checks.every_layer import NUMBERS
from tests.checks.pool import MAX_POOL2D, a_tie_goes_to_the_first
from tests.mutants import pool as pool_mutants

Pair = tuple[int, int]


def places(x: Array, kernel: Pair, stride: Pair) -> Any:
    """(i, j, the window there) for every window, row by row."""
    (kH, kW), (sH, sW) = kernel, stride
    for i in range((x.shape[2] - kH) // sH + 1):
        for j in range((x.shape[3] - kW) // sW + 1):
            yield i, j, x[:, :, i * sH : i * sH + kH, j * sW : j * sW + kW]


def pooled(x: Array, kernel: Pair, stride: Pair, reduce: Callable[[Array], Array]) -> Array:
    """Every window (N, C, kH, kW), reduced to (N, C)."""
    H, W = ((size - k) // s + 1 for size, k, s in zip(x.shape[2:], kernel, stride, strict=True))
    y = np.empty((*x.shape[:2], H, W), x.dtype)
    for i, j, window in places(x, kernel, stride):
        y[:, :, i, j] = reduce(window)
    return y


def maxpool_forward(x: Array, kernel: Pair, stride: Pair) -> Array:
    """The largest number of each window."""
    return pooled(x, kernel, stride, lambda window: window.max(axis=(2, 3)))


def maxpool_backward(dy: Array, x: Array, kernel: Pair, stride: Pair) -> Array:
    """Each window's gradient goes to its winner, the first in row-major order; a pixel may win several times."""
    dx, n, c = np.zeros_like(x), *np.indices(x.shape[:2])
    for i, j, window in places(x, kernel, stride):
        u, v = np.unravel_index(window.reshape(*x.shape[:2], -1).argmax(axis=2), kernel)
        np.add.at(dx, (n, c, i * stride[0] + u, j * stride[1] + v), dy[:, :, i, j])
    return dx


def pool_with(forward: Function | None = None, backward: Function | None = None) -> Any:
    """minialex's MaxPool2d with a learner's functions in it, which see an image that is padded already, with -infinity."""

    class YourMaxPool2d(layers.MaxPool2d):
        def forward(self, x: Array, train: bool = True) -> Array:
            y = super().forward(x, train)
            self._input = x
            if forward is None:
                return y
            made: Array = forward(self._padded(), self.kernel_size, self.stride)
            return made

        def backward(self, dy: Array) -> Array:
            if backward is None:
                return super().backward(dy)
            (top, _, left, _), (H, W) = self.padding, self._input.shape[2:]
            dx: Array = backward(dy, self._padded(), self.kernel_size, self.stride)
            return dx[:, :, top : top + H, left : left + W]

        def _padded(self) -> Array:
            top, bottom, left, right = self.padding
            if not any(self.padding):
                return self._input
            return np.pad(self._input, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=-np.inf)

    return YourMaxPool2d


def planted_pool(fresh: ModuleType) -> Function:
    """maxpool_backward, as a mutant of MaxPool2d computes it."""

    def backward(dy: Array, x: Array, kernel: Pair, stride: Pair) -> Array:
        layer = fresh.MaxPool2d(kernel, stride)
        layer.forward(x)
        dx: Array = layer.backward(dy)
        return dx

    return backward


def _starting(step: Callable[[Pair, Pair], Pair]) -> Function:
    """Max-pooling whose windows start at other places, as far as the image goes."""

    def forward(x: Array, kernel: Pair, stride: Pair) -> Array:
        y = maxpool_forward(x, kernel, stride)
        sH, sW = step(kernel, stride)
        for i, j in np.ndindex(*y.shape[2:]):
            top, left = min(i * sH, x.shape[2] - kernel[0]), min(j * sW, x.shape[3] - kernel[1])
            y[:, :, i, j] = x[:, :, top : top + kernel[0], left : left + kernel[1]].max(axis=(2, 3))
        return y

    return forward


def maxpool_backward_flipped(dy: Array, x: Array, kernel: Pair, stride: Pair) -> Array:
    """As maxpool_backward, but the last of those that tie gets the gradient."""
    dx, n, c = np.zeros_like(x), *np.indices(x.shape[:2])
    for i, j, window in places(x, kernel, stride):
        last = kernel[0] * kernel[1] - 1 - window.reshape(*x.shape[:2], -1)[:, :, ::-1].argmax(axis=2)
        u, v = np.unravel_index(last, kernel)
        np.add.at(dx, (n, c, i * stride[0] + u, j * stride[1] + v), dy[:, :, i, j])
    return dx


def _shared_ties(dy: Array, x: Array, kernel: Pair, stride: Pair) -> Array:
    dx = np.zeros_like(x)
    for i, j, window in places(x, kernel, stride):
        won = window == window.max(axis=(2, 3), keepdims=True)
        share = won / won.sum(axis=(2, 3), keepdims=True) * dy[:, :, i, j][:, :, None, None]
        dx[:, :, i * stride[0] : i * stride[0] + kernel[0], j * stride[1] : j * stride[1] + kernel[1]] += share
    return dx


def _overwritten(dy: Array, x: Array, kernel: Pair, stride: Pair) -> Array:
    """A whole window is assigned, so that a later one also wipes out what its neighbours had left."""
    dx = np.zeros_like(x)
    for i, j, window in places(x, kernel, stride):
        won = window == window.max(axis=(2, 3), keepdims=True)
        dx[:, :, i * stride[0] : i * stride[0] + kernel[0], j * stride[1] : j * stride[1] + kernel[1]] = (
            won * dy[:, :, i, j][:, :, None, None]
        )
    return dx


def _at_winners(gradient: Callable[[Array, Array], Array], width: int = 1) -> Function:
    """At each window's winner `gradient` makes the new number of the old one and dy; a row is kernel[width] numbers long."""

    def backward(dy: Array, x: Array, kernel: Pair, stride: Pair) -> Array:
        dx, n, c = np.zeros_like(x), *np.indices(x.shape[:2])
        for i, j, window in places(x, kernel, stride):
            u, v = np.divmod(window.reshape(*x.shape[:2], -1).argmax(axis=2), kernel[width])
            at = n, c, i * stride[0] + u, j * stride[1] + v
            dx[at] = gradient(dx[at], dy[:, :, i, j])
        return dx

    return backward


def _scattered(dy: Array, x: Array, kernel: Pair, stride: Pair) -> Array:
    """The winner's place inside the window is taken for its place in the image."""
    dx, n, c = np.zeros_like(x), *np.indices(x.shape[:2])
    for i, j, window in places(x, kernel, stride):
        u, v = np.unravel_index(window.reshape(*x.shape[:2], -1).argmax(axis=2), kernel)
        np.add.at(dx, (n, c, u, v), dy[:, :, i, j])
    return dx


SIZES = "The output has (H - kH) // sH + 1 rows and (W - kW) // sW + 1 columns."

register(
    Exercise(
        name="maxpool_forward",
        lesson="05",
        right=maxpool_forward,
        returns=("y",),
        trials=(Trial(replace(MAX_POOL2D, cases=poolings(), properties=FORWARD, facts=()), lambda f: pool_with(forward=f)),),
        reward="With a kernel of 3 and a stride of 2, this is the paper's overlapping pooling.",
        then="Backwards: who gets the gradient?",
        lights=("pool",),
        shape_hint=SIZES,
        mistakes=(
            Mistake(
                "average",
                lambda x, kernel, stride: pooled(x, kernel, stride, lambda window: window.mean(axis=(2, 3))),
                "this is the average of each window, not its maximum",
            ),
            Mistake(
                "minimum",
                lambda x, kernel, stride: pooled(x, kernel, stride, lambda window: window.min(axis=(2, 3))),
                "this is the smallest number of each window",
            ),
            Mistake(
                "absolute value",
                lambda x, kernel, stride: pooled(x, kernel, stride, lambda window: np.abs(window).max(axis=(2, 3))),
                "the largest absolute value is taken; -5 is smaller than 1",
            ),
            Mistake(
                "starts from 0",
                lambda x, kernel, stride: np.maximum(maxpool_forward(x, kernel, stride), 0),
                "the search starts from 0, which wins over negative pixels: start from the first pixel, or from -infinity",
            ),
            Mistake(
                "first pixel",
                lambda x, kernel, stride: pooled(x, kernel, stride, lambda window: window[:, :, 0, 0]),
                "this is the first pixel of each window, not the largest",
            ),
            Mistake(
                "over all channels",
                lambda x, kernel, stride: maxpool_forward(
                    np.broadcast_to(x.max(axis=1, keepdims=True), x.shape), kernel, stride
                ),
                "the maximum runs over the channels, too; each channel is pooled by itself",
            ),
            Mistake(
                "stride forgotten",
                _starting(lambda kernel, stride: (1, 1)),
                "the stride is forgotten: windows start one pixel apart",
            ),
            Mistake(
                "windows meet",
                _starting(lambda kernel, stride: kernel),
                "windows start a kernel's size apart, so that they do not overlap; the stride says how far",
            ),
            Mistake(
                "stride's height and width swapped",
                lambda x, kernel, stride: maxpool_forward(x, kernel, stride[::-1]),
                "the stride's height and width are swapped",
            ),
            Mistake(
                "kernel's height and width swapped",
                lambda x, kernel, stride: maxpool_forward(x, kernel[::-1], stride),
                "the kernel's height and width are swapped",
            ),
        ),
    )
)

register(
    Exercise(
        name="maxpool_backward",
        lesson="05",
        right=maxpool_backward,
        returns=("dx",),
        trials=(
            Trial(
                replace(MAX_POOL2D, cases=poolings(), properties=NUMBERS, facts=(a_tie_goes_to_the_first,)),
                lambda f: pool_with(backward=f),
            ),
        ),
        reward="Winners collect, losers get nothing, and where windows overlap a pixel may win twice.",
        then="Ties, and why a gradient check cannot tell you who should win them.",
        lights=("pool",),
        mistakes=(
            Mistake(
                "windows assigned",
                _overwritten,
                "a later window wipes out what an earlier one left in the pixels they share: = where += is meant",
            ),
            Mistake(
                "winners assigned",
                _at_winners(lambda old, dy: dy),
                "a pixel that wins several times keeps only its last gradient: = where += is meant, or a += with index arrays, "
                "which writes each place only once (np.add.at adds)",
            ),
            Mistake(
                "dy not used",
                _at_winners(lambda old, dy: old + 1),
                "each winner gets 1; it should get its window's dy",
            ),
            Mistake(
                "width of the window",
                _at_winners(lambda old, dy: old + dy, width=0),
                "the winner's row and column are found with the window's height; a row has kW numbers: divmod(winner, kW)",
            ),
            Mistake(
                "ties shared", _shared_ties, "pixels that tie share the gradient; here the first in the window gets all of it"
            ),
            Mistake(
                "ties given to the last",
                maxpool_backward_flipped,
                "of the pixels that tie the last gets the gradient, not the first",
            ),
            Mistake(
                "place in the window",
                _scattered,
                "the winner's place in its window is taken for that in the image: add where the window starts, i sH and j sW",
            ),
        ),
        planted=(Planted(pool_mutants.MAX_POOL2D, planted_pool),),
    )
)
