"""Random pixels and random labels of any size, made when they are asked for: to see a net's size and speed without data.

There is nothing to learn in them: the test loss stays near ln(classes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minialex.arrays import Array, Shape
from minialex.data.dataset import Dataset, Split
from minialex.seeds import generator


@dataclass(frozen=True)
class RandomImages:
    """`count` images of uniform noise, uint8; image i is drawn by a generator of its own, so it never changes."""

    count: int
    shape: Shape
    seed: int
    name: str

    dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, indices: Any, /) -> Array:
        wanted = np.arange(self.count)[indices]  # negative numbers and slices are understood, and too large ones refused
        images = np.empty((wanted.size, *self.shape), np.uint8)
        for image, index in zip(images, wanted.flat, strict=True):
            image[...] = generator(self.seed, f"{self.name} {index}").integers(256, size=self.shape, dtype=np.uint8)
        return images.reshape(*wanted.shape, *self.shape)


def synthetic(
    seed: int = 0,
    image_shape: Shape = (3, 224, 224),
    classes: int = 1000,
    *,
    train: int = 1280,
    test: int = 32,
) -> Dataset:
    """`train` and `test` images of this shape (C, H, W), each with a random class of so many. Little memory, whatever N."""

    def split(name: str, count: int) -> Split:
        labels = generator(seed, f"synthetic {name} labels").integers(classes, size=count)
        return Split(RandomImages(count, image_shape, seed, f"synthetic {name} image"), labels)

    names = tuple(f"class {c}" for c in range(classes))
    return Dataset("synthetic", names, split("train", train), split("test", test), mean=127.5)
