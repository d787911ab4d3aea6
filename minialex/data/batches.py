"""How an epoch becomes batches: every image once, in an order that belongs to the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from typing import Protocol

from minialex.arrays import Array
from minialex.data.dataset import Split
from minialex.seeds import generator
from minialex.shown import Shown

Batch = tuple[Array | Shown, Array]  # images float32 (n, C, H, W), or bytes that will be; labels int64 (n,)


class Batches(Protocol):
    """Where a training loop gets its batches from."""

    def __len__(self) -> int:
        """Batches in an epoch."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of the epoch with this number, counted from 1; the same whenever they are asked for."""


class Minibatches:
    """The images of a split in batches of `batch_size`, in a new order each epoch; `prepare` makes them a net's input.

    The order comes from the seed and the epoch's number alone. The last batch is smaller where the images do not divide
    evenly; a split smaller than a batch is one batch.
    """

    def __init__(self, split: Split, batch_size: int, seed: int, prepare: Callable[[Array], Array]) -> None:
        if batch_size < 1 or len(split) == 0:
            raise ValueError(f"Minibatches: needs images and a batch size of at least 1, got {len(split)} and {batch_size}")
        self.split, self.batch_size, self.seed, self.prepare = split, batch_size, seed, prepare

    def __len__(self) -> int:
        return ceil(len(self.split) / self.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        order = generator(self.seed, f"order of epoch {number}").permutation(len(self.split))
        for start in range(0, len(order), self.batch_size):
            indices = order[start : start + self.batch_size]
            yield self.prepare(self.split.images[indices]), self.split.labels[indices]
