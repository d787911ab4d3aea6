"""Images and blocks laid over them: where in the blocks each pixel stands, with the few views that this takes.

A convolution needs it twice (tiles.py): its outputs fall into tiles, and with a stride its pixels into cells. Blocks need not
begin where the image does, nor end there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise, product

from minialex.arrays import Array, Shape
from minialex.layers.im2col import Pair

Index = tuple[slice, ...]


def matching(pixels: Array, blocks: Array, begin: Pair = (0, 0)) -> Iterator[tuple[Array, Array]]:
    """The same places of pixels (N, H, W, C) and of blocks (N, rows, columns, h, w, C), as views (N, rows, columns, h, w, C).

    begin: where pixel (0, 0) lies from the first block's corner. Whole blocks come together, and what is at the edges apart.
    """
    for in_pixels, shape, in_blocks in _places(pixels.shape, blocks.shape[3:5], begin):
        yield pixels[in_pixels].reshape(shape).transpose(0, 1, 3, 2, 4, 5), blocks[in_blocks]


@lru_cache(maxsize=256)
def _places(pixels: Shape, block: Pair, begin: Pair) -> list[tuple[Index, Shape, Index]]:
    """Which pixels come together, (N, rows, h, columns, w, C) of them, and where in the blocks they stand."""
    (N, H, W, C), (h, w), every = pixels, block, slice(None)
    return [
        (
            (every, i, j),
            (N, rows.stop - rows.start, u.stop - u.start, columns.stop - columns.start, v.stop - v.start, C),
            (every, rows, columns, u, v),
        )
        for (i, rows, u), (j, columns, v) in product(_runs(begin[0], H, h), _runs(begin[1], W, w))
    ]


def _runs(begin: int, length: int, size: int) -> Iterator[tuple[slice, slice, slice]]:
    """[begin, begin + length) cut into what belongs to whole blocks and to the ends: which of it, blocks, places in them."""
    end = begin + length
    whole = min(-(-begin // size) * size, end)
    for a, b in pairwise((begin, whole, max(end // size * size, whole), end)):
        if a < b:
            yield slice(a - begin, b - begin), slice(a // size, -(-b // size)), slice(a % size, (b - 1) % size + 1)
