r"""The fully connected layer and its backward pass (paper, section 3.5).

    y = x Wᵀ + b         y[n, o]  = sum_d x[n, d] W[o, d] + b[o]
    dW = dyᵀ x           dW[o, d] = sum_n dy[n, o] x[n, d]
    db = sum_n dy[n]
    dx = dy W            dx[n, d] = sum_o dy[n, o] W[o, d]

Each line follows from the first by asking how often, and with what factor, a number appears in y.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty
from minialex.layers.base import Layer
from minialex.layers.parameters import constant, gaussian


class Linear(Layer):
    """x (N, in_features) -> y (N, out_features).

    params: weight (out_features, in_features), drawn from N(0, std²); bias (out_features,).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        std: float = 0.01,
        bias: float = 0.0,
        dtype: Any = np.float32,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        if min(in_features, out_features) < 1:
            raise ValueError(f"Linear: needs at least one feature on each side, got {in_features} -> {out_features}")
        self.in_features, self.out_features = in_features, out_features
        self.params["weight"] = gaussian((out_features, in_features), std, dtype, rng)
        self.params["bias"] = constant(out_features, bias, dtype)

    def forward(self, x: Array, train: bool = True) -> Array:
        self._saved = self._check_input(x)
        y = empty(x, self.output_shape(x.shape))
        array_module(x).matmul(x, self.params["weight"].astype(x.dtype, copy=False).T, out=y)
        self._add_bias(y)
        return y

    def remember(self, x: Array, y: Array | None = None) -> None:
        self._saved = self._check_input(x)

    def backward(self, dy: Array) -> Array:
        x = self._recall()
        self._check_upstream(dy, self.output_shape(x.shape))
        W = self.params["weight"]
        self.grads["weight"] = (dy.T @ x).astype(W.dtype, copy=False)
        self.grads["bias"] = self._bias_gradient(dy).astype(W.dtype, copy=False)
        return dy @ W.astype(x.dtype, copy=False)

    def _add_bias(self, y: Array) -> None:
        y += self.params["bias"].astype(y.dtype, copy=False)

    def _bias_gradient(self, dy: Array) -> Array:
        return dy.sum(axis=0)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2 or shape[1] != self.in_features:
            raise ValueError(f"{self!r}: expected an input of shape (N, {self.in_features}), got {shape}")
        return shape[0], self.out_features

    def multiply_adds(self, shape: Shape) -> int:
        return shape[0] * self.in_features * self.out_features

    def __repr__(self) -> str:
        return f"Linear({self.in_features} -> {self.out_features})"
