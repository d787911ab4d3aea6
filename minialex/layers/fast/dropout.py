"""Dropout whose mask is never in memory, where there is a GPU: the kernel draws it, in backward once more from the same key.

It is the mask that a CPU draws (layers/dropout.py), so a run goes on elsewhere as it would have here. Bias, ReLU and mask may
come in one kernel (biased.py): then this layer has nothing left to do.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from minialex.arrays import Array, Shape
from minialex.layers import cuda, dropout
from minialex.layers.fast.biased import Joint


class Draws(NamedTuple):
    """Where the numbers of the last mask come from: key and counter for each slice. joined: whether the ReLU's y has them."""

    slices: list[dict[str, int]]
    shape: Shape
    joined: bool


class Dropout(dropout.Dropout):
    """The plain Dropout, as above on a GPU."""

    joint: Joint | None = None

    def forward(self, x: Array, train: bool = True) -> Array:
        if not (train and cuda.fits(x)):
            return super().forward(x, train)
        self._check_input(x)
        if self.joint is not None and self.joint.masked is x:
            self.joint.masked = None
            return x
        return cuda.dropout(x, self.p, self._draw(x.shape, joined=False))

    def with_bias_and_relu(self, Y: Array, bias: Array) -> Array:
        """Y (N, D) becomes m max(0, Y + bias), in place, m the mask of this pass; backward is told. Returns Y."""
        return cuda.bias_relu_dropout(Y, bias, self.p, self._draw(Y.shape, joined=True))

    def backward(self, dy: Array) -> Array:
        saved = self._recall()
        if not isinstance(saved, Draws):
            return super().backward(dy)
        self._check_upstream(dy, saved.shape)
        if saved.joined and self.joint is not None and self.joint.closed:
            return dy  # the ReLU's [y > 0] says both: that a neuron was kept, and that it was open
        return cuda.dropout(dy, self.p, saved.slices)

    def _draw(self, shape: Shape, joined: bool) -> list[dict[str, int]]:
        """The draws of a new mask for an x of this shape, which backward will use."""
        generators = self._keyed(shape[1] if len(shape) > 1 else 1)
        numbers = prod(shape) // len(generators)
        self._saved = Draws([cuda.mask_numbers(philox, numbers) for philox in generators], shape, joined)
        return self._saved.slices
