"""What a run keeps of its data, so that it can be asked about a picture where the data are not there any more.

data.ckpt: the mean image or number, and the names of the classes: all that it takes to make a net's input of a picture, and
words of its output. A checkpoint file (checkpoint/file.py): every byte of it is verified before use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minialex import checkpoint
from minialex.checkpoint import CheckpointError, State
from minialex.data import Source
from minialex.data.dataset import Dataset, Split

DATA = "data.ckpt"
META = ("name", "classes", "keys", "image_shape", "scale", "location", "fingerprint")


def keep(folder: Path, source: Source) -> None:
    """Write it, if it is not there yet. Raises CheckpointError."""
    if (folder / DATA).exists():
        return
    data = source.dataset
    meta: dict[str, Any] = {
        "name": data.name,
        "classes": list(data.classes),
        "keys": list(source.keys),
        "image_shape": list(data.image_shape),
        "scale": data.scale,
        "location": source.location,
        "fingerprint": source.fingerprint,
    }
    checkpoint.save(folder / DATA, State({"mean": np.asarray(data.mean)}, meta=meta))


def recall(folder: Path) -> Source | None:
    """The data without their pictures: both parts are empty. None for a run that kept nothing. Raises CheckpointError."""
    path = folder / DATA
    if not path.exists():
        return None
    state = checkpoint.load(path)
    state.expect(*META)
    try:
        C, H, W = map(int, state.meta["image_shape"])
        mean, classes, keys = state.arrays["mean"], tuple(map(str, state.meta["classes"])), tuple(map(str, state.meta["keys"]))
        nothing = Split(np.empty((0, C, H, W), np.uint8), np.empty(0, np.int64))
        known = Dataset(str(state.meta["name"]), classes, nothing, nothing, mean, float(state.meta["scale"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(path, f"does not say what its run had seen: {error!r}") from None
    return Source(known, str(state.meta["location"]), str(state.meta["fingerprint"]), keys=keys)
