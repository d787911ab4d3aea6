r"""From maps to a vector: (N, C, H, W) -> (N, C H W), and back.

The order is the logical one, channel by channel, whatever the memory is: column (c H + h) W + w is pixel (h, w) of map c.
Every number keeps its value and only changes its place, so backward puts each gradient back where its number came from.
"""

from __future__ import annotations

from math import prod

from minialex.arrays import Array, Shape
from minialex.layers.base import Layer


class Flatten(Layer):
    """x (N, ...) -> y (N, product of the rest)."""

    def forward(self, x: Array, train: bool = True) -> Array:
        self._saved = self._check_input(x).shape
        return x.reshape(self.output_shape(x.shape))

    def backward(self, dy: Array) -> Array:
        shape = self._recall()
        return self._check_upstream(dy, self.output_shape(shape)).reshape(shape)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 1:
            raise ValueError(f"{self!r}: expected a batch of shape (N, ...), got {shape}")
        return shape[0], prod(shape[1:])
