"""Trained nets on the disk, each in a folder of its own:

variant.json   all that decided the run, and its errors    log.csv       a row for each epoch
weights.npz    the net at the end                          watched.npz   what was watched before the first step and after
                                                                         each epoch
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.claims.rows import line_of, number, read_rows
from minialex.net import Net
from minialex.runs.folder import load_weights

COLUMNS = ("epoch", "lr", "train_loss", "train_error", "test_error", "seconds")


@dataclass(frozen=True)
class Curve:
    """An epoch of a run. Errors are shares of 0..1, on some images of each part (learn.WATCHED)."""

    epoch: int
    lr: float
    train_loss: float
    train_error: float
    test_error: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a run went. test_error, top5_error: on all test images, after the last epoch; nan where it diverged.

    watched: arrays by name, of the moment before the first step and of the end of each epoch; empty where nothing was watched.
    diverged: why it ended early, or "".
    """

    curve: tuple[Curve, ...]
    test_error: float
    top5_error: float
    watched: tuple[dict[str, Array], ...] = ()
    diverged: str = ""

    @property
    def train_error(self) -> float:
        """After the last epoch, without dropout or chance in what is shown; nan where it diverged."""
        return self.curve[-1].train_error if self.curve and not self.diverged else nan

    @property
    def seconds(self) -> float:
        """What it took."""
        return self.curve[-1].seconds if self.curve else 0.0


def keep(target: Path, settings: Mapping[str, Any], net: Net, went: Course) -> None:
    """Write a run down; it is there as a whole or not at all."""
    errors = {"test_error": went.test_error, "top5_error": went.top5_error}
    outcome = {"diverged": went.diverged} | {name: None if isnan(error) else error for name, error in errors.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
    try:
        (aside / "variant.json").write_text(
            json.dumps({"settings": dict(settings), **outcome}, indent=2) + "\n", encoding="utf-8"
        )
        rows = [line_of(getattr(epoch, name) for name in COLUMNS) for epoch in went.curve]
        (aside / "log.csv").write_text(line_of(COLUMNS) + "".join(rows), encoding="utf-8")
        arrays: dict[str, Any] = net.state_dict()
        np.savez(aside / "weights.npz", **arrays)
        if went.watched:
            kept: dict[str, Any] = {f"{n}/{name}": value for n, one in enumerate(went.watched) for name, value in one.items()}
            np.savez_compressed(aside / "watched.npz", **kept)
        aside.chmod(0o755)
        try:
            os.rename(aside, target)
        except OSError:
            if not target.is_dir():  # else another process has trained the same in the meantime
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def reopen(folder: Path, net: Net) -> Course:
    """How the run in this folder went; the net gets its weights."""
    outcome = json.loads((folder / "variant.json").read_text(encoding="utf-8"))
    net.load_state_dict(load_weights(folder / "weights.npz"))
    curve = tuple(
        Curve(int(row["epoch"]), *(number(row, name) for name in COLUMNS[1:])) for row in read_rows(folder / "log.csv")
    )
    watched: dict[int, dict[str, Array]] = {}
    if (folder / "watched.npz").exists():
        with np.load(folder / "watched.npz", allow_pickle=False) as file:
            for name in file.files:
                n, _, inner = name.partition("/")
                watched.setdefault(int(n), {})[inner] = file[name]
    test, top5 = (nan if outcome[key] is None else float(outcome[key]) for key in ("test_error", "top5_error"))
    moments = tuple(watched[n] for n in sorted(watched))
    return Course(curve=curve, test_error=test, top5_error=top5, watched=moments, diverged=outcome["diverged"])
