"""Whether a net has to wait for its images: real ones, read, cropped, mirrored and coloured in the background, as in training.

Pictures are decoded once, when a folder is prepared; afterwards they are read from the prepared files. The same pictures
come round again and again, so that the system has them in its memory: it is not the disk that is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.data.dataset import Images, Split
from minialex.data.loader import Loader
from minialex.data.sets import Source, open_data
from minialex.data.shards import is_prepared
from minialex.data.views import CentreCrop
from minialex.net import Net

VIEWS = ("test", "training")
SETTLE = 6  # batches that do not count: the loader has made some before the first is asked for, in memory that is new


@dataclass(frozen=True)
class Round:
    """`count` images: these, again and again."""

    images: Images
    count: int

    dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, indices: Any, /) -> Array:
        return self.images[np.asarray(indices) % len(self.images)]


@contextmanager
def opened(folder: str, crop: int, say: Callable[[str], None]) -> Iterator[tuple[Source, float | None]]:
    """A prepared folder; or photos, prepared in a place that is gone afterwards, and how many of them in a second.

    Raises DataError, also where the pictures are too small for this crop.
    """
    with TemporaryDirectory(prefix="minialex-bench-") as place:
        rate = None
        if is_prepared(folder):
            source = open_data(folder)
        else:
            start = perf_counter()
            source = open_data(folder, size=8 * crop // 7, prepared=Path(place) / "prepared", say=say)
            rate = (len(source.dataset.train) + len(source.dataset.test)) / (perf_counter() - start)
        views(source, crop)
        yield source, rate


def views(source: Source, crop: int) -> dict[str, CentreCrop]:
    """How pictures are shown: in tests, and in training with all that section 4.1 does. Raises DataError."""
    return {"test": source.test_view(crop), "training": source.train_view(crop, mirror=True, colour_noise=0.1)}


def loaded(net: Net, folder: str, view: str, batch_size: int, count: int, alone: bool = False) -> dict[str, float]:
    """Inference of `count` batches from this prepared folder, in this view; alone: only the loading.

    The seconds that a batch took, and the share of them in which the net waited.
    """
    source = open_data(folder)
    images = Round(source.dataset.train.images, (SETTLE + count) * batch_size)
    loader = Loader(Split(images, np.zeros(len(images), np.int64)), batch_size, views(source, net.input_shape[1])[view])
    for number, (batch, _) in enumerate(loader.epoch(1, as_bytes=net.takes_bytes), 1):
        if not alone:
            net.forward(batch)
            net.synchronize()
        if number == SETTLE:
            start, waited = perf_counter(), loader.waited
    seconds = perf_counter() - start
    return {"seconds": seconds / count, "waited": (loader.waited - waited) / seconds}
