"""How a convolution's images are cut into tiles, and its outputs put together from tiles: copies and their adjoints.

A tile is what m x m neighbouring outputs see. With a stride s each s x s pixels are first made one cell of s² C channels: over
the cells the kernel has r = ceil(k / s) taps a side, whose last pixels may lie beyond k and count as 0, and the stride is 1. So
tiles are n = m + r - 1 cells wide, begin m apart, and neighbours share r - 1 rows or columns.

Arrays of tiles have the tiles first, p = (image, row, column); then the place within a tile; then the channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from minialex.arrays import Array, zeros
from minialex.layers.fast.matching import matching
from minialex.layers.fast.toom_cook import everywhere, in_two_dimensions
from minialex.layers.fast.workspace import filled, padded_room, room
from minialex.layers.im2col import Pair, Sides, pad_channels_last, windows


@dataclass(frozen=True)
class Tiles:
    """Tiles of one size, for a convolution's outputs or for a part of them.

    m: a tile's outputs; outputs: how many of an image's there are; begin: where they begin; largest: the m of the largest tiles
    of all parts, whose filters serve these as well. Each is (height, width).
    """

    m: Pair
    kernel: Pair
    stride: Pair
    padding: Sides
    outputs: Pair
    begin: Pair = (0, 0)
    largest: Pair = (0, 0)

    @cached_property
    def taps(self) -> Pair:
        return -(-self.kernel[0] // self.stride[0]), -(-self.kernel[1] // self.stride[1])

    @cached_property
    def width(self) -> Pair:
        """n, the cells of a tile."""
        return self.m[0] + self.taps[0] - 1, self.m[1] + self.taps[1] - 1

    @cached_property
    def grid(self) -> Pair:
        """How many rows and columns of tiles cover the outputs."""
        return -(-self.outputs[0] // self.m[0]), -(-self.outputs[1] // self.m[1])

    @cached_property
    def cover(self) -> Pair:
        """How many rows and columns of cells these tiles reach over."""
        return self.grid[0] * self.m[0] + self.taps[0] - 1, self.grid[1] * self.m[1] + self.taps[1] - 1

    def matrices(self, dtype: Any) -> tuple[Array, Array, Array]:
        """A ⊗ A, G ⊗ G and B ⊗ B for these tiles, in this dtype."""
        return in_two_dimensions(self.m, self.taps, dtype, self.largest)

    def add(self, b: Array, M: Array) -> None:
        """b (O,) to all outputs that will be made of M (p, n n, O): at one place of n n, instead of m m outputs."""
        for place in everywhere(self.m, self.taps):
            M[:, place] += b

    def add_adjoint(self, dM: Array) -> Array:
        """db (O,) from dM (p, n n, O): what stands where b was added."""
        first, *others = everywhere(self.m, self.taps)
        ones = filled(1, (len(dM),), dM.dtype)
        db: Array = ones @ dM[:, first]
        for place in others:
            db += ones @ dM[:, place]
        return db

    def cut(self, x: Array) -> Array:
        """x (N, C, H, W) -> its tiles (p, n n, s² C), in the room for tiles."""
        cells = self._cells(x)
        tiles = room(x, (len(x), *self.grid, *self.width, cells.shape[3]), "tiles")
        tiles[...] = windows(cells, self.width, self.m)
        return tiles.reshape(-1, prod(self.width), cells.shape[3])

    def cut_adjoint(self, dtiles: Array, dx: Array) -> None:
        """dx (N, C, H, W) from dtiles (p, n n, s² C): where tiles overlap they add up, m x m cells of each at a time.

        Tiles that begin at the first output make dx anew; those of other parts add to it.
        """
        N, (rows, columns), (mH, mW) = len(dx), self.grid, self.m
        down, right = self._reach
        cells = room(dtiles, (N, rows + down - 1, mH, columns + right - 1, mW, dtiles.shape[2]), "cells")
        cells[:, rows:] = cells[:, :, :, columns:] = 0
        dtiles = dtiles.reshape(N, rows, columns, *self.width, -1).transpose(0, 1, 3, 2, 4, 5)
        for (u, v), (in_tiles, among_cells) in self._overlaps.items():
            part, place = dtiles[in_tiles], cells[among_cells]
            np.copyto(place, part) if (u, v) == (0, 0) else np.add(place, part, out=place)
        seen, first = dx[self._seen], self.begin == (0, 0)
        if first and seen.shape != dx.shape:
            dx[...] = 0  # what other parts see, and rows and columns that no kernel reaches
        cells = cells.reshape(N, (rows + down - 1) * mH, (columns + right - 1) * mW, *self.stride, dx.shape[1])
        for pixels, in_cells in matching(seen.transpose(0, 2, 3, 1), cells, self._margin):
            if first:
                pixels[...] = in_cells
            else:
                pixels += in_cells

    def lay(self, tiles: Array, y: Array) -> None:
        """The tiles' outputs (p, m m, O) to their places in y (N, oH, oW, O); what lies beyond the edge is dropped."""
        for pixels, in_tiles in matching(y[self._outputs], tiles.reshape(len(y), *self.grid, *self.m, -1)):
            pixels[...] = in_tiles

    def lay_adjoint(self, dy: Array) -> Array:
        """dy (N, oH, oW, O) -> the gradients of the tiles' outputs (p, m m, O), 0 beyond the edge; in the room for tiles."""
        (N, _, _, O), (mH, mW) = dy.shape, self.m
        dtiles = room(dy, (N, *self.grid, mH, mW, O), "tiles")
        dtiles[:, self.outputs[0] // mH :] = 0
        dtiles[:, :, self.outputs[1] // mW :] = 0
        for pixels, in_tiles in matching(dy[self._outputs], dtiles):
            in_tiles[...] = pixels
        return dtiles.reshape(-1, mH * mW, O)

    def of_these(self, filters: Array) -> Array:
        """The filters (t, c, o) of the largest tiles, or their gradients -> those of these tiles' places (n, n, c, o)."""
        return filters.reshape(*self._most, *filters.shape[1:])[: self.width[0], : self.width[1]]

    def filters(self, W: Array) -> Array:
        """W (O, C, kH, kW) -> (r r, s² C, O), the taps over the cells."""
        (O, C, kH, kW), (rH, rW), (sH, sW) = W.shape, self.taps, self.stride
        whole = zeros(W, (rH * sH, rW * sW, C, O))
        whole[:kH, :kW] = W.transpose(2, 3, 1, 0)
        return whole.reshape(rH, sH, rW, sW, C, O).transpose(0, 2, 1, 3, 4, 5).reshape(rH * rW, sH * sW * C, O)

    def filters_adjoint(self, dfilters: Array) -> Array:
        """dW (O, C, kH, kW) from (r r, s² C, O)."""
        (kH, kW), (rH, rW), (sH, sW), O = self.kernel, self.taps, self.stride, dfilters.shape[2]
        whole = dfilters.reshape(rH, rW, sH, sW, -1, O).transpose(0, 2, 1, 3, 4, 5).reshape(rH * sH, rW * sW, -1, O)
        return whole[:kH, :kW].transpose(3, 2, 0, 1)

    def _cells(self, x: Array) -> Array:
        """x (N, C, H, W) -> the cells under the tiles (N, height, width, s² C), 0 beyond the image."""
        (N, C), (height, width), (sH, sW), (top, left) = x.shape[:2], self.cover, self.stride, self._margin
        seen = x[self._seen]
        h, w = seen.shape[2:]
        if self.stride == (1, 1):
            return pad_channels_last(seen, (top, height - top - h, left, width - left - w), make=padded_room)
        cells = room(x, (N, height, width, sH, sW, C), "cells")
        for axis, begin, end, stride in ((1, top, top + h, sH), (2, left, left + w, sW)):
            along = cells.swapaxes(0, axis)
            along[: -(-begin // stride)] = along[end // stride :] = 0
        for pixels, in_cells in matching(seen.transpose(0, 2, 3, 1), cells, self._margin):
            in_cells[...] = pixels
        return cells.reshape(N, height, width, sH * sW * C)

    @cached_property
    def _reach(self) -> Pair:
        """Over how many blocks of m x m cells, down and along, a tile reaches."""
        return -(-self.width[0] // self.m[0]), -(-self.width[1] // self.m[1])

    @cached_property
    def _overlaps(self) -> dict[Pair, tuple[tuple[slice, ...], tuple[slice, ...]]]:
        """Block (u, v) of each tile: where it is in (N, rows, n, columns, n, c), and where among the cells it lies."""
        (rows, columns), (mH, mW), (nH, nW), every = self.grid, self.m, self.width, slice(None)
        return {
            (u, v): (
                (every, every, slice(u * mH, (u + 1) * mH), every, slice(v * mW, (v + 1) * mW)),
                (every, slice(u, u + rows), slice(min(mH, nH - u * mH)), slice(v, v + columns), slice(min(mW, nW - v * mW))),
            )
            for u, v in np.ndindex(*self._reach)
        }

    @cached_property
    def _most(self) -> Pair:
        """The width of the largest tiles."""
        height, width = (max(m, most) + r - 1 for m, most, r in zip(self.m, self.largest, self.taps, strict=True))
        return height, width

    @cached_property
    def _from(self) -> Pair:
        """The image's row and column at which the cells begin; below 0 in the padding."""
        return self.begin[0] * self.stride[0] - self.padding[0], self.begin[1] * self.stride[1] - self.padding[2]

    @cached_property
    def _margin(self) -> Pair:
        """How many rows and columns of zeros stand before the image."""
        return max(0, -self._from[0]), max(0, -self._from[1])

    @cached_property
    def _seen(self) -> tuple[slice, ...]:
        """What the tiles reach of images (N, C, H, W): with a stride not always all."""
        (i, j), (height, width), (sH, sW) = self._from, self.cover, self.stride
        return slice(None), slice(None), slice(max(0, i), i + height * sH), slice(max(0, j), j + width * sW)

    @cached_property
    def _outputs(self) -> tuple[slice, ...]:
        """Which of all outputs (N, oH, oW, O) are these tiles'."""
        (i, j), (h, w) = self.begin, self.outputs
        return slice(None), slice(i, i + h), slice(j, j + w)
