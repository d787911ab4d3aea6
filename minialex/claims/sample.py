"""A few pictures of many: as many of each class, in memory, the same for every seed of an experiment."""

from __future__ import annotations

import numpy as np

from minialex.data import Source
from minialex.data.dataset import Dataset, Split
from minialex.data.sets import fingerprint
from minialex.seeds import generator


def limited(source: Source, images: int | None, tests: int | None, seed: int = 0) -> Source:
    """The source in memory, with at most so many training and test images: as many of each class, drawn by the seed."""
    data = source.dataset
    train, test = (
        _some(split, count, seed, part) for split, count, part in ((data.train, images, "train"), (data.test, tests, "test"))
    )
    pixels = np.asarray(train.images)
    mean = pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
    small = Dataset(data.name, data.classes, train, test, mean, data.scale)
    return Source(small, source.location, fingerprint(small), source.notices)


def _some(split: Split, count: int | None, seed: int, part: str) -> Split:
    labels, rng = split.labels, generator(seed, f"pictures of {part}")
    chosen = np.arange(len(labels))
    if count is not None and count < len(labels):
        order = rng.permutation(len(labels))
        rank = np.empty(len(labels), np.int64)  # how many of its class come before it in the order
        for label in np.unique(labels):
            mine = order[labels[order] == label]
            rank[mine] = np.arange(len(mine))
        chosen = np.sort(order[np.argsort(rank[order], kind="stable")][:count])
    return Split(np.ascontiguousarray(split.images[chosen]), labels[chosen])
