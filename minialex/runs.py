"""A run's folder: made new for every run and never overwritten, with all that the run leaves behind.

config.json   what was asked for, and with which versions        curves.png    loss and errors, epoch by epoch
log.csv       a row for each epoch (training.Epoch)              kernels.png   the first layer's kernels
weights.npz   the parameters after the last epoch
"""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import astuple, fields
from errno import ENOTDIR
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np

from minialex import __version__
from minialex.arrays import Array
from minialex.training import Epoch


class Run:
    """`path` is the folder; it has been made by this object, and by no other: making it is the lock."""

    def __init__(self, path: str | Path) -> None:
        """Make this folder, and those above it. Raises FileExistsError where it is there, OSError where it cannot be."""
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(ENOTDIR, "a file is in the way", str(self.path.parent)) from None
        self.path.mkdir()

    @classmethod
    def numbered(cls, name: str, root: str | Path = "runs") -> Run:
        """root/name-1, or the first number that is free, also where two runs start at the same moment."""
        for number in count(1):
            with suppress(FileExistsError):
                return cls(Path(root) / f"{name}-{number}")
        raise AssertionError("unreachable")

    def write_config(self, config: Mapping[str, Any]) -> None:
        """config.json: these settings, and the versions that the run was made with."""
        text = json.dumps({**config, "versions": versions()}, indent=2) + "\n"
        self._write("config.json", lambda file: file.write(text.encode()))

    def log(self, epoch: Epoch) -> None:
        """One more row of log.csv; the first brings the heading with it."""
        path = self.path / "log.csv"
        with path.open("a", newline="") as file:
            rows = csv.writer(file)
            if file.tell() == 0:
                rows.writerow(field.name for field in fields(Epoch))
            rows.writerow(astuple(epoch))

    def write_weights(self, state: Mapping[str, Array]) -> None:
        """weights.npz: a net's state_dict, without pickle. The file before stays whole until the new one is."""
        arrays: dict[str, Any] = dict(state)
        self._write("weights.npz", lambda file: np.savez(file, **arrays))

    def write_picture(self, name: str, figure: Any) -> None:
        """A matplotlib Figure as a PNG."""
        self._write(name, lambda file: figure.savefig(file, format="png", facecolor="white"))

    def _write(self, name: str, write: Callable[[IO[bytes]], Any]) -> None:
        """Write aside, make sure that it is on the disk, then take the place of the file before."""
        aside = self.path / f".{name}.part"
        try:
            with aside.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self.path / name)
        except BaseException:
            with suppress(OSError):
                aside.unlink()
            raise


def load_weights(path: str | Path) -> dict[str, Array]:
    """The state_dict in a weights.npz; nothing in it is ever executed (no pickle)."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def versions() -> dict[str, str]:
    """What the numbers of a run depend on, by name."""
    found = {
        "minialex": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    for package in ("numpy", "scikit-learn", "cupy-cuda12x", "cupy-cuda13x"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
