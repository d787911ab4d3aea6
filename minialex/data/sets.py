"""Data sets by their names, or by the folder they lie in: what --data says, in training, evaluation and prediction alike.

    source = open_data("photos/birds", size=256)      # prepared the first time; later opened where it lies
    loader = Loader(source.dataset.train, 128, source.train_view(224, mirror=True, colour_noise=0.1), seed)
    scores = evaluate(net, source.dataset.test, source.test_view(224))

A run remembers `source.location`, with which open_data finds the same data again, and `source.fingerprint`, by which it knows
them again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import numpy as np

from minialex.arrays import Array, Shape
from minialex.data import cifar10 as cifar
from minialex.data.augment import Augmentation, ColourNoise
from minialex.data.colours import Colours, Sums
from minialex.data.dataset import Dataset
from minialex.data.digits import digits
from minialex.data.errors import DataError, printable
from minialex.data.imagenet import find_imagenet
from minialex.data.photos import find_photos
from minialex.data.pictures import read_square
from minialex.data.prepare import prepare
from minialex.data.shards import is_prepared, open_prepared, seal
from minialex.data.synthetic import synthetic
from minialex.data.views import CentreCrop

NAMES = ("digits", "synthetic", "cifar10")
CIFAR10_HOME = Path("data/cifar10")
PREPARED_HOME = Path("data/prepared")


@dataclass(frozen=True)
class Source:
    """An opened data set. location: what open_data takes to open it again; notices: lines for a person.

    fingerprint: SHA-256 of what the set holds, in hexadecimal: pixels and labels, or the manifest that vouches for them.
    keys: the names of the classes' folders, where these are not the classes' own (ImageNet's wnids).
    """

    dataset: Dataset
    location: str
    fingerprint: str
    notices: tuple[str, ...] = ()
    measured: Colours | None = None
    keys: tuple[str, ...] = ()

    def test_view(
        self,
        crop: int | None = None,
        *,
        mean: Literal["image", "colour", "none"] = "image",
        mean_at: Literal["centre", "pixel"] = "centre",
        scale: float | None = None,
    ) -> CentreCrop:
        """The central crop (None: the whole image) less the mean, over the scale (None: the set's own). Raises DataError."""
        try:
            data = self.dataset
            return CentreCrop(data.image_shape, crop, mean=self._mean(mean), mean_at=mean_at, scale=scale or data.scale)
        except ValueError as error:
            raise DataError(f"{data.name}: {error}") from None

    def train_view(
        self,
        crop: int | None = None,
        *,
        mean: Literal["image", "colour", "none"] = "image",
        mean_at: Literal["centre", "pixel"] = "centre",
        scale: float | None = None,
        mirror: bool = False,
        colour_noise: float = 0.0,
        colour_strength: Literal["code2012", "paper"] = "code2012",
        shrink: float = 1.0,
    ) -> Augmentation:
        """The same, drawn anew each epoch. colour_noise: the standard deviation of alpha; 0: none. Raises DataError."""
        try:
            data = self.dataset
            noise = None
            if colour_noise:
                colours = self.colours()
                noise = ColourNoise(colours.eigenvalues, colours.eigenvectors, colour_noise, colour_strength)
            return Augmentation(
                data.image_shape, crop, mirror=mirror, colour=noise, shrink=shrink,
                mean=self._mean(mean), mean_at=mean_at, scale=scale or data.scale,
            )  # fmt: skip
        except ValueError as error:
            raise DataError(f"{data.name}: {error}") from None

    def colours(self) -> Colours:
        """The principal colours of the training images, measured now unless they were when the set was prepared."""
        if self.measured is not None:
            return self.measured
        images = self.dataset.train.images
        C, H, W = self.dataset.image_shape
        if C != 3:
            raise DataError(f"{self.dataset.name}: images of {C} channel{'s' * (C != 1)} have no principal colours")
        sums = Sums(H, W)
        for start in range(0, len(images), 256):
            part = images[np.arange(start, min(start + 256, len(images)))]
            sums.add(np.ascontiguousarray(part.transpose(0, 2, 3, 1)))
        return sums.colours()

    def read(self, path: str | os.PathLike[str]) -> Array:
        """A picture file as an image of this set: uint8 (3, size, size). Raises BadPicture; DataError if they are no photos."""
        C, H, W = self.dataset.image_shape
        if C != 3 or H != W:
            raise DataError(f"{self.dataset.name}: its images are {C} x {H} x {W}, and a photo cannot be made one of them")
        return read_square(path, H)

    def _mean(self, which: str) -> Array | float:
        mean = np.asarray(self.dataset.mean, np.float32)
        if which not in ("image", "colour", "none"):
            raise ValueError(f'mean must be "image", "colour" or "none", got {which!r}')
        if which == "none":
            return 0.0
        return mean.mean(axis=(1, 2), dtype=np.float64) if which == "colour" and mean.ndim == 3 else mean


def open_data(
    name: str | os.PathLike[str],
    *,
    path: str | os.PathLike[str] | None = None,
    download: bool = False,
    seed: int = 0,
    image_shape: Shape = (3, 224, 224),
    classes: int = 1000,
    size: int = 256,
    prepared: str | os.PathLike[str] | None = None,
    val_share: float = 0.2,
    max_bad: str = "1%",
    workers: int | None = None,
    say: Callable[[str], None] = print,
) -> Source:
    """name: "digits", "synthetic", "cifar10", or a folder: a prepared one, one with CIFAR-10's files, or one of photos.

    path: where CIFAR-10 is (data/cifar10); download: fetch it if it is not there. seed: of a split, or of synthetic images,
    whose shape and number of classes image_shape and classes are. Photos are prepared at first use: squares of `size` pixels
    go to the folder `prepared` (below data/prepared by default), and are opened there ever after; val_share, max_bad and
    workers are those of the preparation, and `say` is told what it does. ImageNet is not prepared by the way: DataError
    with the command. Raises DataError for whatever is missing or wrong, in one line.
    """
    name = os.fspath(name)
    if name == "digits":
        data = digits(seed)
        return Source(data, name, fingerprint(data))
    if name == "synthetic":
        return Source(synthetic(seed, image_shape, classes), name, _digest(f"synthetic {seed} {image_shape} {classes}"))
    if name == "cifar10":
        return _cifar10(Path(path) if path is not None else CIFAR10_HOME, download)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        near = get_close_matches(name.lower(), NAMES, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise DataError(f"--data {printable(name)}: is neither a folder nor one of {', '.join(NAMES)}{hint}")
    if is_prepared(folder):
        return _prepared(folder)
    if _holds_cifar10(folder):
        return _cifar10(folder, download=False)
    return _photos(folder, seed, size, Path(prepared) if prepared else None, val_share, max_bad, workers, say)


def fingerprint(data: Dataset) -> str:
    """The SHA-256 of a set that lies in memory: its classes' names, mean, scale, labels and pixels."""
    digest = hashlib.sha256("\0".join(data.classes).encode())
    parts: list[Any] = [data.mean, data.scale]
    for split in (data.train, data.test):
        parts += [split.labels, split.images]
    for part in parts:
        array = np.ascontiguousarray(part)
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _cifar10(folder: Path, download: bool) -> Source:
    data = cifar.cifar10(folder, download=download)
    return Source(data, str(folder.resolve()), fingerprint(data))


def _holds_cifar10(folder: Path) -> bool:
    inside = (cifar.CIFAR10.name, cifar.INSIDE, *cifar.CIFAR10.sha256)
    return any((folder / name).exists() for name in inside)


def _prepared(folder: Path, notices: tuple[str, ...] = ()) -> Source:
    found = open_prepared(folder)
    return Source(found.dataset, str(folder.resolve()), seal(found.manifest), notices, found.colours, found.keys)


def _photos(
    folder: Path,
    seed: int,
    size: int,
    prepared: Path | None,
    val_share: float,
    max_bad: str,
    workers: int | None,
    say: Callable[[str], None],
) -> Source:
    if find_imagenet(folder) is not None:
        raise DataError(
            f"{printable(folder)}: ImageNet, which takes hours to prepare; do that first: "
            f"python scripts/prepare_imagenet.py {printable(folder)} OUT, and then --data OUT"
        )
    photos = find_photos(folder, seed, val_share)
    if prepared is None:
        where = _digest(f"{folder.resolve()} {seed} {val_share}")[:6]
        prepared = PREPARED_HOME / f"{printable(photos.name).replace(os.sep, '_')}-{size}-{where}"
    say(f"preparing  {printable(folder)} -> {printable(prepared)} (once; later runs read it there)")
    for notice in photos.notices:
        say(f"           {notice}")
    prepare(photos, prepared, size=size, workers=workers, max_bad=max_bad, say=lambda line: say(f"           {line}"))
    return _prepared(prepared, photos.notices)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
