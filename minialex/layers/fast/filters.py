"""A convolution's filters in the form of tiles: U = (G ⊗ G) W; and the same kept for as long as the weights stay what they are.

A stretch that is run over a few images at a time (blocked.py, split.py) calls its convolutions again and again with the same
weights. Whether they are the same is asked of the numbers themselves: a look at each takes little beside the transform, and
nobody has to say that an update, a checkpoint or a hand has changed one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from minialex.arrays import Array, contiguous
from minialex.layers.fast.tiles import Tiles
from minialex.layers.fast.workspace import room


def transformed(W: Array, tiles: Tiles, turned: bool = False) -> Array:
    """W (O, C, kH, kW) -> U (t, c, o), or Uᵀ (t, o, c), in a room."""
    taps = tiles.filters(W)
    return of_taps(tiles.matrices(W.dtype)[1], contiguous(taps.transpose(0, 2, 1)) if turned else taps, "U")


def of_taps(matrix: Array, filters: Array, name: str) -> Array:
    """matrix (i, t) times filters (t, c, o) -> (i, c, o), in the room of this name."""
    out = room(filters, (len(matrix), *filters.shape[1:]), name)
    np.matmul(matrix, filters.reshape(len(filters), -1), out=out.reshape(len(matrix), -1))
    return out


class Kept:
    """What has been made of the last weights that were seen. Threads may share it: each goes by one pair, old or new."""

    def __init__(self) -> None:
        self._last: tuple[Array, dict[Hashable, Array]] | None = None

    def of(self, weights: Array, name: Hashable, make: Callable[[], Array]) -> Array:
        """make(), copied, or what it gave under this name for the same weights; nobody may write to it."""
        last = self._last
        if last is None or last[0].dtype != weights.dtype or not np.array_equal(last[0], weights):
            self._last = last = weights.copy(), {}
        made = last[1]
        if name not in made:
            made[name] = make().copy()
        return made[name]
