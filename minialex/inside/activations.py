"""What the layers of a net give for an image, and the vectors of its last hidden layer for many."""

from __future__ import annotations

import numpy as np

from minialex.arrays import Array
from minialex.data.dataset import Images
from minialex.devices import Device
from minialex.evaluation import BATCH_SIZE, Prepare, log_probabilities
from minialex.inside.watch import watching
from minialex.net import Net


def outputs(net: Net, images: Array) -> dict[str, Array]:
    """images (N, C, H, W), as the net takes them -> what each layer gives for them, on the host, in the order of computation.

    Keys as in net.layers(): "conv1.0", "relu1.0", ..., "fc8". The net is in test mode.
    """
    seen: dict[str, Array] = {}

    def keep(name: str, device: Device, x: Array, y: Array) -> None:
        seen[name] = device.get(y)

    with watching(net, forward=keep):
        net.forward(images)
    return {name: seen[name] for name, _, _ in net.layers()}


def features(net: Net, images: Images, prepare: Prepare | None = None, batch_size: int = BATCH_SIZE) -> Array:
    """Stored images (N, C, H, W) -> their vectors (N, D) in the last hidden layer: what the net's last layer reads.

    In the paper's net these are the 4096 neurons of fc7, tower 0's first (section 6.1). prepare: one view of each image; see
    evaluation.log_probabilities.
    """
    parts: list[Array] = []
    last = last_layer(net)

    def keep(name: str, device: Device, x: Array, y: Array) -> None:
        if name == last:
            parts.append(device.get(x))

    with watching(net, forward=keep):
        log_probabilities(net, images, prepare, batch_size)
    vectors = np.concatenate(parts)
    if len(vectors) != len(images):
        raise ValueError(f"features: needs one view of each image, got {len(vectors)} views of {len(images)} images")
    return vectors


def last_layer(net: Net) -> str:
    """The name of the layer that gives the logits."""
    return [name for name, _, layer in net.layers() if layer.params][-1]
