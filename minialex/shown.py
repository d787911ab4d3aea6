"""Images that a net is still to be shown: their bytes, and which view of each it shall see.

What a net sees of a stored image, (window - mean + colour) / divisor (data/views.py), has four bytes a number; the image itself
has one. So for GPUs the loader leaves images as they are. Beside their bytes stand a few numbers for each view, all in one
piece of memory, which crosses in one go. Each GPU makes the views itself, by a kernel (layers/cuda/views.py), and they are, to
the last bit, those that the host would have made.

    tops, lefts int32 (m,)   colours float32 (m, C)   mirrored uint8 (m,)   0 to 3 bytes of nothing   pixels uint8 (n, H, W, C)

for m views of n images; m is n, or a multiple of it: view k is of image k mod n. The mean is the same for all batches, so it
crosses once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np

from minialex.arrays import Array, Shape

FLOAT32 = np.dtype(np.float32)


class Parts(NamedTuple):
    """What stands in the memory, as arrays; pixels (n, C, H, W)."""

    tops: Array
    lefts: Array
    colours: Array
    mirrored: Array
    pixels: Array


class Layout(NamedTuple):
    """Where everything stands, for n `images` of this shape (C, H, W) and m `views`."""

    images: int
    views: int
    image_shape: Shape

    @property
    def size(self) -> int:
        """The bytes of the memory: a multiple of 4."""
        return -(-(self._numbers + self._pixels) // 4) * 4

    def parts(self, memory: Array) -> Parts:
        """The arrays in this memory, uint8 (size,), the host's or a GPU's. They are views of it."""
        m, (C, H, W) = self.views, self.image_shape
        colours, mirrored, end = 8 * m, 8 * m + 4 * m * C, self._numbers
        return Parts(
            memory[: 4 * m].view(np.int32),
            memory[4 * m : colours].view(np.int32),
            memory[colours:mirrored].view(np.float32).reshape(m, C),
            memory[mirrored:end],
            memory[self.size - self._pixels :].reshape(self.images, H, W, C).transpose(0, 3, 1, 2),
        )

    @property
    def _numbers(self) -> int:
        return self.views * (4 + 4 + 4 * self.image_shape[0] + 1)

    @property
    def _pixels(self) -> int:
        return self.images * prod(self.image_shape)


class Look(NamedTuple):
    """What all views have in common. crop: their (h, w). divisor: what they are divided by in the end.

    mean: float32, the view's own (h, w, C) with mean_at="centre", or with "pixel" the image's (H, W, C), of which each pixel
    loses its own. It is the same array for every batch.
    """

    crop: tuple[int, int]
    mean: Array
    mean_at: Literal["centre", "pixel"]
    divisor: float


@dataclass(frozen=True, eq=False)
class Shown:
    """A batch (m, C, h, w) of views that nobody has made yet. memory: what `layout` says; finish: makes them, on the host.

    Where an array is wanted (np.asarray) it is finished. dtype: what the views shall have in the end; they are made in float32.
    """

    memory: Array
    layout: Layout
    look: Look
    finish: Callable[[], Array]
    dtype: Any = FLOAT32

    @property
    def shape(self) -> Shape:
        """(m, C, h, w): what the net will see."""
        return self.layout.views, self.layout.image_shape[0], *self.look.crop

    @property
    def views(self) -> int:
        """How many there are of each image; those of one place, for all images, follow each other."""
        return self.layout.views // self.layout.images

    @property
    def pixels(self) -> Array:
        """The images' bytes, (n, C, H, W)."""
        return self.layout.parts(self.memory).pixels

    @property
    def nbytes(self) -> int:
        """The bytes that cross."""
        return self.memory.nbytes

    def __len__(self) -> int:
        return self.layout.views

    def astype(self, dtype: Any, copy: bool = False) -> Shown:
        """The same, for a net of this dtype."""
        return self if self.dtype == dtype else replace(self, dtype=np.dtype(dtype))

    def finished(self) -> Array:
        """The views, made here and now: an array of the host's, in channels-last memory."""
        return self.finish().astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.finished() if dtype is None else self.finished().astype(dtype, copy=False)
