"""Which tiles a convolution takes, if any: those with the fewest multiplications, for everything else is copies.

A tile of n x n cells and m x m outputs takes, for C channels a cell and O kernels,

    n² n² C  (B ⊗ B times the tile)    +    n² C O  (a product for each place)    +    m² n² O  (A ⊗ A times the outcome)

Larger tiles need fewer products an output and cost more in B ⊗ B; what lies beyond the image's edge is computed for nothing.
Where that is much, the last tiles of a row, and of a column, have an output less: 13 = 5 + 4 + 4, not 15. The outputs then fall
into up to four parts, each with tiles of one size.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from math import prod

from minialex.layers.fast import toom_cook
from minialex.layers.fast.tiles import Tiles
from minialex.layers.im2col import Pair, Sides

Run = tuple[int, int, int]  # outputs along one side: where they begin, how many they are, how many a tile has


@cache
def cheapest(
    channels: Pair, kernel: Pair, stride: Pair, padding: Sides, outputs: Pair, pays: float, splits: float
) -> tuple[Tiles, ...]:
    """The tiles, part by part, that take the fewest multiplications for these (input, output) channels.

    None of them where they take more than `pays` of the plain way's; in parts only where that leaves `splits` of them.
    """
    if max(padding[:2]) >= kernel[0] or max(padding[2:]) >= kernel[1]:
        return ()
    C, O = channels[0] * prod(stride), channels[1]

    def multiplications(parts: tuple[Tiles, ...]) -> float:
        def of(tiles: Tiles) -> int:
            nn, mm = prod(tiles.width), prod(tiles.m)
            return prod(tiles.grid) * (nn * nn * C + nn * C * O + mm * nn * O)

        return sum(map(of, parts)) / (splits if len(parts) > 1 else 1)

    tilings = [
        tuple(
            Tiles((mH, mW), kernel, stride, padding, (h, w), (i, j), (rows[0][2], columns[0][2]))
            for (i, h, mH), (j, w, mW) in product(rows, columns)
        )
        for rows, columns in product(_sides(outputs[0]), _sides(outputs[1]))
    ]
    fitting = [parts for parts in tilings if max(max(tiles.width) for tiles in parts) <= toom_cook.MOST]
    if not fitting:
        return ()
    best = min(fitting, key=multiplications)
    plain = prod(outputs) * prod(kernel) * channels[0] * O
    return best if multiplications(best) <= pays * plain else ()


def _sides(outputs: int) -> list[tuple[Run, ...]]:
    """Tiles for one side of so many outputs: of one size, which may reach over the edge, or of two, which do not."""
    sides: list[tuple[Run, ...]] = []
    for m in range(1, toom_cook.MOST + 1):
        sides.append(((0, outputs, m),))
        over = -outputs % m  # so many tiles have an output less
        whole = outputs - over * (m - 1)
        if over and whole > 0:
            sides.append(((0, whole, m), (whole, over * (m - 1), m - 1)))
    return sides
