"""Numbers that are none: what is raised of them, and the place where they began."""

from __future__ import annotations

from collections.abc import Callable

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


def _all_finite(array: Array) -> bool:
    return bool(array_module(array).isfinite(array).all())
