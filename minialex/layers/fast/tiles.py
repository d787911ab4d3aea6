"""How a convolution's images are cut into tiles, and its outputs put together from tiles: copies and their adjoints.

A tile is what m x m neighbouring outputs see. With a stride s each s x s pixels are first made one cell of s² C channels: over
the cells the kernel has r = ceil(k / s) taps a side, whose last pixels may lie beyond k and count as 0, and the stride is 1. So
tiles are n = m + r - 1 cells wide, begin m apart, and neighbours share r - 1 rows or columns.

Arrays of tiles have the place within a tile first; then the tiles p = (image, row, column); then the channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from minialex.arrays import Array, zeros
from minialex.layers.fast.workspace import room
from minialex.layers.im2col import Sides, pad_channels_last, windows

Pair = tuple[int, int]


@dataclass(frozen=True)
class Tiles:
    """The tiles of one convolution. m: a tile's outputs, outputs: an image's; each is (height, width)."""

    m: Pair
    kernel: Pair
    stride: Pair
    padding: Sides
    outputs: Pair

    @property
    def taps(self) -> Pair:
        return -(-self.kernel[0] // self.stride[0]), -(-self.kernel[1] // self.stride[1])

    @property
    def width(self) -> Pair:
        """n, the cells of a tile."""
        return self.m[0] + self.taps[0] - 1, self.m[1] + self.taps[1] - 1

    @property
    def grid(self) -> Pair:
        """How many rows and columns of tiles cover an image."""
        return -(-self.outputs[0] // self.m[0]), -(-self.outputs[1] // self.m[1])

    @property
    def cover(self) -> Pair:
        """How many rows and columns of cells these tiles reach over."""
        return self.grid[0] * self.m[0] + self.taps[0] - 1, self.grid[1] * self.m[1] + self.taps[1] - 1

    def cut(self, x: Array) -> Array:
        """x (N, C, H, W) -> its tiles (n n, p, s² C), in the room for tiles."""
        N, C, seen = len(x), x.shape[1], x[self._seen(x)]
        (height, width), (sH, sW), (top, _, left, _), (h, w) = self.cover, self.stride, self.padding, seen.shape[2:]
        pixels = pad_channels_last(seen, (top, height * sH - top - h, left, width * sW - left - w))
        cells = pixels.reshape(N, height, sH, width, sW, C).transpose(0, 1, 3, 2, 4, 5).reshape(N, height, width, sH * sW * C)
        tiles = room(x, (*self.width, N, *self.grid, cells.shape[3]), "tiles")
        tiles[...] = windows(cells, self.width, self.m).transpose(3, 4, 0, 1, 2, 5)
        return tiles.reshape(prod(self.width), -1, cells.shape[3])

    def cut_adjoint(self, dtiles: Array, dx: Array) -> None:
        """dx (N, C, H, W) from dtiles (n n, p, s² C): where tiles overlap they add up, m x m cells of each at a time."""
        N, C, (rows, columns), (mH, mW), (sH, sW) = len(dx), dx.shape[1], self.grid, self.m, self.stride
        down, right = -(-self.width[0] // mH), -(-self.width[1] // mW)
        cells = room(dtiles, (N, rows + down - 1, mH, columns + right - 1, mW, dtiles.shape[2]), "cells")
        cells[...] = 0
        dtiles = dtiles.reshape(*self.width, N, rows, columns, -1).transpose(2, 3, 0, 4, 1, 5)
        for u, v in np.ndindex(down, right):
            part = dtiles[:, :, u * mH : (u + 1) * mH, :, v * mW : (v + 1) * mW]
            cells[:, u : u + rows, : part.shape[2], v : v + columns, : part.shape[4]] += part
        height, width = (rows + down - 1) * mH, (columns + right - 1) * mW
        pixels = cells.reshape(N, height, width, sH, sW, C).transpose(0, 1, 3, 2, 4, 5).reshape(N, height * sH, width * sW, C)
        top, _, left, _ = self.padding
        if dx[self._seen(dx)].shape != dx.shape:
            dx[...] = 0  # rows and columns that no kernel reaches
        seen = dx[self._seen(dx)]
        seen[...] = pixels[:, top : top + seen.shape[2], left : left + seen.shape[3]].transpose(0, 3, 1, 2)

    def lay(self, tiles: Array, b: Array, y: Array) -> None:
        """y (N, oH, oW, O) from the outputs of the tiles (m m, p, O), plus b; what lies beyond the edge is dropped."""
        whole, in_tiles = self._outputs(y)
        np.add(tiles.reshape(in_tiles.shape), b, out=in_tiles)
        y[...] = whole[:, : y.shape[1], : y.shape[2]]

    def lay_adjoint(self, dy: Array) -> Array:
        """dy (N, oH, oW, O) -> the gradients of the tiles' outputs (m m, p, O), 0 beyond the edge; in the room for tiles."""
        whole, in_tiles = self._outputs(dy)
        whole[:, : dy.shape[1], : dy.shape[2]] = dy
        whole[:, dy.shape[1] :] = 0
        whole[:, :, dy.shape[2] :] = 0
        dtiles = room(dy, in_tiles.shape, "tiles")
        dtiles[...] = in_tiles
        return dtiles.reshape(prod(self.m), -1, dy.shape[3])

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

    def _seen(self, x: Array) -> tuple[slice, ...]:
        """What the tiles reach of x (N, C, H, W): with a stride not always all."""
        (height, width), (sH, sW), (top, _, left, _) = self.cover, self.stride, self.padding
        return slice(None), slice(None), slice(height * sH - top), slice(width * sW - left)

    def _outputs(self, y: Array) -> tuple[Array, Array]:
        """Room for images of whole tiles, of as many images and channels as y; and the same numbers in the order of tiles."""
        (N, _, _, O), (rows, columns), (mH, mW) = y.shape, self.grid, self.m
        whole = room(y, (N, rows * mH, columns * mW, O), "cells")
        return whole, whole.reshape(N, rows, mH, columns, mW, O).transpose(2, 4, 0, 1, 3, 5)
