"""Which run goes on, from which checkpoint, and whether what is asked for now agrees with what it is.

--resume auto     the run in --out, or the newest in runs/: from its newest good checkpoint; a damaged one is named and passed
                  over. Where there is no run yet, one begins.
--resume PATH     this run, or this checkpoint of it, and nothing else: damaged, it is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minialex.checkpoint import BEST, LAST, CheckpointError, RunFolder, State, load
from minialex.console import Refused
from minialex.recipes import KEYS, Recipe, RecipeError
from minialex.recipes import load as load_recipe
from minialex.recipes.files import toml
from minialex.recipes.kinds import hint
from minialex.runs.folder import RECIPE, Run
from minialex.training import drop_epochs

RUNS = Path("runs")
MAY_CHANGE = ("learning.epochs", "run.devices", "run.workers", "run.save_every")
PLACES = ("data.set", "data.path", "data.prepared")  # data may have moved; whether they are the same, their fingerprint says


@dataclass
class Resumed:
    """A run that is there: its folder, locked; its recipe; the state to go on from (None: it had saved nothing yet).

    notices: lines for a person.
    """

    run: Run
    folder: RunFolder
    recipe: Recipe
    state: State | None
    notices: list[str]


def find_run(resume: str, out: str | None) -> tuple[Path, Path | None] | None:
    """--resume and --out -> the folder, and the checkpoint if one was named; None where "auto" finds no run. Raises Refused."""
    if resume == "auto":
        if out is not None:
            return (Path(out), None) if is_run(Path(out)) else None
        found = sorted(filter(is_run, RUNS.glob("*")), key=_last_change)
        return (found[-1], None) if found else None
    path = Path(resume)
    folder = path if path.is_dir() else path.parent
    if out is not None and os.path.realpath(out) != os.path.realpath(folder):
        raise Refused(f"--out {out} and --resume {resume} are two folders; a run goes on in its own: leave --out away")
    if not path.exists():
        near = hint(path.name, [one.name for one in path.parent.glob("*")] if path.parent.is_dir() else [])
        raise Refused(f"--resume {resume}: there is nothing of that name{near}")
    if not is_run(folder):
        raise Refused(f"--resume {resume}: {folder} is not the folder of a run: it has neither {RECIPE} nor {LAST}")
    return folder, None if path.is_dir() else path


def is_run(folder: Path) -> bool:
    return (folder / RECIPE).is_file() or (folder / LAST).is_file()


def _last_change(folder: Path) -> float:
    return max((folder / name).stat().st_mtime for name in (LAST, RECIPE) if (folder / name).exists())


def take_up(path: Path, checkpoint: Path | None, strict: bool, asked: Mapping[str, Any]) -> Resumed:
    """The run in this folder, as its own recipe says, and `asked` ("learning.epochs": 20) where that may change.

    strict: the last checkpoint or none. Raises Refused, CheckpointError, RecipeError.
    """
    folder = RunFolder(path)
    try:
        notices = list(folder.warnings)
        if folder.swept:
            notices.append(f"removed what a killed save had left: {', '.join(folder.swept)}")
        run = Run.existing(path)
        run.sweep()
        state = _state(folder, checkpoint, strict, notices)
        recipe = _recipe(path, state, notices)
        return Resumed(run, folder, _with_changes(path, recipe, asked, notices), state, notices)
    except BaseException:
        folder.close()
        raise


def _state(folder: RunFolder, checkpoint: Path | None, strict: bool, notices: list[str]) -> State | None:
    if checkpoint is not None:
        return load(checkpoint)
    if strict and folder.last.exists():
        try:
            return load(folder.last)
        except CheckpointError as error:
            others = [str(p) for p in (folder.previous, folder.best) if p.exists()]
            ways = f"--resume auto --out {folder.path}, or --resume {others[0]}, goes on from an older one" if others else ""
            raise CheckpointError(error.path, error.reason + (f"; {ways}" if ways else "")) from None
    found = folder.resume()
    if found is None:
        notices.append(f"{folder.path} has no checkpoint yet: it begins from the start")
        return None
    notices.extend(found.warnings)
    return found.state


def _recipe(path: Path, state: State | None, notices: list[str]) -> Recipe:
    """The checkpoint's recipe; where there is no checkpoint, the folder's. [run] is always the folder's."""
    try:
        written = load_recipe(path / RECIPE)
    except RecipeError as error:
        if state is None:
            raise
        notices.append(f"{error}; the checkpoint's own recipe is used")
        written = Recipe()
    if state is None:
        return written
    saved = state.meta.get("recipe")
    if not isinstance(saved, dict) or not saved.keys() <= KEYS.keys():
        raise CheckpointError(state.path, "has no recipe that this minialex knows")
    try:
        values = {k: None if v is None else KEYS[k].metadata["kind"].take(v) for k, v in saved.items()}
    except ValueError as error:
        raise CheckpointError(state.path, f"has a recipe that this minialex cannot read: {error}") from None
    edited = [k for k in values if written != Recipe() and written.flat()[k] != values[k]]
    if edited:
        notices.append(f"{path / RECIPE} was changed ({', '.join(edited)}); the run goes on as it began")
    return written.with_keys(values)


def _with_changes(path: Path, recipe: Recipe, asked: Mapping[str, Any], notices: list[str]) -> Recipe:
    """The recipe with what may be another now; Refused for all else that differs."""
    before, changes = recipe.flat(), {}
    for name, value in asked.items():
        if _same(name, before[name], value):
            continue
        if name not in MAY_CHANGE + PLACES:
            raise Refused(
                f"{path} has {name} = {_shown(before[name])}, and {_shown(value)} is asked for: a run goes on as it began; "
                f"leave that away, or start a new run without --resume"
            )
        changes[name] = value
        notices.append(f"{name} was {_shown(before[name])}, and is {_shown(value)} from now on")
    if "learning.epochs" in changes and recipe.learning.schedule == "drops":
        drops = tuple(drop_epochs(recipe.learning.epochs, recipe.learning.drop_at))
        changes["learning.drop_at"] = drops
        notices.append(f"lr falls where it did: after epoch {', '.join(map(str, drops)) or '-'}")
    if "data.set" in changes:
        changes.setdefault("data.prepared", None)
    return recipe.with_keys(changes)


def _same(name: str, before: Any, now: Any) -> bool:
    if name in PLACES and isinstance(before, str) and isinstance(now, str):
        return before == now or os.path.realpath(before) == os.path.realpath(now)
    if name == "net.init_from" and isinstance(before, str):
        return os.path.realpath(before) in (os.path.realpath(place) for place in (now, Path(now, BEST), Path(now, LAST)))
    return bool(before == now)


def _shown(value: Any) -> str:
    return "nothing" if value is None else toml(value)
