r"""Pooling one side after the other: what both kinds share on a CPU.

    y[i, j] = max_u max_v x[i sH + u, j sW + v]        likewise sums: kH + kW steps instead of kH kW

Down the columns first, from rows that lie in one piece in memory, then along the rows. No padding is put around the images.
Place k of window i is pixel i s + k - before, with so many pixels of padding in front of the first; where an image begins later
than its windows, or ends earlier, some windows have no pixel at this place, and are left out there.

Images are taken by the few, so that they are still in the cache at the next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from minialex.arrays import Array, Shape, empty
from minialex.layers import pool
from minialex.layers.fast.workspace import room
from minialex.layers.im2col import pad_channels_last


class Side(NamedTuple):
    """One axis of images (n, H, W, C), 1 or 2, and the windows along it."""

    axis: int
    kernel: int
    stride: int
    before: int

    @lru_cache(maxsize=256)  # noqa: B019  a Side is nothing but four numbers
    def reach(self, place: int, pixels: int, windows: int) -> tuple[slice, slice]:
        """Of so many windows those that have one of so many pixels at this place, and these pixels."""
        begin = place - self.before
        first = max(0, -(begin // self.stride))
        last = max(first, min(windows, (pixels - 1 - begin) // self.stride + 1))
        begin += first * self.stride
        return slice(first, last), slice(begin, begin + (last - first) * self.stride, self.stride)

    def counts(self, pixels: int, windows: int) -> list[int]:
        """How many pixels each window has."""
        begins = [window * self.stride - self.before for window in range(windows)]
        return [min(begin + self.kernel, pixels) - max(begin, 0) for begin in begins]

    def along(self, of_two: Any, nothing: float, x: Array, out: Array) -> Array:
        """out = the maxima (of_two: np.maximum, nothing: -inf) or the sums (np.add, 0) of x under out's windows."""
        pairs = [self._pair(place, x, out) for place in range(self.kernel)]
        whole = [pixels for windows, pixels in pairs if windows.shape == out.shape]
        if len(whole) > 1:
            of_two(whole[0], whole[1], out=out)
        else:
            out[...] = whole[0] if whole else nothing
        for pixels in whole[2:]:
            of_two(out, pixels, out=out)
        for windows, pixels in pairs:
            if windows.shape != out.shape:
                of_two(windows, pixels, out=windows)
        return out

    def spread(self, dy: Array, dx: Array) -> None:
        """dx, made anew, the gradient of sums: for each pixel the sum of dy over the windows that have it."""
        seen = 0 if self.kernel < self.stride else max(0, dy.shape[self.axis] * self.stride - self.before)
        dx[self._cut(slice(seen, None))] = 0
        for place in range(self.kernel):
            windows, pixels = self._pair(place, dx, dy)
            if place < self.stride:  # nobody has been there
                pixels[...] = windows
            else:
                pixels += windows

    def _pair(self, place: int, images: Array, of_windows: Array) -> tuple[Array, Array]:
        windows, pixels = self.reach(place, images.shape[self.axis], of_windows.shape[self.axis])
        return of_windows[self._cut(windows)], images[self._cut(pixels)]

    def _cut(self, part: slice) -> tuple[slice, ...]:
        return (slice(None),) * self.axis + (part,)


class BySides(pool._Pool2d):
    """A layer that pools as above."""

    piece_bytes = 4 << 20  # of x: with less, towers wait for each other's Python; with more, images leave the cache

    @property
    def sides(self) -> tuple[Side, Side]:
        (kH, kW), (sH, sW), (top, _, left, _) = self.kernel_size, self.stride, self.padding
        return Side(1, kH, sH, top), Side(2, kW, sW, left)

    def _of_windows(self, of_two: Any, nothing: float, x: Array) -> Array:
        """y (N, oH, oW, C), the maxima or the sums."""
        N, C, oH, oW = self.output_shape(x.shape)
        y, (down, along) = empty(x, (N, oH, oW, C)), self.sides
        for images, n in self._pieces(x):
            along.along(of_two, nothing, down.along(of_two, nothing, images, self._columns(images, oH)), y[n])
        return y

    def _pieces(self, x: Array) -> Iterator[tuple[Array, slice]]:
        """Some images (n, H, W, C), contiguous: x's own memory, if they lie there so; and which they are."""
        step = max(1, self.piece_bytes // max(1, prod(x.shape[1:]) * x.itemsize))
        for n in range(0, len(x), step):
            yield pad_channels_last(x[n : n + step], (0, 0, 0, 0), make=_images_room), slice(n, min(n + step, len(x)))

    def _columns(self, images: Array, oH: int) -> Array:
        """The room for what is found down the columns."""
        n, _, W, C = images.shape
        return room(images, (n, oH, W, C), "columns of windows")


def _images_room(like: Any, shape: Shape) -> Array:
    return room(like, shape, "images")
