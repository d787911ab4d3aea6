"""Which tiles a convolution takes, if any: those with the fewest multiplications, for everything else is copies.

A tile of n x n cells and m x m outputs takes, for C channels a cell and O kernels,

    n² n² C  (B ⊗ B times the tile)    +    n² C O  (a product for each place)    +    m² n² O  (A ⊗ A times the outcome)

Larger tiles need fewer products an output and cost more in B ⊗ B; what lies beyond the image's edge is computed for nothing.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from math import prod

from minialex.layers.fast import toom_cook
from minialex.layers.fast.tiles import Pair, Tiles
from minialex.layers.im2col import Sides


@cache
def cheapest(channels: Pair, kernel: Pair, stride: Pair, padding: Sides, outputs: Pair, pays: float) -> Tiles | None:
    """The tiles that take the fewest multiplications for these (input, output) channels; None where they save too few."""
    C, O = channels[0] * prod(stride), channels[1]

    def multiplications(tiles: Tiles) -> int:
        nn, mm = prod(tiles.width), prod(tiles.m)
        return prod(tiles.grid) * (nn * nn * C + nn * C * O + mm * nn * O)

    sizes = range(1, toom_cook.MOST + 1)
    all_tiles = [Tiles((mH, mW), kernel, stride, padding, outputs) for mH, mW in product(sizes, sizes)]
    fitting = [tiles for tiles in all_tiles if max(tiles.width) <= toom_cook.MOST]
    if not fitting or max(padding[:2]) >= kernel[0] or max(padding[2:]) >= kernel[1]:
        return None
    best = min(fitting, key=multiplications)
    plain = prod(outputs) * prod(kernel) * channels[0] * O
    return best if multiplications(best) <= pays * plain else None
