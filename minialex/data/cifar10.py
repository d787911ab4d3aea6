"""CIFAR-10 (Krizhevsky, 2009): 60,000 pictures of 32 x 32 pixels in ten classes, from its binary version.

The better known version is a Python pickle, and to load a pickle is to run whatever it says. This one is plain bytes: for
each picture one label and 3 x 1024 pixels, red, green and blue, row by row. Every file's SHA-256 is checked each time, and
nothing else is ever taken out of the archive.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minialex.arrays import Array
from minialex.data.dataset import Dataset, Split
from minialex.data.download import download as fetch
from minialex.data.download import file_digest
from minialex.data.errors import DataError, printable
from minialex.data.files import disk_errors, write_aside

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
INSIDE = "cifar-10-batches-bin"
ROW = 1 + 3 * 32 * 32
TRAIN, TEST = tuple(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"


@dataclass(frozen=True)
class Archive:
    """What the archive and its files must be. sha256: by the members' names; rows: pictures in each."""

    name: str = "cifar-10-binary.tar.gz"
    bytes: int = 170_052_171
    md5: str = "c32a1d4ab5d03f1284b67883e8d87530"
    rows: int = 10_000
    sha256: dict[str, str] = field(
        default_factory=lambda: {
            "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        }
    )


CIFAR10 = Archive()


def cifar10(
    folder: str | os.PathLike[str],
    *,
    download: bool = False,
    url: str = URL,
    archive: Archive = CIFAR10,
    pause: Callable[[float], None] = time.sleep,
) -> Dataset:
    """50,000 pictures to learn from and 10,000 to be tested on, uint8 (N, 3, 32, 32); the mean is the mean image.

    folder holds the .bin files, or has them in cifar-10-batches-bin, or holds the archive. If it has none of these, download
    fetches the archive (170 MB) from url into it. Raises DataError, also for files whose bytes are not the right ones.
    """
    folder = Path(folder)
    files = _files(folder, archive) or _from_archive(folder, download, url, archive, pause)
    parts = [_read(files / name, archive) for name in (*TRAIN, TEST)]
    images, labels = (np.concatenate(column) for column in zip(*parts[:-1], strict=True))
    mean = images.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Dataset("cifar10", CLASSES, Split(images, labels), Split(*parts[-1]), mean)


def _files(folder: Path, archive: Archive) -> Path | None:
    """Where the .bin files are, if any of them is there."""
    for place in (folder, folder / INSIDE):
        missing = [name for name in archive.sha256 if not (place / name).is_file()]
        if not missing:
            return place
        if len(missing) < len(archive.sha256) and not (folder / archive.name).exists() and place == folder:
            raise DataError(f"{printable(place)}: {missing[0]} is missing there")
    return None


def _from_archive(folder: Path, download: bool, url: str, archive: Archive, pause: Callable[[float], None]) -> Path:
    path = folder / archive.name
    if not path.is_file():
        if not download:
            pickled = any(
                (folder / name).exists() for name in ("cifar-10-python.tar.gz", "cifar-10-batches-py", "data_batch_1")
            )
            raise DataError(
                f"{printable(folder)}: CIFAR-10's binary version is not there"
                f"{' (the Python version is, but it is a pickle, and none is ever loaded)' if pickled else ''}; "
                f"--download fetches it, or get {URL} and put it there"
            )
        fetch(url, path, archive.bytes, archive.md5, pause=pause)
    elif path.stat().st_size != archive.bytes or file_digest(path, "md5") != archive.md5:
        raise DataError(f"{printable(path)}: its size or MD5 is wrong; remove it, and fetch it again")
    _take_out(path, folder / INSIDE, archive)
    return folder / INSIDE


def _take_out(path: Path, folder: Path, archive: Archive) -> None:
    """The members that are wanted, each as a stream of bounded length, checked before it gets its name; no others."""
    wanted = {f"{INSIDE}/{name}": name for name in archive.sha256}
    try:
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                name = wanted.get(member.name)
                stream = tar.extractfile(member) if name and member.isreg() and member.size == archive.rows * ROW else None
                if name and stream:
                    data = stream.read(archive.rows * ROW)
                    _check(path, name, data, archive)
                    write_aside(folder / name, data)
                    del wanted[member.name]
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{printable(path)}: cannot be unpacked ({error}); remove it, and fetch it again") from None
    if wanted:
        raise DataError(f"{printable(path)}: has no {next(iter(wanted))} of the right length in it")


def _read(path: Path, archive: Archive) -> tuple[Array, Array]:
    """One file -> images (rows, 3, 32, 32) uint8 and labels (rows,) int64."""
    try:
        length = path.stat().st_size
        data = path.read_bytes() if length == archive.rows * ROW else b""
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read: {error.strerror}") from None
    if not data:
        raise DataError(
            f"{printable(path)}: has {length:,} bytes instead of {archive.rows * ROW:,}; remove it, and fetch it again"
        )
    _check(path, path.name, data, archive)
    rows = np.frombuffer(data, np.uint8).reshape(archive.rows, ROW)
    labels = rows[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        raise DataError(f"{printable(path)}: has a label {labels.max()}; they go from 0 to 9")
    return rows[:, 1:].reshape(-1, 3, 32, 32), labels


def _check(path: Path, name: str, data: bytes, archive: Archive) -> None:
    if hashlib.sha256(data).hexdigest() != archive.sha256[name]:
        raise DataError(f"{printable(path)}: the SHA-256 of {name} is wrong: it is damaged; remove it, and fetch it again")
