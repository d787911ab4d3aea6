"""The fully connected layer, for weights that are much larger than the batch; on a GPU a kernel adds the bias (biased.py).

Before BLAS multiplies it copies both factors into an order of its own, and W costs more there the way it is read in x Wᵀ than
the way it is read in W xᵀ. So the latter is computed, and turned round afterwards.

dW is made in the memory of the last one. fc6's dW has as many bytes as all that conv1 keeps of a batch: two of them at once
would be the fullest moment of a step, and to clear its pages anew would take a fifth of the product's time. Whoever still
holds the last dW keeps it as it is (lent.py).

Where a net has come down to one tower, whoever owns idle cores lends them: outputs, weights' gradients and inputs' gradients
each fall into two halves. They are two on any number of cores, so that the result is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.layers import linear
from minialex.layers.fast.biased import Biased
from minialex.layers.fast.workspace import room
from minialex.lent import Memory


class Linear(Biased, linear.Linear):
    """The plain Linear, as above. side_by_side: like map(), on several cores; None where there are no idle ones."""

    side_by_side: Callable[..., Any] | None = None
    _memory: Memory | None = None

    def forward(self, x: Array, train: bool = True) -> Array:
        W = self.params["weight"]
        if type(x) is not np.ndarray or x.dtype != W.dtype:
            return super().forward(x, train)
        self._saved = self._check_input(x)
        y = np.empty(self.output_shape(x.shape), x.dtype)

        def outputs(o: slice) -> None:
            if len(W) > len(x):
                y[:, o] = np.matmul(W[o], x.T, out=room(x, (len(W[o]), len(x)), "turned")).T
            else:
                np.matmul(x, W[o].T, out=y[:, o])

        self._halves(outputs, self.out_features)
        self._add_bias(y)
        return y

    def backward(self, dy: Array) -> Array:
        x, W = self._recall(), self.params["weight"]
        self._check_upstream(dy, self.output_shape(x.shape))
        self.grads.pop("weight", None)  # its memory is free for the next, if nobody else has it
        if type(x) is not np.ndarray or not x.dtype == dy.dtype == W.dtype:
            return super().backward(dy)
        if self._memory is None or self._memory.dtype != W.dtype:
            self._memory = Memory(W.size, W.dtype)
        dW, dx = self._memory.lend(W.shape), np.empty_like(x, order="C")
        self._halves(lambda o: np.matmul(dy[:, o].T, x, out=dW[o]), self.out_features)
        self._halves(lambda d: np.matmul(dy, W[:, d], out=dx[:, d]), self.in_features)
        self.grads["weight"], self.grads["bias"] = dW, self._bias_gradient(dy)
        return dx

    def _halves(self, work: Callable[[slice], Any], size: int) -> None:
        if self.side_by_side is None:
            work(slice(0, size))
        else:
            list(self.side_by_side(work, [slice(0, size // 2), slice(size // 2, size)]))
