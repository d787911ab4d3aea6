"""Every layer of a net with its place: which tower, which device, which shape comes in; and the net as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any, NamedTuple

from minialex import layers
from minialex.arrays import Shape
from minialex.devices import Device
from minialex.layers import Layer, Sequential, fast
from minialex.net import Net
from minialex.towers import Exchange, Gather, Stage, Towers


class Place(NamedTuple):
    """A layer: `name` is that of all towers' ("conv2"), `full_name` its own ("conv2.0"); x has the shape `ins`."""

    name: str
    full_name: str
    device: Device
    layer: Layer
    ins: Shape
    outs: Shape
    reads_gradient: bool  # whether anybody reads dL/dx
    tower: Layer  # to which it belongs


def places(net: Net, batch_size: int) -> Iterator[Place]:
    """All layers, in the order of computation, for a batch of so many images."""
    shapes: tuple[Shape, ...] = ((batch_size, *net.input_shape),)
    names = net.layers()
    for stage in net.stages:
        if isinstance(stage, Towers):
            for tower, device, shape in zip(stage.towers, stage.devices, shapes, strict=True):
                for name, layer in leaves(tower):
                    full_name, _, _ = next(names)
                    after = layer.output_shape(shape)
                    yield Place(name, full_name, device, layer, shape, after, layer.input_gradient, tower)
                    shape = after
        shapes = stage.output_shapes(shapes)


def by_name(net: Net, batch_size: int) -> dict[str, list[Place]]:
    """The places that share a name: the towers' layers of one level, or a layer with one owner."""
    levels: dict[str, list[Place]] = {}
    for place in places(net, batch_size):
        levels.setdefault(place.name, []).append(place)
    return levels


def plain_twin(layer: Layer) -> Layer | None:
    """The plain layer that a fast one (layers/fast/) stands for, with the same parameters; None for one that has no twin."""
    plain = next(kind for kind in type(layer).__mro__ if not kind.__module__.startswith(fast.__name__))
    if plain is type(layer):
        return None
    twin = single_twin(layer)
    twin.__class__ = plain
    return twin


def single_twin(layer: Layer) -> Layer:
    """The same layer with the same parameters, and with gradients of its own."""
    twin = copy(layer)
    twin.grads = {}
    return twin


def leaves(tower: Layer) -> list[tuple[str, Layer]]:
    return list(tower.leaves()) if isinstance(tower, Sequential) else [(tower.name, tower)]


def describe(net: Net) -> list[dict[str, Any]]:
    """The net as plain data, from which somebody else's library can build the same: a list of stages."""
    return [_stage(stage) for stage in net.stages]


def _stage(stage: Stage) -> dict[str, Any]:
    if isinstance(stage, Towers):
        return {"stage": "towers", "towers": [[describe_layer(name, layer) for name, layer in leaves(t)] for t in stage.towers]}
    return {"stage": "join" if isinstance(stage, Exchange | Gather) else "images", "copies": _copies(stage)}


def _copies(stage: Stage) -> int:
    """How many towers read what this stage gives."""
    return 1 if isinstance(stage, Gather) else len(stage.devices)


def describe_layer(name: str, layer: Any) -> dict[str, Any]:
    """{"kind": "Conv2d", ...}: a layer by its public name and arguments."""
    said = {"name": name, "kind": type(layer).__name__}
    match layer:
        case layers.Conv2d():
            keys: tuple[str, ...] = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "groups")
        case layers.Linear():
            keys = ("in_features", "out_features")
        case layers.MaxPool2d() | layers.AvgPool2d():
            keys = ("kernel_size", "stride", "padding", "ceil_mode")
        case layers.LocalResponseNorm():
            keys = ("size", "alpha", "beta", "k", "alpha_over_size", "groups")
        case layers.Dropout():
            keys = ("p",)
        case _:
            keys = ()
    return said | {key: getattr(layer, key) for key in keys}
