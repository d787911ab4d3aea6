r"""Layers one after another, and the chain rule that runs them backwards.

    y = f_L(... f_2(f_1(x)))            dL/dx = f_1'(f_2'(... f_L'(dL/dy)))

where f_l' is layer l's backward: each takes the gradient of its output and returns that of its input.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minialex.arrays import Array, Shape
from minialex.layers.base import Layer


class Sequential(Layer):
    """Runs the layers in order: Sequential(conv1=Conv2d(...), relu1=ReLU()), or without names Sequential(Conv2d(...), ReLU()).

    A layer without a name is called by its place: "0", "1", ...; names must differ.

    params and grads are those of all the layers, with keys such as "conv1.weight"; the arrays are the layers' own.
    """

    def __init__(self, *layers: Layer, **named: Layer) -> None:
        self._saved = None
        for name, layer in named.items():
            layer.name = name
        self.layers = [*layers, *named.values()]
        self.names = [layer.name or str(place) for place, layer in enumerate(self.layers)]
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"Sequential: names must differ, got {self.names}")

    def forward(self, x: Array, train: bool = True) -> Array:
        for layer in self.layers:
            x = layer.forward(x, train)
        return x

    def backward(self, dy: Array) -> Array:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def leaves(self) -> Iterator[tuple[str, Layer]]:
        """Every layer that is no Sequential itself, with its name: "conv1", or "tail.conv1" inside another Sequential."""
        for name, layer in zip(self.names, self.layers, strict=True):
            if isinstance(layer, Sequential):
                yield from ((f"{name}.{inner}", leaf) for inner, leaf in layer.leaves())
            else:
                yield name, layer

    def by_name(self) -> dict[str, Layer]:
        """The layers with their names, in order."""
        return dict(zip(self.names, self.layers, strict=True))

    @property
    def params(self) -> dict[str, Array]:  # type: ignore[override]
        return {f"{name}.{key}": value for name, layer in self.leaves() for key, value in layer.params.items()}

    @property
    def grads(self) -> dict[str, Array]:  # type: ignore[override]
        return {f"{name}.{key}": value for name, layer in self.leaves() for key, value in layer.grads.items()}

    def generators(self) -> dict[str, np.random.Generator]:
        return {f"{name}.{key}": rng for name, layer in self.leaves() for key, rng in layer.generators().items()}

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def multiply_adds(self, shape: Shape) -> int:
        total = 0
        for layer in self.layers:
            total += layer.multiply_adds(shape)
            shape = layer.output_shape(shape)
        return total

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"
