"""A folder of photos -> which files are pictures, of which class, to learn from or to be tested on. Opens none of them.

    photos/train/<class>/*.jpg, photos/val/<class>/*.jpg      or      photos/<class>/*.jpg, split by the seed

Classes are in the sorted order of their folders' names. A file is taken for a picture by the end of its name, in any case;
what it really is, its content decides when it is read (pictures.py). Hidden files and all else are ignored, and counted.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minialex.arrays import Array
from minialex.data.errors import DataError, printable
from minialex.seeds import generator

READ = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp"}
NOT_READ = {".heic", ".heif", ".avif", ".tif", ".tiff"}  # but somebody's photos: listed as bad, not ignored
SUFFIXES = READ | NOT_READ
VALIDATION = ("val", "valid", "validation", "test")


@dataclass(frozen=True)
class Part:
    """Files by their paths from the root, in a fixed order, and their classes, int64."""

    paths: tuple[str, ...]
    labels: Array

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Photos:
    """What there is. classes: names in the order of their labels; keys: the folders' names, which differ for ImageNet.

    notices: lines for a person, about what was ignored or is unusual.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    keys: tuple[str, ...]
    train: Part
    val: Part
    notices: tuple[str, ...] = ()


def find_photos(root: str | os.PathLike[str], seed: int = 0, val_share: float = 0.2) -> Photos:
    """Looks through the folder. Where there is no validation folder, `val_share` of each class is set aside, by the seed.

    A class's share depends on the seed, its name and its files alone; of two files or more, at least one is on each side.
    Raises DataError.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{printable(root)}: there is no such folder")
    if not 0 < val_share < 1:
        raise DataError(f"the share for validation must lie between 0 and 1, got {val_share}")
    ignored: Counter[str] = Counter()
    inside = folders(root, Counter())
    train_folder = next((root / name for name in inside if name.lower() == "train" and folders(root / name, Counter())), None)
    val_folder = next((root / name for wanted in VALIDATION for name in inside if name.lower() == wanted), None)
    notices: list[str] = []
    if train_folder is not None:
        beside = [name for name in inside if root / name not in (train_folder, val_folder)]
        notices += [f"not used, beside {train_folder.name}: {some(beside)}"] if beside else []
    else:
        if val_folder is not None and folders(val_folder, Counter()):
            raise DataError(f"{printable(root)}: there is a folder {val_folder.name} with classes, but none called train")
        train_folder, val_folder = root, None
    files = classes_of(train_folder, ignored)
    if len(files) < 2:
        raise DataError(
            f"{printable(train_folder)}: found {len(files)} folders with pictures, one for each class, and needs at least 2; "
            "expected train/<class>/*.jpg and val/<class>/*.jpg, or <class>/*.jpg"
        )
    keys = tuple(files)
    empty = [name for name, (_, names) in files.items() if not names]
    if empty:
        raise DataError(f"{printable(train_folder / files[empty[0]][0])}: no pictures in it; fill it, or remove it")
    if val_folder is None:
        train, val = split_by_seed(root, train_folder, files, seed, val_share)
        notices.append(f"no validation folder: {len(val):,} of {len(train) + len(val):,} pictures set aside by seed {seed}")
    else:
        val_files = classes_of(val_folder, ignored)
        unknown = [name for name, (_, names) in val_files.items() if names and name not in files]
        if unknown:
            raise DataError(
                f"{printable(val_folder / val_files[unknown[0]][0])}: a class that {printable(train_folder)} has not"
            )
        train = part(root, train_folder, files, {name: names for name, (_, names) in files.items()})
        val = part(root, val_folder, val_files, {name: val_files.get(name, ("", []))[1] for name in keys})
    absent = [key for key, count in zip(keys, np.bincount(val.labels, minlength=len(keys)), strict=True) if not count]
    if absent and len(val):
        notices.append(f"no pictures for validation of {len(absent)} of {len(keys)} classes: {some(absent)}")
    if not len(val):
        raise DataError(f"{printable(val_folder or root)}: no pictures are left for validation")
    notices += [f"ignored: {some(f'{count} {what}' for what, count in sorted(ignored.items()))}"] if ignored else []
    return Photos(root.resolve().name, root, keys, keys, train, val, tuple(notices))


def classes_of(folder: Path, ignored: Counter[str]) -> dict[str, tuple[str, list[str]]]:
    """class -> (its folder's name, the names of its pictures), both sorted. Counts in `ignored` what is left aside."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name in folders(folder, ignored):
        key = unicodedata.normalize("NFC", name)  # an é may come as one character or as two, by where the files were written
        if key in found:
            raise DataError(f"{printable(folder)}: two folders have the name {printable(key)}, spelt in different characters")
        found[key] = name, pictures_in(folder / name, ignored)
    return dict(sorted(found.items()))


def folders(folder: Path, ignored: Counter[str]) -> list[str]:
    """The names of the folders inside, sorted, less hidden ones and links that lead back to the folder or above it."""
    above = {str(path) for path in (folder.resolve(), *folder.resolve().parents)}
    names = []
    for entry in _entries(folder):
        if entry.name.startswith("."):
            ignored["hidden"] += 1
        elif not _is_folder(entry):
            ignored["files beside the class folders"] += 1
        elif entry.is_symlink() and os.path.realpath(entry.path) in above:
            ignored["links that lead back"] += 1
        else:
            names.append(entry.name)
    return names


def pictures_in(folder: Path, ignored: Counter[str]) -> list[str]:
    """The names in a folder that end as a picture's does, sorted: files, but also what only pretends to be one."""
    names = []
    for entry in _entries(folder):
        if entry.name.startswith("."):
            ignored["hidden"] += 1
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            names.append(entry.name)
        else:
            ignored["folders inside a class" if _is_folder(entry) else "files that are no pictures"] += 1
    return names


def part(root: Path, folder: Path, files: dict[str, tuple[str, list[str]]], chosen: dict[str, list[str]]) -> Part:
    """The chosen files of each class, in the classes' order."""
    base = os.path.relpath(folder, root)
    paths, labels = [], []
    for label, (key, names) in enumerate(chosen.items()):
        paths += [os.path.normpath(os.path.join(base, files[key][0], name)) for name in names]
        labels += [label] * len(names)
    return Part(tuple(paths), np.array(labels, dtype=np.int64))


def split_by_seed(
    root: Path, folder: Path, files: dict[str, tuple[str, list[str]]], seed: int, share: float
) -> tuple[Part, Part]:
    """Each class's files into two: to learn from, and `share` of them for validation."""
    train, val = {}, {}
    for key, (_, names) in files.items():
        count = min(max(1, round(share * len(names))), len(names) - 1)
        aside = set(generator(seed, f"validation of {printable(key)}").permutation(len(names))[:count].tolist())
        train[key] = [name for n, name in enumerate(names) if n not in aside]
        val[key] = [name for n, name in enumerate(names) if n in aside]
    return part(root, folder, files, train), part(root, folder, files, val)


def some(names: Iterable[str]) -> str:
    """At most five of the names, and how many more there are."""
    names = [printable(name) for name in names]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{printable(folder)}: cannot be read: {error.strerror}") from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle
        return False
