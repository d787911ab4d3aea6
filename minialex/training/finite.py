r"""Numbers that are none: found before the update, and the layer where they began named.

The sum of an array is not finite where one of its numbers is not, and is the cheapest thing to ask: one pass, nothing
written. It may also overflow by itself; so a sum that is not finite is only a suspicion, and each number is looked at then.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from math import isfinite
from typing import Any

import numpy as np

from minialex.arrays import Array, array_module
from minialex.layers import Layer
from minialex.net import Net
from minialex.shown import Shown


class NonFinite(FloatingPointError):
    """A number in training is infinite or none. No update has been made from it."""


class NonFiniteLoss(NonFinite):
    """The loss of a batch, or of the test, is no longer a number."""


class NonFiniteGradient(NonFinite):
    """A gradient is no longer a number, though the loss still is."""


def gradients_are_finite(net: Net) -> bool:
    """Whether every number in every gradient is finite. One question a device: each answers while the others do."""
    placed = sorted(((device.name, device, layer) for _, device, layer in net.layers() if layer.grads), key=lambda row: row[0])
    asked = []
    for _, rows in groupby(placed, key=lambda row: row[0]):
        mine = list(rows)
        device = mine[0][1]
        asked.append((device, device.submit(_sum, [layer for _, _, layer in mine])))
    sums = [device.submit(device.get, answer.result()).result().item() for device, answer in asked]
    return all(map(isfinite, sums)) or where_gradients_fail(net) == ""


def where_gradients_fail(net: Net) -> str:
    """The first gradient, in the order in which backward computes them, that is not finite: "conv2.0.weight"; or ""."""
    for name, device, layer in reversed(list(net.layers())):
        for key, gradient in layer.grads.items():
            if not device.submit(_all_finite, gradient).result():
                return f"{name}.{key}"
    return ""


def where_forward_fails(net: Net, images: Array | Shown) -> str:
    """In words, the first place on the way forward where a number is not finite; or "" where there is none.

    The batch goes through the net once more, watched; dropout draws once more, too: only for a run that ends.
    """
    finite = np.isfinite(np.asarray(images))
    if not finite.all():
        n = int(finite.reshape(len(images), -1).all(axis=1).argmin())
        return f"the batch's image {n} has pixels that are not finite"
    for name, device, layer in net.layers():
        for key, value in layer.params.items():
            if not device.submit(_all_finite, value).result():
                return f"{name}.{key} is not finite"
    found: dict[str, None] = {}
    watched = [(name, layer) for name, _, layer in net.layers()]
    for name, layer in watched:
        layer.forward = _watching(layer, name, found)  # type: ignore[assignment, method-assign]
    try:
        with np.errstate(all="ignore"):
            net.forward(images, train=True)
    finally:
        for _, layer in watched:
            del layer.forward
    return next((f"first in the output of {name}" for name, _ in watched if name in found), "")


def _watching(layer: Layer, name: str, found: dict[str, None]) -> Callable[[Array, bool], Array]:
    forward = layer.forward

    def watched(x: Array, train: bool = True) -> Array:
        y = forward(x, train)
        if not _all_finite(y):
            found[name] = None
        return y

    return watched


def _sum(layers: list[Layer]) -> Any:
    """The sum of all sums: one number, which stays on the device."""
    with np.errstate(all="ignore"):
        return sum(gradient.sum() for layer in layers for gradient in layer.grads.values())


def _all_finite(array: Array) -> bool:
    return bool(array_module(array).isfinite(array).all())
