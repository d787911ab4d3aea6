"""The fully connected layer, which makes dW in the memory of the last one; on a GPU a kernel adds the bias (biased.py).

fc6's dW has as many bytes as all that conv1 keeps of a batch: two of them at once would be the fullest moment of a step, and to
clear its pages anew would take a fifth of the product's time. Whoever still holds the last dW keeps it as it is (lent.py).
"""

from __future__ import annotations

import numpy as np

from minialex.arrays import Array
from minialex.layers import linear
from minialex.layers.fast.biased import Biased
from minialex.lent import Memory


class Linear(Biased, linear.Linear):
    """The plain Linear, as above."""

    _memory: Memory | None = None

    def backward(self, dy: Array) -> Array:
        x, W = self._recall(), self.params["weight"]
        self._check_upstream(dy, self.output_shape(x.shape))
        self.grads.pop("weight", None)  # its memory is free for the next, if nobody else has it
        if type(x) is not np.ndarray or not x.dtype == dy.dtype == W.dtype:
            return super().backward(dy)
        if self._memory is None or self._memory.dtype != W.dtype:
            self._memory = Memory(W.size, W.dtype)
        self.grads["weight"] = np.matmul(dy.T, x, out=self._memory.lend(W.shape))
        self.grads["bias"] = self._bias_gradient(dy)
        return dy @ W
