"""A layer on a GPU whose caller sees host arrays only: so the suites of the plain layers can judge it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minialex.layers import Sequential
from tests.checks.suite import host
from tests.cuda import stand_in
from tests.reference import Array


def put(x: Any) -> Any:
    """An array goes to the GPU with its strides; what is no array stays what it is, for the layer to refuse."""
    return stand_in.put(x) if isinstance(x, np.ndarray) and x.size else x


def hosted(cls: Any) -> Any:
    """The class, with its parameters on the GPU while it works, and its gradients on the host afterwards."""

    class Hosted(cls):  # type: ignore[misc]
        def forward(self, x: Array, train: bool = True) -> Array:
            with there(self):
                return host(super().forward(put(x), train))

        def backward(self, dy: Array) -> Array:
            with there(self):
                dx = host(super().backward(put(dy)))
            for leaf in leaves(self):
                leaf.grads.update({key: host(value) for key, value in leaf.grads.items()})
            return dx

    Hosted.__name__ = cls.__name__
    return Hosted


@contextmanager
def there(layer: Any) -> Iterator[None]:
    """The parameters of the layer, and of all inside it, are on the GPU."""
    home = [(leaf, leaf.params) for leaf in leaves(layer)]
    for leaf, params in home:
        leaf.params = {key: put(value) for key, value in params.items()}
    try:
        yield
    finally:
        for leaf, params in home:
            leaf.params = params


def leaves(layer: Any) -> list[Any]:
    return [leaf for _, leaf in layer.leaves()] if isinstance(layer, Sequential) else [layer]
