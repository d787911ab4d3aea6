"""Habits of the 2012 code in how it shows its images: one order for all epochs, windows shared by images in a row, and
colours that end some epochs before the rest does. Without them this is the Loader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.data.augment import Augmentation
from minialex.data.batches import Batch
from minialex.data.dataset import Split
from minialex.data.loader import Loader
from minialex.data.views import CentreCrop, Draws


class Batches2012(Loader):
    """augment: as in a Loader; after epoch `colour_until`, if given, `plain` takes its place.

    one_order: the order of epoch 1 in every epoch. crop_chunk: so many images that follow each other in the order are shown in
    the same window, all mirrored or none; the 2012 code did so with 32, so that a batch of 128 had 4 different windows.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        augment: Augmentation,
        seed: int = 0,
        *,
        plain: Augmentation | None = None,
        colour_until: int | None = None,
        crop_chunk: int = 1,
        one_order: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(split, batch_size, augment, seed, **options)
        self._coloured, self._plain, self._until = augment, plain or augment, colour_until
        self.crop_chunk, self.one_order = crop_chunk, one_order

    def order(self, number: int) -> Array:
        return super().order(1 if self.one_order else number)

    def epoch(self, number: int, start: int = 0, *, as_bytes: bool = False) -> Iterator[Batch]:
        view = self._coloured if self._until is None or number <= self._until else self._plain
        self.augment = view if self.crop_chunk == 1 else Shared(view, self.order(number), self.crop_chunk)
        return super().epoch(number, start, as_bytes=as_bytes)


class Shared(CentreCrop):
    """An Augmentation in which each `chunk` images in a row of `order` have one window; their colours are their own."""

    def __init__(self, view: Augmentation, order: Array, chunk: int) -> None:
        super().__init__(view.image_shape, view.crop, mean=view.mean, mean_at=view.mean_at, scale=view.scale)
        self.view, self.divisor = view, view.divisor
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        self._first = order[place // chunk * chunk]  # for each image, the one whose window it shares

    def draw(self, seed: int, epoch: int, count: int) -> Draws:
        own = self.view.draw(seed, epoch, count)
        return Draws(*own.rows(self._first)[:3], own.colours)
