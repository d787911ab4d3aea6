r"""Which units never speak: a ReLU that is 0 for every image gives no gradient either, so nothing will ever wake it.

A unit is a map of a convolutional layer, or a neuron of a full one. It fires for an image if its ReLU is above 0 there,
for a map at one place at least; it is dead if it fires for none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minialex.arrays import Array
from minialex.data.dataset import Images
from minialex.devices import Device
from minialex.evaluation import BATCH_SIZE, Prepare, log_probabilities
from minialex.inside.watch import watching
from minialex.layers import ReLU
from minialex.net import Net


@dataclass(frozen=True)
class Units:
    """The units of one ReLU ("relu1.0"). fires (units,) float64: the share of the images for which each fires."""

    layer: str
    fires: Array

    @property
    def dead(self) -> Array:
        """Which units fire for no image, (units,) of bool."""
        silent: Array = self.fires == 0
        return silent


def units(net: Net, images: Images, prepare: Prepare | None = None, batch_size: int = BATCH_SIZE) -> list[Units]:
    """Stored images (N, C, H, W), shown to the net in test mode -> one Units for each ReLU of the net, in order."""
    wanted = [name for name, _, layer in net.layers() if isinstance(layer, ReLU)]
    counts = dict.fromkeys(wanted, np.zeros(1))

    def count(name: str, device: Device, x: Array, y: Array) -> None:
        if name in counts:
            fired = y.reshape(*y.shape[:2], -1).max(axis=2) > 0
            counts[name] = counts[name] + device.get(fired.sum(axis=0))

    with watching(net, forward=count):
        log_probabilities(net, images, prepare, batch_size)
    return [Units(name, counts[name] / len(images)) for name in wanted]
