"""The fully connected layer, which lets go of one dW before it makes the next; on a GPU a kernel adds the bias (biased.py).

fc6's dW has as many bytes as all that conv1 keeps of a batch: two of them at once would be the fullest moment of a step.
"""

from __future__ import annotations

from minialex.arrays import Array
from minialex.layers import linear
from minialex.layers.fast.biased import Biased


class Linear(Biased, linear.Linear):
    """The plain Linear, as above."""

    def backward(self, dy: Array) -> Array:
        self._check_upstream(dy, self.output_shape(self._recall().shape))
        self.grads.pop("weight", None)
        return super().backward(dy)
