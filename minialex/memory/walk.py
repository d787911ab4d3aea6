"""A training step on paper: what each device holds, layer by layer, forward and backward, and at which moment it is most.

Two steps are gone through, for the second still has in its hands what the first one left: a layer lets go of the activations of
the last step when it keeps new ones, and of a weight's gradient when it has the new one. `_rule` says what each kind of layer
keeps and needs; it follows the layers' code, and a test holds it against what NumPy really asks for.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any, NamedTuple

from minialex import layers
from minialex.arrays import Shape
from minialex.devices.cpu import cores
from minialex.layers import Layer, Sequential, fast
from minialex.layers.fast.tiles import Tiles
from minialex.net import Net
from minialex.towers import Exchange, Gather, Stage, Towers

KINDS = ("parameters", "gradients", "velocities", "activations", "copies", "workspace")
Shapes = tuple[Shape, ...]


def fullest(net: Net, batch_size: int) -> dict[str, Counter[str]]:
    """For each device, bytes by kind at the fullest moment of a step with so many images."""
    books = {name: _Book(net.dtype.itemsize) for name in dict.fromkeys(d.name for s in net.stages for d in s.devices)}
    for name, device, layer in net.layers():
        for key, value in layer.params.items():
            books[device.name].hold("parameters", f"{name}.{key}", value.nbytes)
            books[device.name].hold("velocities", f"{name}.{key}", value.nbytes)
    for _ in range(2):
        shapes: Shapes = ((batch_size, *net.input_shape),)
        passed: list[tuple[Stage, Shapes, Shapes]] = []
        for stage in net.stages:
            passed.append((stage, shapes, stage.output_shapes(shapes)))
            _forward(*passed[-1], books)
            shapes = passed[-1][2]
        for stage, ins, outs in reversed(passed):
            _backward(stage, ins, outs, books)
    return {name: book.fullest for name, book in books.items()}


class _Book:
    """One device's memory: what is held under which name, and the fullest moment so far. item: bytes of a number."""

    def __init__(self, item: int) -> None:
        self.item = item
        self.held: dict[tuple[str, str], int] = {}
        self.peak = 0
        self.fullest = Counter[str]()

    def hold(self, kind: str, name: str, size: int) -> None:
        """Make an array of this size; only then let go of the one that had its name."""
        self.need(size)
        self.held[kind, name] = size

    def keep(self, kind: str, name: str, size: int) -> None:
        """An array that is made once, and filled anew in every step."""
        if self.held.get((kind, name)) != size:
            self.hold(kind, name, size)

    def keep_most(self, kind: str, name: str, size: int) -> None:
        """An array that serves many, one after the other, and is as large as the largest that they need."""
        if size > self.held.get((kind, name), 0):
            self.hold(kind, name, size)

    def need(self, size: int) -> None:
        """So much more for a moment."""
        if (now := sum(self.held.values()) + size) > self.peak:
            self.peak, self.fullest = now, Counter({"workspace": size})
            for (kind, _), held in self.held.items():
                self.fullest[kind] += held


class _Rule(NamedTuple):
    """own: bytes that a layer makes and keeps for backward; x, y: whether it keeps its input and its output as well.

    forward, backward: bytes that it needs for a moment, besides its input, its output and their gradients. rooms: bytes of
    the workspaces, by name, which all layers of a device share and which are kept.
    """

    own: int = 0
    x: bool = False
    y: bool = False
    forward: int = 0
    backward: int = 0
    rooms: dict[str, int] = {}  # noqa: RUF012  nobody writes to it


def _rule(layer: Any, ins: Shape, outs: Shape, item: int, module: str = "numpy") -> _Rule:
    """The rule for this layer with an input and an output of these shapes. A layer unknown here is taken to keep both."""
    x, y = item * prod(ins), item * prod(outs)
    if module != "numpy" and (kernels := _by_kernels(layer, x, outs)) is not None:
        return kernels
    match layer:
        case layers.Conv2d():
            rule = _convolution(layer, ins, outs, item, module)
        case layers.Linear():
            turned = isinstance(layer, fast.Linear) and module == "numpy" and layer.out_features > ins[0]
            rule = _Rule(x=True, rooms={"turned": y if turned else 0})
        case fast.MaxPool2d() | fast.AvgPool2d():
            rule = _pool(layer, ins, outs, item)
        case layers.MaxPool2d():
            rule = _Rule(x=True, y=True, backward=2 * y)
        case fast.LocalResponseNorm():  # d and e; of some pixels two arrays on the way
            part = min(x, layer.piece_bytes)
            rule = _Rule(own=2 * x, x=True, y=True, rooms={"one": part, "two": part, "d": part})
        case layers.LocalResponseNorm():
            rule = _Rule(own=x, x=True, y=True, forward=x, backward=3 * x)
        case layers.SpatialResponseNorm():
            rule = _spatial(layer, ins, item)
        case layers.AvgPool2d():
            rule = _Rule(x=True, backward=y)
        case layers.Dropout():  # the mask as factors; the numbers drawn for it, and the truth of each
            rule = _Rule(own=x, forward=5 * prod(ins))
        case layers.ReLU():
            rule = _Rule(y=True, backward=prod(outs))
        case _:
            rule = _Rule() if isinstance(layer, layers.Flatten) else _Rule(x=True, y=True, backward=2 * y)
    return rule


def _spatial(layer: layers.SpatialResponseNorm, ins: Shape, item: int) -> _Rule:
    """d; the squares or t, with zeros around them; the sums over rows, then over both."""
    N, C, H, W = ins
    x, wide = item * prod(ins), item * N * C * (W + layer.size - 1)
    square, rows = wide * (H + layer.size - 1), wide * H
    return _Rule(own=x, x=True, y=True, forward=square + rows, backward=square + rows + x)


def _pool(layer: fast.MaxPool2d | fast.AvgPool2d, ins: Shape, outs: Shape, item: int) -> _Rule:
    """Of a few images: what is found down the columns; for maxima the same dealt out, and bytes that tell the winners; where
    the windows and their winners are, in int64. A byte for each window is kept, and where the windows are.
    """
    N, C, H, W = ins
    few = min(N, max(1, layer.piece_bytes // max(1, item * C * H * W)))
    columns, windows = few * C * outs[2] * W, few * prod(outs[1:])
    rooms = {"columns of windows": item * columns}
    if isinstance(layer, fast.AvgPool2d):
        return _Rule(x=True, backward=item * prod(outs), rooms=rooms)
    kernel, stride = layer.kernel_size[1], layer.stride[1]
    dealt = few * C * outs[2] * (outs[3] + (kernel - 1) // stride)
    rooms |= {"winning rows": columns, "won": columns, "dealt code": dealt, "dealt won": dealt, "dealt y": item * dealt}
    rooms |= {"dealt": min(kernel, stride) * (item + 1) * dealt, "winners": 8 * windows, f"windows of {ins}": 8 * windows}
    return _Rule(own=prod(outs), x=True, y=True, rooms=rooms)


def _by_kernels(layer: Any, x: int, outs: Shape) -> _Rule | None:
    """The rule for a layer that a GPU computes with kernels of its own: they keep little."""
    match layer:
        case fast.LocalResponseNorm():  # x and the denominators
            return _Rule(own=x, x=True)
        case fast.MaxPool2d():  # a byte for each winner
            return _Rule(own=prod(outs))
        case fast.AvgPool2d() | fast.Dropout():  # the mask is drawn again
            return _Rule()
        case fast.ReLU():
            return _Rule(y=True)
        case _:
            return None


def _convolution(layer: layers.Conv2d, ins: Shape, outs: Shape, item: int, module: str) -> _Rule:
    """Columns of a few images, their gradient, and the filters in another order."""
    if module == "numpy" and isinstance(layer, fast.Conv2d) and (parts := layer.tiles(ins)):
        return _in_tiles(layer, parts, ins, item)
    (kH, kW), (N, C, H, W), (_, O, oH, oW) = layer.kernel_size, ins, outs
    one = oH * oW * kH * kW * C // layer.groups * item
    few = min(N, max(1, layer.workspace_bytes[module] // one))
    images = item * few * C * (H + 4) * (W + 4)
    weights = item * kH * kW * C // layer.groups * O
    if module != "numpy":
        return _Rule(x=True, forward=weights, backward=2 * weights, rooms={"columns": few * one})
    if isinstance(layer, fast.Conv2d):  # a row of columns has a 1 more
        rooms = {"columns": few * (one + oH * oW * item), "padded": images}
        return _Rule(x=True, forward=2 * weights, backward=3 * weights + images, rooms=rooms)
    # the columns and their product; in backward two blocks' columns, for the last ones go when the next are there
    forward, backward = few * one + item * few * oH * oW * O, 2 * few * one
    return _Rule(x=True, forward=forward + images + weights, backward=backward + 2 * images + 3 * weights)


def _in_tiles(layer: fast.Conv2d, parts: tuple[Tiles, ...], ins: Shape, item: int) -> _Rule:
    """A few images' tiles and what becomes of them, and the filters, in rooms; images with padding, dW and its parts."""
    N, C, O = ins[0], layer.in_channels // layer.groups * prod(layer.stride), layer.out_channels // layer.groups
    few, rooms, own = min(N, layer.images_at_once(parts, item)), dict[str, int](), 0
    for tiles in parts:
        nn, mm, p = prod(tiles.width), prod(tiles.m), few * prod(tiles.grid)
        U, V, M, Y = (item * size for size in (nn * C * O, nn * p * C, nn * p * O, mm * p * O))
        cells = item * few * prod(tiles.cover) * C
        more = U if few < N or len(parts) > 1 else 0
        part = {"V": V, "M": M, "tiles": max(V, Y), "cells": cells, "U": U, "dU": U, "more": more}
        if layer.stride == (1, 1):
            part["padded"] = cells
        rooms = {name: max(size, rooms.get(name, 0)) for name, size in part.items()}
        own += layer.groups * V * N // few if layer.keeps_values else 0
    W = item * layer.params["weight"].size
    if layer.kept is not None:
        rooms[f"filters of {id(layer)}"] = 2 * rooms["U"] * layer.groups + W
    return _Rule(own=own, x=True, forward=2 * W, backward=4 * W, rooms=rooms)


def _forward(stage: Stage, ins: Shapes, outs: Shapes, books: dict[str, _Book]) -> None:
    if isinstance(stage, Towers):
        for t, (tower, device) in enumerate(zip(stage.towers, stage.devices, strict=True)):
            module = _module(device.name)
            _tower_forward(
                _leaves(tower, t), ins[t], books[device.name], module, _cut(tower, ins[t], books[device.name], module)
            )
        return
    for to in _owners(stage):
        book = books[to]
        if isinstance(stage, Exchange | Gather):
            away = [shape for shape, device in zip(ins, stage.devices, strict=True) if device.name != to]
            book.keep("copies", f"{stage.name} forward", sum(book.item * prod(shape) for shape in away))
            book.hold("activations", f"{stage.name} joined", book.item * prod(outs[0]))
        elif _module(to) != "numpy":  # from the host, of which CPU devices read the array itself. On a GPU there is another
            # buffer, for the batch that comes next; two of bytes and one of views take less, unless the stored images have more
            # than twice the views' pixels
            book.keep("copies", stage.name, 2 * book.item * prod(outs[0]))


def _backward(stage: Stage, ins: Shapes, outs: Shapes, books: dict[str, _Book]) -> None:
    if isinstance(stage, Towers):
        for t, (tower, device) in enumerate(zip(stage.towers, stage.devices, strict=True)):
            module = _module(device.name)
            _tower_backward(
                _leaves(tower, t), ins[t], books[device.name], module, _cut(tower, ins[t], books[device.name], module)
            )
    elif isinstance(stage, Exchange | Gather):  # slices are cut, a copy; each owner collects its own, and adds
        for owner in dict.fromkeys(device.name for device in stage.devices):
            book, sources = books[owner], _owners(stage)
            mine = sum(book.item * prod(s) for s, device in zip(ins, stage.devices, strict=True) if device.name == owner)
            book.keep("copies", f"{stage.name} backward", mine * sum(source != owner for source in sources))
            book.need((2 * book.item * prod(outs[0]) if owner in sources else 0) + mine)


def _tower_forward(tower: dict[str, Layer], shape: Shape, book: _Book, module: str, cut: _Cut) -> None:
    """`cut.part` images at a time. An output stays where its layer or the next one keeps it, and some stay for all images."""
    shapes = _shapes(tower, shape)
    rules = _rules(tower, shapes, cut.part, book.item, module)
    whole = {}
    for place, (name, layer) in enumerate(tower.items()):
        rule, last = rules[place], place == len(tower) - 1
        y = book.item * cut.part * prod(shapes[place + 1][1:])
        for room, size in rule.rooms.items():
            book.keep_most("workspace", room, size * cut.at_once)
        book.need((y + rule.forward) * cut.at_once)
        if cut.part < shape[0] and layer.params and cut.kept == 1 and not last:
            book.keep("activations", f"{name} of all, kept", y // cut.part * shape[0])
        elif cut.part < shape[0] and last:
            whole[name] = y // cut.part * shape[0]
            book.hold("activations", f"{name} of all", whole[name])
        book.hold("activations", f"{name} makes", rule.own * cut.kept)
        book.hold("activations", f"{name} y", y * cut.kept if rule.y or (not last and rules[place + 1].x) else 0)
    for name, size in whole.items():  # those of the last step are let go only now
        del book.held["activations", f"{name} of all"]
        book.held["activations", f"{name} of all, kept"] = size


def _tower_backward(tower: dict[str, Layer], shape: Shape, book: _Book, module: str, cut: _Cut) -> None:
    """The gradients of a layer's output and input, and what it needs in between; each weight gets a new gradient."""
    shapes = _shapes(tower, shape)
    rules = _rules(tower, shapes, cut.part, book.item, module)
    reads_pixels = next(iter(tower.values())).input_gradient
    both = book.item * (prod(shapes[-1]) + (prod(shape) if reads_pixels else 0)) if cut.part < shape[0] else 0
    for place, (name, layer) in reversed(list(enumerate(tower.items()))):
        x, y = (book.item * cut.part * prod(shapes[place + i][1:]) for i in (0, 1))
        book.need(both + (x * (place > 0 or reads_pixels) + y + rules[place].backward) * cut.at_once)
        for key, value in layer.params.items():
            make = book.keep if isinstance(layer, fast.Linear) else book.hold
            make("gradients", f"{name}.{key}", value.nbytes * (1 if cut.kept == 1 else 1 + cut.kept))


def _rules(tower: dict[str, Layer], shapes: list[Shape], part: int, item: int, module: str) -> list[_Rule]:
    few = [(part, *shape[1:]) for shape in shapes]
    return [_rule(layer, few[n], few[n + 1], item, module) for n, layer in enumerate(tower.values())]


class _Cut(NamedTuple):
    """How a tower takes the batch: `part` images at a time, so many parts at once, and of how many parts all is kept."""

    part: int
    at_once: int = 1
    kept: int = 1


def _cut(tower: Layer, shape: Shape, book: _Book, module: str) -> _Cut:
    """How this tower takes a batch of this shape."""
    N = shape[0]
    if not isinstance(tower, fast.Blocked | fast.Split):
        return _Cut(N)
    largest = max(prod(each[1:]) for each in _shapes(_leaves(tower, 0), shape)) * book.item
    if isinstance(tower, fast.Blocked):
        return _Cut(min(N, max(1, tower.block_bytes[module] // largest)))
    part = min(N, max(1, tower.piece_bytes[module] // largest))
    pieces = -(-N // part)
    return _Cut(part, min(pieces, cores() if module == "numpy" else 1), pieces)


def _leaves(tower: Layer, t: int) -> dict[str, Layer]:
    leaves = tower.leaves() if isinstance(tower, Sequential) else [(tower.name, tower)]
    return {f"{name}.{t}": layer for name, layer in leaves}


def _shapes(tower: dict[str, Layer], shape: Shape) -> list[Shape]:
    """The shape of the input, and after each layer."""
    shapes = [shape]
    for layer in tower.values():
        shapes.append(layer.output_shape(shapes[-1]))
    return shapes


def _owners(stage: Stage) -> list[str]:
    """The devices on which a stage's output lies."""
    home = stage.devices[stage.owner : stage.owner + 1] if isinstance(stage, Gather) else stage.devices
    return list(dict.fromkeys(device.name for device in home))


def _module(device: str) -> str:
    return "numpy" if device.startswith("cpu") else "cupy"
