"""The fully connected layer with its bias, and a ReLU behind it, in one kernel, where there is a GPU (biased.py)."""

from __future__ import annotations

from minialex.layers import linear
from minialex.layers.fast.biased import Biased


class Linear(Biased, linear.Linear):
    """The plain Linear; on a GPU the bias is added by a kernel."""
