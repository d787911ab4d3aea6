r"""What the towers give each other, and how much of it the receiver makes use of (paper, section 3.2 and figure 2).

A layer behind an Exchange reads the maps x_0 of tower 0 beside the maps x_1 of tower 1. Without its bias it is linear, so what
it gives is a sum with one part for each sender:

    W [x_0, x_1] = W [x_0, 0] + W [0, x_1]

The length of each part, over that of both together, says how much tower t listens to tower s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minialex.arrays import Array
from minialex.inside.activations import outputs
from minialex.layers import Layer, Sequential
from minialex.net import Net
from minialex.towers import Exchange, Towers


@dataclass(frozen=True)
class Exchanged:
    """One Exchange. reader: the layer behind it ("conv3"). sent[s]: tower s's maps (C, h, w) or neurons (D,) for one image.

    heard[t, s]: the root mean square of what tower s's maps add to the reader's output in tower t, before its bias.
    bytes: what crossed between devices for this one image, forward; 0 where both towers are on one device.
    """

    reader: str
    sent: tuple[Array, ...]
    heard: Array
    bytes: int

    @property
    def shares(self) -> Array:
        """heard, each row divided by its sum: of what tower t hears, the part that comes from tower s."""
        total = self.heard.sum(axis=1, keepdims=True)
        return np.divide(self.heard, total, out=np.zeros_like(self.heard), where=total > 0)


def exchanges(net: Net, image: Array) -> list[Exchanged]:
    """image (C, H, W), as the net takes it -> one for each Exchange of the net, in order; none for a net of one tower."""
    seen = outputs(net, image[None])
    crossed = {stage.name: net.ledger.bytes(stage.name, "forward") for stage in net.stages}
    found = []
    for before, stage, behind in zip(net.stages, net.stages[1:], net.stages[2:], strict=False):
        if isinstance(stage, Exchange) and isinstance(before, Towers) and isinstance(behind, Towers):
            towers = range(len(before.towers))
            sent = tuple(seen[f"{_leaf(tower, -1)}.{t}"] for t, tower in enumerate(before.towers))
            heard = np.array([[_response(behind, t, sent, s) for s in towers] for t in towers])
            found.append(Exchanged(stage.name, tuple(maps[0] for maps in sent), heard, crossed[stage.name]))
    return found


def _response(stage: Towers, t: int, sent: tuple[Array, ...], s: int) -> float:
    """The rms of what the first layer of tower t gives for the maps of tower s alone, less its bias."""
    tower, device = stage.towers[t], stage.devices[t]
    layer = next(leaf for _, leaf in tower.leaves()) if isinstance(tower, Sequential) else tower
    alone = np.concatenate([x if n == s else np.zeros_like(x) for n, x in enumerate(sent)], axis=1)
    y = device.get(device.submit(layer.forward, device.put(alone), False).result())
    bias = device.get(layer.params["bias"])
    y = y - bias.reshape(1, -1, *[1] * (y.ndim - 2))
    return float(np.sqrt(np.square(y, dtype=np.float64).mean()))


def _leaf(tower: Layer, place: int) -> str:
    return [name for name, _ in tower.leaves()][place] if isinstance(tower, Sequential) else tower.name
