"""A run's folder: last.ckpt, previous.ckpt and best.ckpt, and never an instant without a good one.

    write the new state aside, onto the disk
    best     <- new        (if it is the best)
    previous <- last
    last     <- new

Each arrow makes a name stand for another file, at once. Best comes first: a run that is killed after it goes on from the last
one, comes by here again and makes the same best again; the other way round it would never be made. (Killed there in its
first save, it has a best and no last; the next run to open the folder makes up for that.)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minialex.checkpoint.disk import ASIDE, CheckpointError, aside, explained, second_name
from minialex.checkpoint.file import State, load, verify, writing
from minialex.checkpoint.lock import Lock

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
LOCK = ".lock"
OURS = re.compile(rf"(last|previous|best)\.ckpt{ASIDE}")


@dataclass(frozen=True)
class Resumed:
    """The state to go on from; its `path` says which file it was. warnings: a line for each newer file that was no good."""

    state: State
    warnings: tuple[str, ...] = ()


def checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoints in this folder, good or not, in the order in which a run would take them; [] for a folder not there."""
    folder = Path(folder)
    with explained(folder, "cannot be read"):
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
    return [folder / name for name in (LAST, PREVIOUS, BEST) if name in names]


def resume_auto(folder: str | Path) -> Resumed | None:
    """The last checkpoint; where it is damaged the previous one, then the best, with warnings. None where there is none at all.

    CheckpointError where there are some and none is good: a run never starts again from nothing by itself.
    """
    warnings: list[str] = []
    for path in checkpoints(folder):
        try:
            state = load(path)
        except CheckpointError as error:
            warnings.append(str(error))
            continue
        if path.name != LAST:
            warnings.append(f"{path}: is used, as there is no good {LAST}")
        return Resumed(state, tuple(warnings))
    if warnings:
        raise CheckpointError(folder, f"holds no good checkpoint ({'; '.join(warnings)})")
    return None


class RunFolder:
    """The folder of a run that is going on: made if need be, known to be writable, locked, and swept. Close it, or use `with`.

    CheckpointError where it cannot be written to, or another run has it. warnings: lines that a person should see.
    swept: the names of what a killed save had left, now removed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.last, self.previous, self.best = (self.path / name for name in (LAST, PREVIOUS, BEST))
        with explained(self.path, "cannot be written to"):
            self.path.mkdir(parents=True, exist_ok=True)
            with aside(self.last) as probe:
                probe.touch(exist_ok=False)
        self._lock = Lock(self.path / LOCK)
        self.warnings = [self._lock.warning] if self._lock.warning else []
        self._last_is_good = False  # as far as is known
        try:
            self.swept = self._sweep()
            self._finish_first_save()
        except BaseException:
            self.close()
            raise

    def resume(self) -> Resumed | None:
        """As `resume_auto`."""
        return resume_auto(self.path)

    def save(self, state: State, best: bool = False) -> None:
        """Make this the last checkpoint, what was the last the previous one, and with `best` also the best.

        Raises as `file.save` does: last, previous and best are then still good, though one may already be a name for another.
        A last checkpoint that is damaged never becomes the previous one.
        """
        with writing(self.last, state) as new:
            if best:
                second_name(new, self.best)
            if self._keeps_last():
                second_name(self.last, self.previous)
            os.replace(new, self.last)
        self._last_is_good = True

    def close(self) -> None:
        """Let other runs write here."""
        self._lock.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _keeps_last(self) -> bool:
        """Whether there is a last checkpoint worth keeping: one that this run wrote, or that proves good now."""
        if self._last_is_good:
            return self.last.exists()
        try:
            verify(self.last)
        except CheckpointError:
            return False
        return True

    def _finish_first_save(self) -> None:
        if [path.name for path in checkpoints(self.path)] == [BEST]:
            with explained(self.last, "cannot be written", needed=self.best.stat().st_size):
                second_name(self.best, self.last)

    def _sweep(self) -> list[str]:
        with explained(self.path, "cannot be swept"):
            swept = sorted(name for name in os.listdir(self.path) if OURS.fullmatch(name))
            for name in swept:
                (self.path / name).unlink()
        return swept
