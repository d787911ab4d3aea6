"""How learning starts (paper, section 5): where each weight and bias stands before the first step.

The paper draws every weight from N(0, 0.01²) and sets the biases of conv2, conv4, conv5 and the hidden fully connected
layers to 1, the others to 0, so that the ReLUs there see positive inputs at first. The 2012 code differs in conv3 to conv5.
Every array is drawn from its own named generator: the same seed gives the same start, whatever the devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from minialex.arrays import Array, channels_last
from minialex.layers import Dropout
from minialex.layers.parameters import gaussian
from minialex.net import Net
from minialex.seeds import generator

_ONES = frozenset({"conv2", "conv4", "conv5", "conv6", "fc6", "fc7"})


@dataclass(frozen=True)
class Initial:
    """std: of all weights (None: He et al. 2015, sqrt(2 / fan_in)), but for the layers named in `stds`; `ones`: biases at 1."""

    std: float | None = 0.01
    stds: Mapping[str, float] = field(default_factory=dict)
    ones: frozenset[str] = frozenset()


PAPER = Initial(std=0.01, ones=_ONES)
CODE_2012 = Initial(std=0.01, stds={"conv3": 0.03, "conv4": 0.03, "conv5": 0.03, "conv6": 0.03}, ones=_ONES)
CIFAR10 = Initial(std=0.01, stds={"conv1": 0.0001})
HE = Initial(std=None)
INITIALS = {"paper": PAPER, "code2012": CODE_2012, "cifar10": CIFAR10, "he": HE}


def initialise(net: Net, seed: int, initial: Initial, slices: Mapping[str, int] | None = None) -> Net:
    """Draw every parameter of the net anew and give every Dropout its own generator; returns the net.

    `slices` says for which layers of a one-device net the output channels are drawn in so many slices, each from the
    generator that the tower of a two-tower net would have.
    """
    for name, device, layer in net.layers():
        base = name.split(".")[0]
        parts = (slices or {}).get(base, 0)
        sources = [f"{base}.{t}" for t in range(parts)] if parts else [name]
        if isinstance(layer, Dropout):
            layer.rngs = [generator(seed, source) for source in sources]
        if "weight" in layer.params:
            weight, bias = layer.params["weight"], layer.params["bias"]
            std = initial.stds.get(base, initial.std)
            std = sqrt(2 / np.prod(weight.shape[1:])) if std is None else std
            layer.params["weight"] = device.put(_drawn(weight, std, seed, sources))
            layer.params["bias"] = device.put(np.full(bias.shape, float(base in initial.ones), bias.dtype))
    return net


def _drawn(weight: Array, std: float, seed: int, sources: list[str]) -> Array:
    out, *rest = weight.shape
    part = (out // len(sources), *rest)
    return channels_last(np.concatenate([gaussian(part, std, weight.dtype, generator(seed, f"{s}.weight")) for s in sources]))
