r"""A stretch of layers, run over a few images at a time so that what they pass on stays in the cache.

Each image goes its own way through convolution, ReLU, normalisation and pooling; only the weights' gradients are sums over
the batch. So the batch may be cut into blocks B, each of which is taken through the whole stretch before the next one begins:

    y[B] = f_L(... f_1(x[B]))        dx[B] = f_1'(... f_L'(dy[B]))        dW = sum_B dW of block B

What the layers keep for their backward pass is overwritten by the next block. So forward keeps the outputs of the layers with
weights, which are dear to compute, and backward makes the cheap ones again from them, block by block. The batch's memory is
then one array for each convolution instead of three or four, and it serves one batch after the other. A batch that is one
block, as it is on a GPU, goes through the layers as it does in Sequential. In a test, after which backward is rare, nothing is
kept: it would make everything again.
"""

from __future__ import annotations

from math import prod

from minialex.arrays import Array, Shape, array_module, empty
from minialex.layers.base import Layer
from minialex.layers.fast.conv import Conv2d
from minialex.layers.fast.filters import Kept
from minialex.layers.fast.sequential import Sequential


class Blocked(Sequential):
    """Sequential(...) for layers that treat each image alone and draw nothing; the same function, block by block.

    block_bytes: how large the largest array that passes between two layers may be for one block. Fewer blocks are sooner done,
    larger ones take memory for all that their layers keep.
    """

    block_bytes: dict[str, int] = {"numpy": 7 << 20, "cupy": 1 << 62}  # noqa: RUF012
    _kept: tuple[object, Whole] | None = None

    def __init__(self, *layers: Layer, **named: Layer) -> None:
        super().__init__(*layers, **named)
        for _, layer in self.leaves():
            if isinstance(layer, Conv2d):
                layer.kept = Kept()

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        blocks, last = self._blocks(x), len(self.layers) - 1
        if len(blocks) == 1:
            self._saved = x, train, None
            return super().forward(x, train)
        self._saved, kept = None, self._room(x) if train else Whole(len(x))
        with self._joined():
            for block in blocks:
                part = x[block]
                for place, layer in enumerate(self.layers):
                    part = layer.apply(part, train)
                    if (layer.params and train) or place == last:
                        kept.put(place, block, part)
        self._saved = x, train, kept
        return kept.pop(last)

    def backward(self, dy: Array) -> Array:
        x, train, kept = self._recall()
        self._check_upstream(dy, self.output_shape(x.shape))
        if kept is None:
            return super().backward(dy)
        whole, totals = Whole(len(x)), [dict[str, Array]() for _ in self.leaves()]
        with self._joined():
            for block in self._blocks(x):
                self._again(x[block], train, {place: outputs[block] for place, outputs in kept.items()})
                gradient = dy[block]
                for layer in reversed(self.layers):
                    gradient = layer.backward(gradient)
                whole.put("dx", block, gradient)
                for total, (_, leaf) in zip(totals, self.leaves(), strict=True):
                    for key, value in leaf.grads.items():
                        total[key] = total[key] + value if key in total else value
        for total, (_, leaf) in zip(totals, self.leaves(), strict=True):
            leaf.grads.update(total)
        return whole["dx"]

    def _again(self, x: Array, train: bool, kept: dict[int | str, Array]) -> None:
        """Forward once more, as far as it was not kept."""
        for place, layer in enumerate(self.layers):
            if place in kept:
                layer.remember(x, kept[place])
                x = kept[place]
            elif layer.params and place == len(self.layers) - 1:
                layer.remember(x)
            else:
                x = layer.forward(x, train)

    def _room(self, x: Array) -> Whole:
        """Where the outputs are kept: the same memory, batch after batch, but for the last output, which is the caller's."""
        kind = x.shape, x.dtype, type(x)
        if self._kept is None or self._kept[0] != kind:
            self._kept = kind, Whole(len(x))
        return self._kept[1]

    def _blocks(self, x: Array) -> list[slice]:
        shape: Shape = (1, *x.shape[1:])
        largest = prod(shape)
        for layer in self.layers:
            shape = layer.output_shape(shape)
            largest = max(largest, prod(shape))
        step = max(1, self.block_bytes[array_module(x).__name__] // (largest * x.dtype.itemsize))
        return [slice(n, min(n + step, len(x))) for n in range(0, len(x), step)]


class Whole(dict[int | str, Array]):
    """Arrays of the whole batch of N images, put together block by block, in channels-last memory."""

    def __init__(self, N: int) -> None:
        super().__init__()
        self.N = N

    def put(self, name: int | str, block: slice, part: Array) -> None:
        """`part` at its place in the array of this name."""
        if len(part) == self.N:
            self[name] = part
            return
        if name not in self:
            rest = part.shape[1:]
            if part.ndim == 4:
                self[name] = empty(part, (self.N, *rest[1:], rest[0])).transpose(0, 3, 1, 2)
            else:
                self[name] = empty(part, (self.N, *rest))
        self[name][block] = part
