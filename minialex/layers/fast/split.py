r"""A stretch of layers for a net of one tower: pieces of the batch on all cores, each piece with layers of its own.

Each image goes its own way, and only the parameters' gradients are sums over the batch, as in blocked.py. So the batch is cut
into pieces B, and each piece has its own copy of the layers: the same parameters, the very same arrays, but what forward keeps
and the gradients are the copy's own. Then the pieces need nothing from each other, and may be computed at the same time:

    y[B] = f_B(x[B])        dx[B] = f_B'(dy[B])        dW = dW_0 + dW_1 + ...        in the order of the pieces

The order and the sizes do not depend on how many cores there are: neither does one bit of the result. Smaller pieces are work
for more cores, and nearer to their caches; but each has calls, filters and gradients of its own. Whoever owns the cores sets
`side_by_side`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import reduce
from math import prod
from operator import add
from typing import Any, TypeVar

from minialex.arrays import Array, Shape, array_module, empty
from minialex.layers import sequential as plain
from minialex.layers.base import Layer
from minialex.layers.fast.conv import Conv2d
from minialex.layers.fast.filters import Kept
from minialex.layers.fast.sequential import Sequential

T = TypeVar("T")


class Split(Sequential):
    """Sequential(...) for layers that treat each image alone; the same function, pieces side by side (one if a layer draws).

    piece_bytes: how large the largest array that passes between two layers may be for one piece.
    side_by_side: like map(); on a CPU device, one that uses its cores. keeps_values: whether convolutions in tiles keep V, four
    times their input and more, until backward; in nets that are small enough for this stretch it is sooner fetched than made.
    """

    piece_bytes: dict[str, int] = {"numpy": 8 << 20, "cupy": 1 << 62}  # noqa: RUF012
    side_by_side: Callable[..., Any] = staticmethod(map)
    keeps_values = True

    def __init__(self, *layers: Layer, **named: Layer) -> None:
        super().__init__(*layers, **named)
        for _, layer in self.leaves():
            if isinstance(layer, Conv2d):
                layer.kept, layer.keeps_values = Kept(), self.keeps_values

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        self._saved = None  # lets go of the last batch before it makes room for this one
        pieces = self._pieces(x)
        if len(pieces) == 1:
            y, copies = super().forward(x, train), []
        else:
            copies = [self.twin() for _ in pieces]
            y = _room(x, self.output_shape(x.shape))
            self._all(lambda twin, piece: _put(y, piece, twin.forward(x[piece], train)), copies, pieces)
        self._saved = x.shape, pieces, copies
        return y

    def backward(self, dy: Array) -> Array:
        shape, pieces, copies = self._recall()
        if not copies:
            return super().backward(dy)
        self._check_upstream(dy, self.output_shape(shape))
        parts = self._all(lambda twin, piece: twin.backward(dy[piece]), copies, pieces)
        for (_, leaf), *twins in zip(self.leaves(), *(twin.leaves() for twin in copies), strict=True):
            leaf.grads.update({key: reduce(add, (own.grads[key] for _, own in twins)) for key in leaf.params})
        dx = _room(dy, (shape[0], *parts[0].shape[1:]))
        for piece, part in zip(pieces, parts, strict=True):
            _put(dx, piece, part)
        return dx

    def twin(self) -> Sequential:
        """The same layers with the same parameters, and with memories of their own."""
        return _twin(self)

    def _all(self, work: Callable[..., T], copies: list[Sequential], pieces: list[slice]) -> list[T]:
        return list(self.side_by_side(work, copies, pieces))

    def images_at_once(self, shape: Shape, itemsize: int, module: str = "numpy") -> int:
        """How many images of this shape (N, C, H, W) a piece has."""
        shape = (1, *shape[1:])
        largest = prod(shape)
        for layer in self.layers:
            shape = layer.output_shape(shape)
            largest = max(largest, prod(shape))
        return max(1, self.piece_bytes[module] // (largest * itemsize))

    def _pieces(self, x: Array) -> list[slice]:
        if self.generators():
            return [slice(0, len(x))]  # what is drawn depends on the order
        step = self.images_at_once(x.shape, x.itemsize, array_module(x).__name__)
        return [slice(n, min(n + step, len(x))) for n in range(0, len(x), step)]


def _twin(layers: plain.Sequential) -> Sequential:
    copies: list[Layer] = []
    for layer in layers.layers:
        if isinstance(layer, plain.Sequential):
            copies.append(_twin(layer))
            copies[-1].name = layer.name
            continue
        own = copy(layer)
        for method in ("forward", "backward"):
            vars(own).pop(method, None)  # what a tracer has put in front of the original's
        own.grads, own._saved = {}, None
        copies.append(own)
    return Sequential(*copies)


def _room(like: Array, shape: Shape) -> Array:
    """New memory, channels-last for images."""
    if len(shape) != 4:
        return empty(like, shape)
    N, C, H, W = shape
    return empty(like, (N, H, W, C)).transpose(0, 3, 1, 2)


def _put(whole: Array, piece: slice, part: Array) -> None:
    whole[piece] = part
