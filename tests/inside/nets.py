"""Nets for the tests of minialex.inside: small, in float64, on two virtual devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minialex.arrays import Array
from minialex.devices import parse_devices
from minialex.initial import HE, initialise
from minialex.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from minialex.layers.fast import Blocked, Sequential
from minialex.net import Net
from minialex.nets import small_towers
from minialex.towers import Broadcast, Towers

SHAPE = (3, 9, 8)


def towers(seed: int = 0, **options: object) -> Net:
    """Two towers for images (3, 9, 8), five classes."""
    made = {"input_shape": SHAPE, "maps": 3, "hidden": 6, "dtype": np.float64} | options
    net = small_towers(parse_devices("cpu,cpu"), 5, seed, **made)
    rng = np.random.default_rng(seed)
    biases = {name: 0.1 * rng.normal(size=w.shape) for name, w in net.state_dict().items() if name.endswith("bias")}
    net.load_state_dict(net.state_dict() | biases)
    return net


def cut_up(seed: int = 0) -> Net:
    """One tower with a stretch that Blocked takes a few images at a time."""
    dtype = np.float64
    stretch = Blocked(conv1=Conv2d(3, 4, 3, dtype=dtype), relu1=ReLU(), pool1=MaxPool2d(2), conv2=Conv2d(4, 2, 2, dtype=dtype))
    rest = Sequential(flatten=Flatten(), fc3=Linear(2 * 2 * 2, 5, dtype=dtype))
    stages = Broadcast(), Towers(stretch), Towers(rest)
    return initialise(Net(parse_devices("cpu"), *stages, input_shape=SHAPE, num_classes=5, dtype=dtype), seed, HE)


def linear(seed: int = 0, classes: int = 3) -> Net:
    """logits = W x + b for images (3, 9, 8)."""
    features = int(np.prod(SHAPE))
    tower = Sequential(flatten=Flatten(), fc1=Linear(features, classes, dtype=np.float64))
    net = Net(parse_devices("cpu"), Broadcast(), Towers(tower), input_shape=SHAPE, num_classes=classes, dtype=np.float64)
    net = initialise(net, seed, HE)
    bias = np.random.default_rng(seed).normal(size=classes)
    net.load_state_dict(net.state_dict() | {"fc1.bias": bias})
    return net


def images(n: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, *SHAPE))


@contextmanager
def blocks_of_one() -> Iterator[None]:
    """Every Blocked stretch takes one image at a time, as it does with large ones."""
    before = Blocked.block_bytes
    Blocked.block_bytes = {"numpy": 1}
    try:
        yield
    finally:
        Blocked.block_bytes = before
