r"""The three neurons that the paper compares (section 3.1, figure 1), and their backward passes.

    ReLU      y = max(0, x)          dx = dy [y > 0]            never saturates for x > 0
    tanh      y = tanh x             dx = dy (1 - y²)           saturates on both sides: the gradient dies there
    sigmoid   y = 1 / (1 + e^-x)     dx = dy y (1 - y)

Each derivative follows from y alone, so y is all that forward keeps. At its kink, x = 0, ReLU's derivative is taken as 0.
"""

from __future__ import annotations

from minialex.arrays import Array, array_module
from minialex.layers.base import Layer


class ReLU(Layer):
    """max(0, x), element by element, for any shape; nan stays nan."""

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        self._saved = y = array_module(x).maximum(x, 0)
        return y

    def backward(self, dy: Array) -> Array:
        y = self._recall()
        return self._check_upstream(dy, y.shape) * (y > 0)


class Tanh(Layer):
    """tanh x, element by element, for any shape."""

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        self._saved = y = array_module(x).tanh(x)
        return y

    def backward(self, dy: Array) -> Array:
        y = self._recall()
        return self._check_upstream(dy, y.shape) * (1 - y * y)


class Sigmoid(Layer):
    """1 / (1 + e^-x), element by element, for any shape; as (1 + tanh(x/2)) / 2 it cannot overflow."""

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        self._saved = y = 0.5 * (1 + array_module(x).tanh(0.5 * x))
        return y

    def backward(self, dy: Array) -> Array:
        y = self._recall()
        return self._check_upstream(dy, y.shape) * (y * (1 - y))
