"""A run's folder: made new for every run and never overwritten, with all that the run leaves behind.

recipe.toml   all that decides what the run does: another run can take it as its --config
config.json   the same in one list, with the devices, the data's place, and the versions of all that took part
log.csv       a row for each epoch; every number in it follows from the recipe and the data
times.csv     a row for each epoch: what the clock said
sizes.csv     a row for each epoch and parameter: how large it is, and its last update
data.ckpt     the mean image and the names of the classes, for when the data are not there any more (runs/kept.py)
last.ckpt, previous.ckpt, best.ckpt   all that it takes to go on (minialex.checkpoint)
weights.npz   the parameters after the last epoch
curves.png    loss and errors, epoch by epoch                    kernels.png   the first layer's kernels
"""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from errno import ENOTDIR
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np

from minialex import __version__
from minialex.arrays import Array
from minialex.checkpoint.disk import explained
from minialex.recipes import Recipe, dump
from minialex.runs.sizes import COLUMNS, Size
from minialex.training import Epoch

LOG, TIMES, SIZES, RECIPE, CONFIG = "log.csv", "times.csv", "sizes.csv", "recipe.toml", "config.json"
LEARNED = ("epoch", "step", "lr", "train_loss", "test_loss", "top1_error", "top5_error")
CLOCK = ("epoch", "images_per_second", "waited", "seconds")


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

    @classmethod
    def existing(cls, path: str | Path) -> Run:
        """A folder that is there, for a run that goes on. (What keeps a second run away is then RunFolder's lock.)"""
        run = cls.__new__(cls)
        run.path = Path(path)
        return run

    def sweep(self) -> None:
        """Remove what a killed write has left."""
        for left in self.path.glob(".*.part"):
            left.unlink(missing_ok=True)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """config.json: these settings, and the versions that the run was made with."""
        text = json.dumps({**config, "versions": versions()}, indent=2) + "\n"
        self._write(CONFIG, lambda file: file.write(text.encode()))

    def write_recipe(self, recipe: Recipe) -> None:
        """recipe.toml."""
        self._write(RECIPE, lambda file: file.write(dump(recipe).encode()))

    def log(self, epoch: Epoch) -> None:
        """One more row of log.csv and of times.csv; the first brings the heading with it."""
        for name, columns in ((LOG, LEARNED), (TIMES, CLOCK)):
            path = self.path / name
            with explained(path, "cannot be written", 100), path.open("a", newline="") as file:
                file.write(_table(columns, [epoch], heading=file.tell() == 0))

    def write_log(self, epochs: Sequence[Epoch]) -> None:
        """log.csv and times.csv anew, with these rows alone: what a run that goes on begins with."""
        for name, columns in ((LOG, LEARNED), (TIMES, CLOCK)):
            text = _table(columns, epochs, heading=bool(epochs))
            self._write(name, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]

    def write_sizes(self, sizes: Sequence[Size]) -> None:
        """sizes.csv: all of these rows."""
        self._write(SIZES, lambda file: file.write(_table(COLUMNS, sizes, heading=True).encode()))

    def times(self) -> dict[int, dict[str, float]]:
        """What times.csv says of each epoch; rows that are cut short are left out."""
        found = {}
        with suppress(OSError, ValueError), (self.path / TIMES).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                with suppress(TypeError, ValueError, KeyError):
                    found[int(row["epoch"])] = {name: float(row[name]) for name in CLOCK[1:]}
        return found

    def write_weights(self, state: Mapping[str, Array]) -> None:
        """weights.npz: a net's state_dict, without pickle. The file before stays whole until the new one is."""
        arrays: dict[str, Any] = dict(state)
        needed = sum(value.nbytes + 500 for value in state.values())
        self._write("weights.npz", lambda file: np.savez(file, **arrays), needed)

    def write_picture(self, name: str, figure: Any) -> None:
        """A matplotlib Figure as a PNG."""
        self._write(name, lambda file: figure.savefig(file, format="png", facecolor="white"), 200_000)

    def files(self) -> list[str]:
        """The names of what there is to look at, sorted."""
        return sorted(path.name for path in self.path.iterdir() if not path.name.startswith("."))

    def _write(self, name: str, write: Callable[[IO[bytes]], Any], needed: int = 10_000) -> None:
        """Write aside, make sure that it is on the disk, then take the place of the file before. Raises CheckpointError."""
        aside = self.path / f".{name}.part"
        with explained(self.path / name, "cannot be written", needed):
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


def _table(columns: Sequence[str], epochs: Sequence[Epoch] | Sequence[Size], heading: bool) -> str:
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    if heading:
        rows.writerow(columns)
    rows.writerows([getattr(epoch, column) for column in columns] for epoch in epochs)
    return text.getvalue()


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
    for package in ("numpy", "pillow", "scikit-learn", "cupy-cuda12x", "cupy-cuda13x"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
