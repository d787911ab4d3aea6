"""Dropout whose mask is never in memory, where there is a GPU: the kernel draws it, in backward once more from the same key.

It is the mask that a CPU draws (layers/dropout.py), so a run goes on elsewhere as it would have here.
"""

from __future__ import annotations

from typing import NamedTuple

from minialex.arrays import Array, Shape
from minialex.layers import cuda, dropout


class Draws(NamedTuple):
    """Where the numbers of the last mask come from: key and counter for each slice."""

    slices: list[dict[str, int]]
    shape: Shape


class Dropout(dropout.Dropout):
    """The plain Dropout, as above on a GPU."""

    def forward(self, x: Array, train: bool = True) -> Array:
        if not (train and cuda.fits(x)):
            return super().forward(x, train)
        self._check_input(x)
        generators = self._keyed(x.shape[1] if x.ndim > 1 else 1)
        draws = [cuda.mask_numbers(philox, x.size // len(generators)) for philox in generators]
        self._saved = Draws(draws, x.shape)
        return cuda.dropout(x, self.p, draws)

    def backward(self, dy: Array) -> Array:
        saved = self._recall()
        if not isinstance(saved, Draws):
            return super().backward(dy)
        return cuda.dropout(self._check_upstream(dy, saved.shape), self.p, saved.slices)
