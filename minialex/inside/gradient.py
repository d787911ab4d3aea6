r"""Which pixels would change a net's mind: the gradient of a class's logit by every pixel (Simonyan et al. 2014).

Training asks how the loss changes with each weight; the same backward pass, taken one step further, says how a logit changes
with each pixel: d z[label] / d x[c, y, x]. Both towers read the image, so their gradients add.
"""

from __future__ import annotations

import numpy as np

from minialex.arrays import Array
from minialex.devices import Device
from minialex.inside.watch import watching
from minialex.net import Net
from minialex.towers import Towers


def pixel_gradient(net: Net, image: Array, label: int) -> Array:
    """image (C, H, W), as the net takes it -> d logit[label] / d image (C, H, W), in the net's dtype, in test mode.

    The gradients of the parameters are written over, as by any backward pass.
    """
    if not 0 <= label < net.num_classes:
        raise ValueError(f"pixel_gradient: the net has the classes 0..{net.num_classes - 1}, got {label}")
    first = _first_layers(net)
    parts: dict[str, Array] = {}

    def keep(name: str, device: Device, dy: Array, dx: Array) -> None:
        if name in first:
            parts[name] = device.get(dx)

    upstream = np.zeros((1, net.num_classes), net.dtype)
    upstream[0, label] = 1
    before = [layer.input_gradient for _, _, layer in net.layers()]
    net.read_pixel_gradients(True)
    try:
        with watching(net, backward=keep):
            net.forward(image[None])
            net.backward(upstream)
    finally:
        for (_, _, layer), wanted in zip(net.layers(), before, strict=True):
            layer.input_gradient = wanted
    total: Array = np.sum([parts[name][0] for name in first], axis=0, dtype=net.dtype)
    return total


def _first_layers(net: Net) -> list[str]:
    """The names of the layers that read the images: "conv1.0", "conv1.1"."""
    towers = next(stage for stage in net.stages if isinstance(stage, Towers)).towers
    first = next(net.layers())[0].split(".")[0]
    return [first] if len(towers) == 1 else [f"{first}.{t}" for t in range(len(towers))]
