"""Prepared pictures, read where they lie: the pixels in files mapped into memory, of which only what is asked for is loaded.

A prepared folder (prepare.py writes it) holds, for each part, train and val:

    train-00000.u8 ...   pixels, uint8, (slots, size, size, 3) and nothing else: SLOTS pictures a file, fewer in the last
    train-labels.npy     the class of each picture, int64 (N,)
    train-slots.npy      the slot where it lies, int64 (N,): a picture that could not be read has left its slot empty
    train-paths.txt      the file it came from, a line each
    mean-image.npy       over the training pictures, float32 (3, size, size)
    bad.csv              the pictures that could not be read, and why
    manifest.json        all the rest: classes, parameters, the colours' statistics, bytes and SHA-256 of every file above
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.data.colours import Colours
from minialex.data.dataset import Dataset, Split
from minialex.data.errors import DataError, printable

SCHEMA = 1
SLOTS = 8192  # pictures in one file: 1.6 GB at 256 x 256, so that ImageNet needs few enough files to keep them all open
MANIFEST = "manifest.json"
PARTS = ("train", "val")
PIECE = 1 << 22


class Pictures:
    """The pictures of one part. pictures[indices] reads them, uint8 (n, 3, size, size), a view of channels-last memory.

    May be read by several threads at once.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, files: tuple[Path, ...], slots: Array, size: int, per_file: int, paths: Path) -> None:
        self.size, self._slots, self._per_file, self._paths_file = size, slots, per_file, paths
        self._files = files
        self._maps: list[Array | None] = [None] * len(files)

    def __len__(self) -> int:
        return len(self._slots)

    def __getitem__(self, indices: Any, /) -> Array:
        slots = self._slots[indices]
        images = np.empty((np.size(slots), self.size, self.size, 3), np.uint8)
        for image, slot in zip(images, np.ravel(slots).tolist(), strict=True):
            file, row = divmod(slot, self._per_file)
            image[...] = self._map(file)[row]
        return images.reshape(*np.shape(slots), self.size, self.size, 3).swapaxes(-1, -3).swapaxes(-1, -2)

    def where(self, index: int) -> str:
        """The file that picture `index` came from, by its path from the folder that was prepared."""
        return self._paths[index]

    @cached_property
    def _paths(self) -> list[str]:
        return self._paths_file.read_text(encoding="utf-8").split("\n")

    def _map(self, file: int) -> Array:
        found = self._maps[file]
        if found is None:
            path = self._files[file]
            try:
                flat = np.memmap(path, np.uint8, mode="r")
            except (OSError, ValueError) as error:
                raise DataError(f"{printable(path)}: cannot be read ({error}); prepare the pictures again") from None
            found = self._maps[file] = flat.reshape(-1, self.size, self.size, 3)
        return found


@dataclass(frozen=True)
class Prepared:
    """A prepared folder. dataset: train, and val as its test; colours: what was measured over train.

    keys: the classes' folders, or for ImageNet their wnids, in the order of the labels.
    """

    folder: Path
    dataset: Dataset
    colours: Colours
    keys: tuple[str, ...]
    manifest: dict[str, Any]

    def verify(self, advance: Callable[[int], None] = lambda n: None) -> None:
        """Reads every file, and raises DataError naming the first whose bytes are not those that were written.

        advance is told how many more bytes have been read.
        """
        for name, about in self.manifest["files"].items():
            digest = hashlib.sha256()
            for piece in pieces(self.folder / name):
                digest.update(piece)
                advance(len(piece))
            if digest.hexdigest() != about["sha256"]:
                raise DataError(f"{printable(self.folder / name)}: its bytes have changed since; prepare the pictures again")


def is_prepared(folder: str | os.PathLike[str]) -> bool:
    """Whether this folder is a prepared one, finished."""
    return (Path(folder) / MANIFEST).is_file()


def open_prepared(folder: str | os.PathLike[str]) -> Prepared:
    """Opens a prepared folder. Checks the manifest, that all files are there with their sizes, and the small ones' SHA-256;
    the pixels are checked by `verify`. Raises DataError."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, about in manifest["files"].items():
        _check_size(folder / name, about["bytes"])
    plan = manifest["plan"]
    size, per_file = plan["size"], plan["slots_per_file"]
    splits = []
    for part in PARTS:
        labels, slots = (_read_array(folder, f"{part}-{what}.npy", manifest) for what in ("labels", "slots"))
        files = tuple(folder / name for name in shard_names(part, plan["slots"][part], per_file))
        splits.append(Split(Pictures(files, slots, size, per_file, folder / f"{part}-paths.txt"), labels))
    mean_image = _read_array(folder, "mean-image.npy", manifest)
    measured = {key: np.array(value, dtype=np.float64) for key, value in manifest["colours"].items()}
    dataset = Dataset(plan["name"], tuple(plan["classes"]), splits[0], splits[1], mean=mean_image)
    return Prepared(folder, dataset, Colours(mean_image, **measured), tuple(plan["keys"]), manifest)


def shard_names(part: str, slots: int, per_file: int) -> list[str]:
    """The names of the files that hold the pixels of so many slots."""
    return [f"{part}-{number:05d}.u8" for number in range(-(-slots // per_file))]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, whose own SHA-256 (of the rest of it) is right. Raises DataError."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        sealed = manifest.pop("sha256")
    except FileNotFoundError:
        raise DataError(
            f"{printable(folder)}: no prepared pictures there; scripts/prepare_imagenet.py RAW {printable(folder)} makes them"
        ) from None
    except (OSError, ValueError, AttributeError, KeyError, TypeError):  # no JSON, or not of this form
        raise DataError(f"{printable(path)}: cannot be read or is damaged; prepare the pictures again") from None
    if manifest.get("schema") != SCHEMA:
        raise DataError(
            f"{printable(path)}: has the schema {manifest.get('schema')!r}, this version reads {SCHEMA}; prepare again"
        )
    if seal(manifest) != sealed:
        raise DataError(f"{printable(path)}: its SHA-256 is wrong: it is damaged or was edited; prepare the pictures again")
    return dict(manifest)


def seal(manifest: dict[str, Any]) -> str:
    """The SHA-256 of a manifest without its own entry "sha256"."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes, some megabytes at a time. Raises DataError."""
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read: {error.strerror}") from None


def _check_size(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise DataError(f"{printable(path)}: {error.strerror}; prepare the pictures again") from None
    if found != size:
        raise DataError(f"{printable(path)}: has {found:,} bytes instead of {size:,}; prepare the pictures again")


def _read_array(folder: Path, name: str, manifest: dict[str, Any]) -> Array:
    path = folder / name
    if hashlib.sha256(b"".join(pieces(path))).hexdigest() != manifest["files"][name]["sha256"]:
        raise DataError(f"{printable(path)}: its SHA-256 is wrong: it is damaged; prepare the pictures again")
    return np.load(path, allow_pickle=False)
