"""Layers one after another; where a ReLU stands behind a layer with a bias, the two are joined (biased.py)."""

from __future__ import annotations

from itertools import pairwise

from minialex.arrays import Array
from minialex.layers import sequential
from minialex.layers.base import Layer
from minialex.layers.fast.biased import Biased, Joint, ReLU


class Sequential(sequential.Sequential):
    """The plain Sequential, which on a GPU has bias and ReLU done in one pass."""

    def __init__(self, *layers: Layer, **named: Layer) -> None:
        super().__init__(*layers, **named)
        self.joints = []
        for layer, behind in pairwise(self.layers):
            if isinstance(layer, Biased) and isinstance(behind, ReLU):
                layer.joint = behind.joint = Joint()
                self.joints.append(layer.joint)

    def forward(self, x: Array, train: bool = True) -> Array:
        for joint in self.joints:
            joint.closed = True
        try:
            return super().forward(x, train)
        finally:
            for joint in self.joints:
                joint.closed = False
