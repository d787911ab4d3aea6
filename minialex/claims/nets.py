"""The nets of the claims, beside those of nets.py: for small images of any size, with a switch for each thing that is claimed.

`small_alexnet` is figure 2 in small: five convolutions, two towers that meet at conv3 and at the full layers, dropout; every
claim about the big net changes one thing in it. `four_layers` is nets.py's `cifar10_net` for any size of image.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from math import prod
from typing import Any

import numpy as np

from minialex.initial import CIFAR10, HE, initialise
from minialex.layers import Flatten, Layer
from minialex.layers.fast import AvgPool2d, Conv2d, Dropout, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sequential
from minialex.net import Net
from minialex.nets import NEURONS, Devices, one, two, two_places
from minialex.towers import Broadcast, Exchange, Gather, Stage, Towers

Shape3 = tuple[int, int, int]
POOLS = {"overlapping": (3, 2), "side by side": (2, 2)}  # section 3.4: z and s


def small_alexnet(
    devices: Devices,
    num_classes: int = 10,
    seed: int = 0,
    *,
    input_shape: Shape3 = (3, 32, 32),
    maps: tuple[int, int, int, int, int] = (12, 24, 36, 36, 24),
    hidden: int = 192,
    dropout: float = 0.5,
    norm: bool = True,
    pool: str = "overlapping",
    without: Collection[str] = (),
    exchange3: bool = True,
    sixth: bool = False,
    towers: int = 2,
    dtype: Any = np.float32,
) -> Net:
    """AlexNet in small, for images of 8 x 8 pixels or more: the big net's column, with `maps` kernels in each tower.

    maps, hidden: of each tower. towers=1: the net of footnote b, on one device: one tower's kernels in conv1 to conv4, but
    conv5 and the hidden layers with the full number. without: names of convolutions to leave out, of conv3, conv4, conv5.
    exchange3=False: conv3 sees its own tower's maps only. sixth: one more convolution, over pool5 of both towers (section 6's
    CNN*). dropout 0: none.
    """
    if pool not in POOLS:
        raise ValueError(f"pool must be one of {', '.join(POOLS)}, got {pool!r}")
    if towers not in (1, 2) or not set(without) <= {"conv3", "conv4", "conv5"}:
        raise ValueError(f"small_alexnet: towers must be 1 or 2, without among conv3..conv5; got {towers}, {without}")
    kernel, stride = POOLS[pool]
    conv, linear = partial(Conv2d, std=0, dtype=dtype), partial(Linear, std=0, dtype=dtype)
    pooled = partial(MaxPool2d, kernel, stride=stride, ceil_mode=True)
    alone = towers == 1
    C, H, W = input_shape
    m1, m2, m3, m4, m5 = maps
    m5, neurons = (2 * m5, 2 * hidden) if alone else (m5, hidden)
    seen3 = m2 if alone or not exchange3 else 2 * m2

    def conv1_to_pool2() -> Sequential:
        layers: dict[str, Layer] = {}
        for number, (before, after) in enumerate(((C, m1), (m1, m2)), start=1):
            layers[f"conv{number}"] = conv(before, after, 5, padding=2)
            layers[f"relu{number}"] = ReLU()
            if norm:
                layers[f"norm{number}"] = LocalResponseNorm(alpha=0.001, k=1.0, alpha_over_size=True)
            layers[f"pool{number}"] = pooled()
        return Sequential(**layers)

    def conv3_to_pool5() -> Sequential:
        layers: dict[str, Layer] = {}
        before = seen3
        for number, after in ((3, m3), (4, m4), (5, m5)):
            if f"conv{number}" not in without:
                layers[f"conv{number}"] = conv(before, after, 3, padding=1)
                layers[f"relu{number}"] = ReLU()
                before = after
        return Sequential(**layers, pool5=pooled(), **({} if sixth else {"flatten": Flatten()}))

    def conv6() -> Sequential:
        return Sequential(conv6=conv(towers * m5, m5, 3, padding=1), relu6c=ReLU(), flatten=Flatten())

    def full(number: int, features: int) -> Sequential:
        drop: dict[str, Layer] = {f"dropout{number}": Dropout(dropout)} if dropout else {}
        return Sequential(**{f"fc{number}": linear(features, neurons), f"relu{number}": ReLU(), **drop})

    _, _, h, w = conv1_to_pool2().output_shape((1, C, H, W))
    features = prod(conv3_to_pool5().output_shape((1, seen3, h, w))[1:])
    towered: Callable[[Callable[[], Layer]], Stage] = (lambda make: Towers(make())) if alone else two
    crossing: dict[str, list[Stage]] = {
        "conv3": [Exchange("conv3")] if exchange3 else [],
        "conv6": [Exchange("conv6")],
        "fc6": [Exchange("fc6")],
        "fc7": [Exchange("fc7")],
        "fc8": [Gather(0, "fc8")],
    }
    if alone:
        crossing = {layer: [] for layer in crossing}
    net = Net(
        devices[:1] if alone else two_places(devices),
        Broadcast(),
        towered(conv1_to_pool2),
        *crossing["conv3"],
        towered(conv3_to_pool5),
        *([*crossing["conv6"], towered(conv6)] if sixth else []),
        *crossing["fc6"],
        towered(lambda: full(6, towers * features)),
        *crossing["fc7"],
        towered(lambda: full(7, towers * neurons)),
        *crossing["fc8"],
        one(fc8=linear(towers * neurons, num_classes)),
        input_shape=input_shape,
        num_classes=num_classes,
        dtype=dtype,
    )
    return initialise(net, seed, HE)


def four_layers(
    devices: Devices,
    num_classes: int = 10,
    seed: int = 0,
    *,
    input_shape: Shape3 = (3, 32, 32),
    activation: str = "relu",
    norm: bool = False,
    dtype: Any = np.float32,
) -> Net:
    """nets.py's cifar10_net for images of any size: three convolutions and one full layer, on one device."""
    if activation not in NEURONS:
        raise ValueError(f"activation must be one of {', '.join(NEURONS)}, got {activation!r}")
    neuron = NEURONS[activation]
    conv = partial(Conv2d, std=0, dtype=dtype)

    def normalised(number: int) -> dict[str, Layer]:
        return {f"norm{number}": LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0, alpha_over_size=True)} if norm else {}

    column = Sequential(
        conv1=conv(input_shape[0], 32, 5, padding=2),
        pool1=MaxPool2d(3, stride=2, ceil_mode=True),
        relu1=neuron(),
        **normalised(1),
        conv2=conv(32, 32, 5, padding=2),
        relu2=neuron(),
        pool2=AvgPool2d(3, stride=2, ceil_mode=True),
        **normalised(2),
        conv3=conv(32, 64, 5, padding=2),
        relu3=neuron(),
        pool3=AvgPool2d(3, stride=2, ceil_mode=True),
        flatten=Flatten(),
    )
    features = prod(column.output_shape((1, *input_shape))[1:])
    net = Net(
        devices[:1],
        Broadcast(),
        Towers(column),
        one(fc4=Linear(features, num_classes, std=0, dtype=dtype)),
        input_shape=input_shape,
        num_classes=num_classes,
        dtype=dtype,
    )
    return initialise(net, seed, CIFAR10)


MAKERS: dict[str, Callable[..., Net]] = {"small_alexnet": small_alexnet, "four_layers": four_layers}
