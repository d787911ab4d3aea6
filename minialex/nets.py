"""The nets, each a page to be read from top to bottom.

`alexnet` is figure 2 of the paper: two columns of layers, each on its own device, that meet only where an Exchange or a
Gather stands. The others are the paper's comparisons, and smaller nets of the same make. Every net draws its parameters
from `seed` (initial.py) and takes `devices` from `parse_devices`: one for each tower, or one for both. The layers are the
fast twins of the plain ones (layers/fast/), under the same names; `Blocked` is a Sequential that takes a few images at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.devices import Device
from minialex.initial import CIFAR10, CODE_2012, HE, PAPER, Initial, initialise
from minialex.layers import Flatten, Layer, Tanh
from minialex.layers.fast import (
    AvgPool2d,
    Blocked,
    Conv2d,
    Dropout,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Sequential,
    SpatialResponseNorm,
    Split,
)
from minialex.net import Net
from minialex.towers import Broadcast, Exchange, Gather, Stage, Towers

Devices = tuple[Device, ...]
IMAGENET = (3, 224, 224)
NEURONS: dict[str, type[Layer]] = {"relu": ReLU, "tanh": Tanh}
TO_55 = (0, 3, 0, 3)  # the 2012 code read zeros past the last row and column, so that 224 pixels give 55 places, not 54


@dataclass(frozen=True)
class Preset:
    """Where the paper's text and the 2012 code differ: the start, alpha (divided by n?), the order after conv1, and whether
    a second normalisation, over places, stands before pool2."""

    initial: Initial
    alpha_over_size: bool = False
    norm_before_relu: bool = False
    spatial_norm: bool = False


PRESETS = {
    "paper": Preset(PAPER),
    "code2012": Preset(CODE_2012, alpha_over_size=True, norm_before_relu=True, spatial_norm=True),
}


def alexnet(
    devices: Devices,
    num_classes: int = 1000,
    seed: int = 0,
    *,
    preset: str = "paper",
    dropout: float = 0.5,
    dtype: Any = np.float32,
) -> Net:
    """The paper's net (section 3.5, figure 2): two towers, 60,965,224 parameters, for images (N, 3, 224, 224)."""
    make = Maker(preset, dropout, dtype)
    return make.net(
        two_places(devices),
        num_classes,
        seed,
        two(lambda: make.conv1_to_pool2(48, 128)),
        Exchange("conv3"),
        two(lambda: make.conv3_to_pool5(256, 192, 192, 128)),
        Exchange("fc6"),
        two(lambda: make.hidden(6, 9216, 2048)),
        Exchange("fc7"),
        two(lambda: make.hidden(7, 4096, 2048)),
        Gather(0, "fc8"),
        one(fc8=make.linear(4096, num_classes)),
    )


def alexnet_grouped(
    devices: Devices,
    num_classes: int = 1000,
    seed: int = 0,
    *,
    preset: str = "paper",
    dropout: float = 0.5,
    dtype: Any = np.float32,
) -> Net:
    """The same function as `alexnet`, with the same start, in one piece: what a tower does alone, a group does here."""
    make = Maker(preset, dropout, dtype)
    return make.net(
        devices[:1],
        num_classes,
        seed,
        Towers(make.conv1_to_pool2(96, 256, groups=2)),
        Towers(make.conv3_to_pool5(256, 384, 384, 256, groups=2)),
        Towers(make.hidden(6, 9216, 4096)),
        Towers(make.hidden(7, 4096, 4096)),
        one(fc8=make.linear(4096, num_classes)),
        slices=dict.fromkeys(["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "dropout6", "fc7", "dropout7"], 2),
    )


def alexnet_one_gpu(
    devices: Devices,
    num_classes: int = 1000,
    seed: int = 0,
    *,
    preset: str = "paper",
    dropout: float = 0.5,
    dtype: Any = np.float32,
) -> Net:
    """The net of footnote b: half the kernels in conv1 to conv4, the full number in conv5 and the hidden layers."""
    make = Maker(preset, dropout, dtype)
    return make.net(
        devices[:1],
        num_classes,
        seed,
        Towers(make.conv1_to_pool2(48, 128)),
        Towers(make.conv3_to_pool5(128, 192, 192, 256)),
        Towers(make.hidden(6, 9216, 4096)),
        Towers(make.hidden(7, 4096, 4096)),
        one(fc8=make.linear(4096, num_classes)),
    )


def alexnet_six_conv(
    devices: Devices,
    num_classes: int = 1000,
    seed: int = 0,
    *,
    preset: str = "paper",
    dropout: float = 0.5,
    dtype: Any = np.float32,
) -> Net:
    """`alexnet` with a sixth convolution over the last pooling layer, which sees both towers (section 6, the CNN*)."""
    make = Maker(preset, dropout, dtype)
    return make.net(
        two_places(devices),
        num_classes,
        seed,
        two(lambda: make.conv1_to_pool2(48, 128)),
        Exchange("conv3"),
        two(lambda: make.conv3_to_pool5(256, 192, 192, 128, flatten=False)),
        Exchange("conv6"),
        two(lambda: Sequential(conv6=make.conv(256, 128, 3, padding=1), relu_c6=ReLU(), flatten=Flatten())),
        Exchange("fc6"),
        two(lambda: make.hidden(6, 9216, 2048)),
        Exchange("fc7"),
        two(lambda: make.hidden(7, 4096, 2048)),
        Gather(0, "fc8"),
        one(fc8=make.linear(4096, num_classes)),
    )


def cifar10_net(
    devices: Devices,
    num_classes: int = 10,
    seed: int = 0,
    *,
    activation: str = "relu",
    norm: bool = True,
    dtype: Any = np.float32,
) -> Net:
    """Four layers for (N, 3, 32, 32), on one device: figure 1's kind (activation "relu" or "tanh"), section 3.3's with `norm`.

    The layers are those of the configuration published with the 2012 code; 89,578 parameters.
    """
    if activation not in NEURONS:
        raise ValueError(f"activation must be one of {', '.join(NEURONS)}, got {activation!r}")
    neuron = NEURONS[activation]
    conv, linear = partial(Conv2d, std=0, dtype=dtype), partial(Linear, std=0, dtype=dtype)

    def normalised(number: int) -> dict[str, Layer]:
        return {f"norm{number}": LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0, alpha_over_size=True)} if norm else {}

    net = Net(
        devices[:1],
        Broadcast(),
        one_shared(
            conv1=conv(3, 32, 5, padding=2),
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
            fc4=linear(64 * 4 * 4, num_classes),
        ),
        input_shape=(3, 32, 32),
        num_classes=num_classes,
        dtype=dtype,
    )
    return initialise(net, seed, CIFAR10)


def small_towers(
    devices: Devices,
    num_classes: int = 10,
    seed: int = 0,
    *,
    input_shape: tuple[int, int, int] = (1, 8, 8),
    maps: int = 16,
    hidden: int = 64,
    dropout: float = 0.5,
    dtype: Any = np.float32,
) -> Net:
    """AlexNet's idea for small images, 8 x 8 to 32 x 32: two towers that meet at conv3 and at the full layers."""
    C, H, W = input_shape
    if not (8 <= H <= 32 and 8 <= W <= 32):
        raise ValueError(f"small_towers is for images of 8 x 8 to 32 x 32 pixels, got {H} x {W}")
    conv, linear = partial(Conv2d, std=0, dtype=dtype), partial(Linear, std=0, dtype=dtype)

    def first_two() -> Sequential:
        return Sequential(
            conv1=conv(C, maps, 3, padding=1),
            relu1=ReLU(),
            norm1=LocalResponseNorm(),
            conv2=conv(maps, 2 * maps, 3, padding=1),
            relu2=ReLU(),
            norm2=LocalResponseNorm(),
            pool2=MaxPool2d(3, stride=2, ceil_mode=True),
        )

    def third() -> Sequential:
        return Sequential(
            conv3=conv(4 * maps, 2 * maps, 3, padding=1),
            relu3=ReLU(),
            pool3=MaxPool2d(3, stride=2, ceil_mode=True),
            flatten=Flatten(),
        )

    features = 2 * third().output_shape((1, 4 * maps, -(-(H - 1) // 2), -(-(W - 1) // 2)))[1]
    net = Net(
        two_places(devices),
        Broadcast(),
        two(first_two),
        Exchange("conv3"),
        two(third),
        Exchange("fc4"),
        two(lambda: Sequential(fc4=linear(features, hidden), relu4=ReLU(), dropout4=Dropout(dropout))),
        Gather(0, "fc5"),
        one(fc5=linear(2 * hidden, num_classes)),
        input_shape=input_shape,
        num_classes=num_classes,
        dtype=dtype,
    )
    return initialise(net, seed, HE)


NETS: dict[str, Callable[..., Net]] = {
    "alexnet": alexnet,
    "alexnet_grouped": alexnet_grouped,
    "alexnet_one_gpu": alexnet_one_gpu,
    "alexnet_six_conv": alexnet_six_conv,
    "cifar10": cifar10_net,
    "small": small_towers,
}


class Maker:
    """The stretches that the 224 x 224 nets share. Weights are zeros until `initialise` draws them."""

    def __init__(self, preset: str, dropout: float, dtype: Any) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        self.preset, self.dropout, self.dtype = PRESETS[preset], dropout, dtype
        self.conv, self.linear = partial(Conv2d, std=0, dtype=dtype), partial(Linear, std=0, dtype=dtype)

    def net(
        self, devices: Devices, num_classes: int, seed: int, *stages: Stage, slices: Mapping[str, int] | None = None
    ) -> Net:
        """The net of these stages, for ImageNet's images, its parameters drawn."""
        every = (Broadcast(), *stages)
        net = Net(devices, *every, input_shape=IMAGENET, num_classes=num_classes, dtype=self.dtype)
        return initialise(net, seed, self.preset.initial, slices)

    def conv1_to_pool2(self, maps1: int, maps2: int, groups: int = 1) -> Sequential:
        """224 x 224 x 3 -> 27 x 27 x maps1 -> 13 x 13 x maps2."""
        norm = partial(LocalResponseNorm, alpha_over_size=self.preset.alpha_over_size, groups=groups)
        after_conv1: dict[str, Layer] = {"relu1": ReLU(), "norm1": norm(), "pool1": MaxPool2d(3, stride=2)}
        if self.preset.norm_before_relu:
            after_conv1 = {name: after_conv1[name] for name in ("norm1", "pool1", "relu1")}
        return Blocked(
            conv1=self.conv(3, maps1, 11, stride=4, padding=TO_55),
            **after_conv1,
            conv2=self.conv(maps1, maps2, 5, padding=2, groups=groups),
            relu2=ReLU(),
            norm2=norm(),
            **({"cnorm2": SpatialResponseNorm()} if self.preset.spatial_norm else {}),
            pool2=MaxPool2d(3, stride=2),
        )

    def conv3_to_pool5(
        self, maps2: int, maps3: int, maps4: int, maps5: int, groups: int = 1, flatten: bool = True
    ) -> Sequential:
        """13 x 13 x maps2 -> 13 x 13 x maps3 -> 13 x 13 x maps4 -> 6 x 6 x maps5. conv3 sees all maps, whatever the groups."""
        return Sequential(
            conv3=self.conv(maps2, maps3, 3, padding=1),
            relu3=ReLU(),
            conv4=self.conv(maps3, maps4, 3, padding=1, groups=groups),
            relu4=ReLU(),
            conv5=self.conv(maps4, maps5, 3, padding=1, groups=groups),
            relu5=ReLU(),
            pool5=MaxPool2d(3, stride=2),
            **({"flatten": Flatten()} if flatten else {}),
        )

    def hidden(self, number: int, features: int, neurons: int) -> Sequential:
        """A fully connected layer with ReLU and dropout: fc6 or fc7."""
        layers: dict[str, Layer] = {
            f"fc{number}": self.linear(features, neurons),
            f"relu{number}": ReLU(),
            f"dropout{number}": Dropout(self.dropout),
        }
        return Sequential(**layers)


def two(tower: Callable[[], Layer]) -> Towers:
    """Two towers of the same make."""
    return Towers(tower(), tower())


def one(**layers: Layer) -> Towers:
    """Layers that have one owner."""
    return Towers(Sequential(**layers))


def one_shared(**layers: Layer) -> Towers:
    """Layers that have one owner, whose cores share the batch."""
    return Towers(Split(**layers))


def two_places(devices: Devices) -> Devices:
    """A place for each of two towers: both on the one device if there is only one."""
    if len(devices) not in (1, 2):
        raise ValueError(f"a two-tower net needs one or two devices, got {len(devices)}: {devices}")
    return devices * 2 if len(devices) == 1 else devices


def grouped_state(state: Mapping[str, Array]) -> dict[str, Array]:
    """A two-tower net's state (or gradients) by the names of its grouped twin: towers join along the output channels."""
    joined: dict[str, list[Array]] = {}
    for name, value in state.items():
        layer, key = name.split(".")[0], name.split(".")[-1]
        joined.setdefault(f"{layer}.{key}", []).append(value)
    return {name: np.concatenate(parts) for name, parts in joined.items()}
