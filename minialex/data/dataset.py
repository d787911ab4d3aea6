"""A data set: images and labels, to learn from and to be tested on, and how an image is made into a net's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minialex.arrays import Array


class Images(Protocol):
    """What holds images: an array (N, C, H, W), or anything that makes or reads the ones asked for.

    One that has a `dtype`, uint8, may be asked for bytes by GPUs (Loader.epoch).
    """

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> Array:
        """images[indices], with an int array of length n -> (n, C, H, W), uint8 or float."""


@dataclass(frozen=True)
class Split:
    """One part of a data set: images[n] has the class labels[n] (int64, 0-based)."""

    images: Images
    labels: Array

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.images),) or self.labels.dtype != np.int64:
            raise ValueError(
                f"Split: {len(self.images)} images need int64 labels of shape ({len(self.images)},), got "
                f"{self.labels.dtype} {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """`classes` names the classes in the order of their labels.

    mean, scale: a net sees (image - mean) / scale. As in the paper (section 2) the mean is the training images' own, by
    pixel (C, H, W), or one number; the paper leaves the scale at 0..255.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    mean: Array | float = 0.0
    scale: float = 1.0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        images = self.train.images
        _, C, H, W = images.shape if isinstance(images, np.ndarray) else images[np.arange(1)].shape
        return C, H, W

    def prepare(self, images: Array) -> Array:
        """images (n, C, H, W) as they are stored -> float32 of the same shape, as a net sees them."""
        prepared: Array = ((images - np.float32(self.mean)) / np.float32(self.scale)).astype(np.float32, copy=False)
        return prepared
