r"""What goes through the layers in one step of training: how large it is, how much of it the image decides, what comes back.

For the output y of a layer, (N, ...) for a batch of N images, with the mean over the images m = 1/N sum_n y_n:

    size       the root mean square of y
    spread     rms(y - m) / rms(y): 0 where every image gives the same, 1 where nothing is common to them
    active     the share of the numbers in y that are above 0
    gradient   the root mean square of dL/dy, times N: that of one image's own loss

A net whose last layers have a spread near 0 says the same of every image. It can then learn how frequent the classes are, and
nothing else: its loss stays at ln(classes).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from minialex.arrays import Array
from minialex.devices import Device
from minialex.inside.watch import watching
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net


@dataclass(frozen=True)
class Signal:
    """One layer in one step; see the module."""

    layer: str
    size: float
    spread: float
    active: float
    gradient: float


def signals(net: Net, images: Array, labels: Array) -> tuple[float, list[Signal]]:
    """One pass forward and backward -> the loss, and a Signal for each layer; the gradients stay in the net.

    images (N, C, H, W), as the net takes them; labels (N,) int64. The net is in test mode, since dropout alone would make every
    image's output another; no generator moves.
    """
    forward: dict[str, tuple[float, float, float]] = {}
    backward: dict[str, float] = {}

    def see(name: str, device: Device, x: Array, y: Array) -> None:
        host = device.get(y).reshape(len(y), -1)
        size, apart = rms(host), rms(host - host.mean(axis=0))
        forward[name] = size, apart / size if size else 0.0, float((host > 0).mean())

    def see_gradient(name: str, device: Device, dy: Array, dx: Array) -> None:
        backward[name] = rms(device.get(dy)) * len(dy)

    loss = SoftmaxCrossEntropy()
    with watching(net, see, see_gradient):
        value = loss.forward(net.forward(images), labels)
        net.backward(loss.backward())
    return value, [Signal(name, *forward[name], backward.get(name, nan)) for name, _, _ in net.layers()]


def rms(x: Array) -> float:
    """The root of the mean of the squares, in float64."""
    return float(np.sqrt(np.square(x, dtype=np.float64).mean())) if x.size else 0.0
