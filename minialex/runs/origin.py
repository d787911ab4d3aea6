"""--init-from: the run whose layers a new run begins with. The recipe keeps the file's place and checksum: it says all that
decides what a run does."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from minialex import inherit
from minialex.checkpoint import BEST, LAST, CheckpointError, load
from minialex.checkpoint.snapshot import PARAMS
from minialex.console import Refused
from minialex.net import Net
from minialex.recipes import Recipe
from minialex.recipes.kinds import hint


def checkpoint_of(path: str) -> Path:
    """The file that is meant by a run's folder (its best checkpoint, else its last), or by the file itself. Raises Refused."""
    place = Path(path).expanduser()
    if not place.exists():
        near = hint(place.name, [one.name for one in place.parent.glob("*")] if place.parent.is_dir() else [])
        raise Refused(f"--init-from {path}: there is nothing of that name{near}")
    if not place.is_dir():
        return place
    found = next((place / name for name in (BEST, LAST) if (place / name).exists()), None)
    if found is None:
        raise Refused(f"--init-from {path}: is not the folder of a run that has learned: it has neither {BEST} nor {LAST}")
    return found


def begin_from(recipe: Recipe, net: Net, say: Callable[[str], None]) -> Recipe:
    """Put the other run's layers into the net, say which, and return the recipe with the file's place and checksum in it.

    Raises Refused; CheckpointError where the file is damaged.
    """
    if recipe.net.init_from is None:
        return recipe
    path = checkpoint_of(recipe.net.init_from)
    state = load(path)
    digest = _sha256(path)
    if (wanted := recipe.net.init_sha256) not in (None, digest):
        raise Refused(f"--init-from {path}: has the SHA-256 {digest[:12]}..., and the recipe began from {str(wanted)[:12]}...")
    params = {key.removeprefix(PARAMS): value for key, value in state.arrays.items() if key.startswith(PARAMS)}
    try:
        matches = inherit.inherit(net, params)
    except ValueError as error:
        raise Refused(f"--init-from {path}: {error}") from None
    say(f"init       the layers of {path}\n{inherit.table(matches)}\n")
    return recipe.with_keys({"net.init_from": os.path.abspath(path), "net.init_sha256": digest})


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(path, f"cannot be read: {error.strerror}") from None
