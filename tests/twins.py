"""Nets that should be the same function: do they agree in every output and gradient, and took the same branches?"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.layers import MaxPool2d, ReLU
from minialex.net import Net
from minialex.nets import grouped_state


class Branches:
    """Which side of their kinks a net's units take: through which of them a gradient passes, and to where."""

    def __init__(self, net: Net) -> None:
        self._seen: dict[str, list[Array]] = {}
        for name, _, layer in net.layers():
            if isinstance(layer, ReLU | MaxPool2d):
                self._watch(name, layer)

    def _watch(self, name: str, layer: Any) -> None:
        """Note, at each of its forward passes, where gradients arrive that are alike in all maps and differ in all places."""
        forward = layer.forward

        def watched(x: Array, train: bool = True) -> Array:
            y: Array = forward(x, train)
            N, C, *rest = y.shape
            dy = np.broadcast_to(np.arange(1, 1 + prod(rest), dtype=y.dtype).reshape(1, 1, *rest), (N, C, *rest))
            self._seen.setdefault(name, []).append(np.asarray(layer.backward(dy)))
            return y

        layer.forward = watched

    def taken(self) -> dict[str, Array]:
        """For each layer since the last call: its blocks of images one after another, its towers side by side."""
        towers: dict[str, list[Array]] = {}
        for name in sorted(self._seen):
            towers.setdefault(name.split(".")[0], []).append(np.concatenate(self._seen[name]))
        self._seen.clear()
        return {name: np.concatenate(parts, axis=1) for name, parts in towers.items()}


def by_group(net: Net, arrays: dict[str, Array]) -> dict[str, Array]:
    """Under the names of the grouped net."""
    return grouped_state(arrays) if "conv1.0.weight" in net.params else arrays


def agree(what: str, arrays: dict[str, dict[str, Array]], tolerance: float) -> None:
    """All nets have the same arrays, up to tolerance * the largest number of each."""
    first, *others = arrays
    for other in others:
        assert arrays[other].keys() == arrays[first].keys()
        for name, expected in arrays[first].items():
            error, largest = np.abs(arrays[other][name] - expected).max(initial=0), np.abs(expected).max(initial=0)
            assert arrays[other][name].dtype == expected.dtype
            assert error <= tolerance * largest, f"{what} {name}: {first} and {other} differ by {error / largest:.1e}"


def compare(nets: dict[str, Net], images: Array, dlogits: Array, tolerance: float, train: bool) -> bool:
    """Outputs and every gradient agree. False where rounding has put a unit on the other side of its kink."""
    branches = [Branches(net) for net in nets.values()]
    agree("output", {which: {"logits": net.forward(images, train)} for which, net in nets.items()}, tolerance)
    taken = [watch.taken() for watch in branches]
    if any(not np.array_equal(other[name], taken[0][name]) for other in taken for name in other):
        return False
    for net in nets.values():
        net.backward(dlogits)
    agree("gradient of", {which: by_group(net, net.grad_dict()) for which, net in nets.items()}, tolerance)
    return True
