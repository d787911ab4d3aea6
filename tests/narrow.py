"""AlexNet's pages at any width and for small images, cheap enough to be drawn by the hundred.

They are made of the same stretches (`Maker`) and stages as the paper's net, in the same order and under the same names:
`towers` is figure 2, `grouped` the same function in one piece. What would hide an error is turned up: LRN's alpha, which the
paper has at 1e-4, and every parameter, bias or weight, which is drawn from a Gaussian here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from minialex.arrays import Array
from minialex.devices import Device
from minialex.initial import PAPER, initialise
from minialex.layers import LocalResponseNorm, SpatialResponseNorm
from minialex.layers.fast import Blocked
from minialex.net import Net
from minialex.nets import Maker, grouped_state, one, two, two_places
from minialex.towers import Broadcast, Exchange, Gather, Towers

Devices = tuple[Device, ...]


@dataclass(frozen=True, kw_only=True)
class Narrow:
    """One such net: maps of conv1 to conv5 and neurons of fc6 and fc7 in each tower, the images, all else."""

    maps: tuple[int, int, int, int, int] = (3, 2, 4, 3, 2)
    neurons: tuple[int, int] = (5, 4)
    image: tuple[int, int] = (67, 67)
    N: int = 2
    num_classes: int = 3
    preset: str = "paper"
    dropout: float = 0.5
    alpha: float = 0.5
    dtype: str = "float64"
    seed: int = 0
    block_bytes: int | None = None  # how much of the batch a Blocked stretch takes at a time, if not as much as it would

    def towers(self, devices: Devices) -> Net:
        """On two devices, or both towers on one."""
        a, b, c, d, e = self.maps
        f, g = self.neurons
        make = Maker(self.preset, self.dropout, np.dtype(self.dtype))
        net = Net(
            two_places(devices),
            Broadcast(),
            two(lambda: make.conv1_to_pool2(a, b)),
            Exchange("conv3"),
            two(lambda: make.conv3_to_pool5(2 * b, c, d, e)),
            Exchange("fc6"),
            two(lambda: make.hidden(6, self._features(make), f)),
            Exchange("fc7"),
            two(lambda: make.hidden(7, 2 * f, g)),
            Gather(0, "fc8"),
            one(fc8=make.linear(2 * g, self.num_classes)),
            **self._ends,
        )
        return self._fill(initialise(net, self.seed, PAPER), self.state())

    def grouped(self, devices: Devices) -> Net:
        """On the first device, what a tower does alone done by a group."""
        a, b, c, d, e = (2 * maps for maps in self.maps)
        f, g = (2 * neurons for neurons in self.neurons)
        make = Maker(self.preset, self.dropout, np.dtype(self.dtype))
        net = Net(
            devices[:1],
            Broadcast(),
            Towers(make.conv1_to_pool2(a, b, groups=2)),
            Towers(make.conv3_to_pool5(b, c, d, e, groups=2)),
            Towers(make.hidden(6, self._features(make), f)),
            Towers(make.hidden(7, f, g)),
            one(fc8=make.linear(g, self.num_classes)),
            **self._ends,
        )
        halves = {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "dropout6", "fc7", "dropout7"}
        return self._fill(initialise(net, self.seed, PAPER, slices=dict.fromkeys(halves, 2)), grouped_state(self.state()))

    @property
    def _ends(self) -> dict[str, Any]:
        return {"input_shape": (3, *self.image), "num_classes": self.num_classes, "dtype": np.dtype(self.dtype)}

    def _features(self, make: Maker) -> int:
        maps = make.conv1_to_pool2(1, self.maps[1]).output_shape((1, 3, *self.image))
        return 2 * prod(make.conv3_to_pool5(self.maps[1], 1, 1, self.maps[4]).output_shape(maps)[1:])

    def _fill(self, net: Net, state: dict[str, Array]) -> Net:
        """These parameters, alpha turned up, and the blocks."""
        for _, _, layer in net.layers():
            if isinstance(layer, LocalResponseNorm | SpatialResponseNorm):
                layer.alpha = self.alpha
        for tower in (tower for stage in net.stages if isinstance(stage, Towers) for tower in stage.towers):
            if self.block_bytes is not None and isinstance(tower, Blocked):
                tower.block_bytes = {"numpy": self.block_bytes, "cupy": self.block_bytes}
        net.load_state_dict(state)
        return net

    def state(self) -> dict[str, Array]:
        """The parameters, from a Gaussian that keeps signals near 1, by the names of the two-tower net."""
        a, b, c, d, e = self.maps
        f, g = self.neurons
        features = self._features(Maker(self.preset, self.dropout, float))
        weights = {
            "conv1": (a, 3, 11, 11),
            "conv2": (b, a, 5, 5),
            "conv3": (c, 2 * b, 3, 3),
            "conv4": (d, c, 3, 3),
            "conv5": (e, d, 3, 3),
            "fc6": (f, features),
            "fc7": (g, 2 * f),
        }
        shapes = {f"{name}.{t}": shape for name, shape in weights.items() for t in range(2)}
        shapes["fc8"] = (self.num_classes, 2 * g)
        rng = np.random.default_rng((self.seed, 1))
        state = {}
        for name, shape in shapes.items():
            weight = rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / prod(shape[1:])))
            state[f"{name}.weight"] = weight.astype(self.dtype)
            state[f"{name}.bias"] = (0.3 * rng.standard_normal(shape[0], dtype=np.float32)).astype(self.dtype)
        return state

    def images(self, draw: int = 0) -> Array:
        return np.random.default_rng((self.seed, 2, draw)).standard_normal((self.N, 3, *self.image)).astype(self.dtype)

    def dlogits(self, draw: int = 0) -> Array:
        """A random upstream gradient."""
        return np.random.default_rng((self.seed, 3, draw)).standard_normal((self.N, self.num_classes)).astype(self.dtype)


def one_in(number: int) -> settings:
    """For what takes long: one in so many of the examples that the profile asks for."""
    return settings(max_examples=max(1, settings().max_examples // number))


@st.composite
def narrow_nets(draw: DrawFn, /, *, wide: bool = False, **fixed: Any) -> Narrow:
    """Widths from 1 up, images that are not square, both orders of layers after conv1.

    wide: not so few terms in any sum that they may cancel, which costs float32 its digits.
    """
    width, side = st.integers(4, 8) if wide else st.integers(1, 4), st.integers(67, 99)
    neurons = st.integers(12, 24) if wide else width
    H = draw(side)
    drawn: dict[str, Any] = {
        "maps": draw(st.tuples(*(width,) * 5)),
        "neurons": draw(st.tuples(neurons, neurons)),
        "image": (H, draw(side.filter(lambda W: W != H))),
        "N": draw(st.integers(2 if wide else 1, 3)),
        "num_classes": draw(width),
        "preset": draw(st.sampled_from(["paper", "code2012"])),
        "dropout": draw(st.sampled_from([0.0, 0.3, 0.5])),
        "alpha": draw(st.integers(1, 10)) / 10,
        "seed": draw(st.integers(0, 999_999)),
        "block_bytes": draw(st.sampled_from([None, 1, 20_000])),
    }
    return Narrow(**drawn | fixed)
