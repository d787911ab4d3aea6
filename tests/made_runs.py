"""Runs for the tests of what looks at runs: real ones, made by the training that users have, but of a few steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from minialex.arrays import Array
from minialex.runs.start import begin
from minialex.training import Epoch


@dataclass(frozen=True)
class Made:
    """A run's folder, the parameters that it ended with, and its last row."""

    path: Path
    state: dict[str, Array]
    last: Epoch


def digits_run(home: Path, name: str = "digits", **keys: object) -> Made:
    """The small net, after three steps with digits."""
    return _run(home / name, {"learning.steps": 3} | keys)


def photo_run(home: Path, name: str = "photos", **keys: object) -> Made:
    """The small net, after three steps with photos of two classes, red and blue, in home/album."""
    album = home / "album"
    if not album.exists():
        rng = np.random.default_rng(0)
        for colour, part, n in ((c, p, n) for c in ("red", "blue") for p in ("train", "val") for n in range(6)):
            folder = album / part / colour
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 120, (44, 40, 3), dtype=np.uint8)
            pixels[..., 0 if colour == "red" else 2] += 130
            Image.fromarray(pixels).save(folder / f"{n}.png")
    asked = {"data.set": str(album), "data.prepared": str(home / "prepared"), "net.name": "small", "learning.lr": 1e-4}
    return _run(home / name, asked | {"learning.steps": 3, "learning.batch_size": 4} | keys)


def _run(path: Path, asked: dict[str, object]) -> Made:
    quiet = {"run.devices": "cpu:0,cpu:0", "run.workers": 0}
    session, _ = begin(quiet | asked, out=str(path), say=lambda line: None)
    with session.folder:
        for _ in session.events():
            pass
    return Made(path, session.net.state_dict(), session.at.done[-1])


def damaged(path: Path, how: str) -> None:
    """The file, spoilt: cut, flipped, another file, or empty."""
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 8
    replaced = {"cut": data[: len(data) // 2], "flipped": data, "another file": b"weights", "empty": b""}
    path.write_bytes(bytes(replaced[how]))
