"""Layers one after another; a layer with a bias, a ReLU behind it and a Dropout behind that are joined (biased.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise, zip_longest

from minialex.arrays import Array
from minialex.layers import linear, sequential
from minialex.layers.base import Layer
from minialex.layers.fast.biased import Biased, Joint, ReLU
from minialex.layers.fast.dropout import Dropout


class Sequential(sequential.Sequential):
    """The plain Sequential, which on a GPU has bias and ReLU, and in training dropout, done in one pass."""

    def __init__(self, *layers: Layer, **named: Layer) -> None:
        super().__init__(*layers, **named)
        self.joints = []
        for (layer, relu), behind in zip_longest(pairwise(self.layers), self.layers[2:]):
            if isinstance(layer, Biased) and isinstance(relu, ReLU):
                layer.joint = relu.joint = joint = Joint()
                if isinstance(layer, linear.Linear) and isinstance(behind, Dropout):
                    behind.joint, joint.drop = joint, behind.with_bias_and_relu
                self.joints.append(joint)

    def forward(self, x: Array, train: bool = True) -> Array:
        with self._joined():
            return super().forward(x, train)

    def backward(self, dy: Array) -> Array:
        with self._joined():
            return super().backward(dy)

    @contextmanager
    def _joined(self) -> Iterator[None]:
        """Inside, the joints hold."""
        joints = self.joints
        try:
            for joint in joints:
                joint.closed = True
            yield
        finally:
            for joint in joints:
                joint.closed = False
