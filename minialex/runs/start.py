"""The beginning of a run, new or taken up again: everything that can be wrong is found here, before the first step."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from minialex.checkpoint import CheckpointError, RunFolder
from minialex.checkpoint.disk import room
from minialex.console import Refused
from minialex.data import Source
from minialex.data.sets import NAMES as SETS
from minialex.net import Net
from minialex.recipes import Recipe, RecipeError, load, named
from minialex.recipes.files import read
from minialex.runs import build
from minialex.runs.folder import CONFIG, RECIPE, Run
from minialex.runs.kept import keep
from minialex.runs.origin import begin_from
from minialex.runs.resume import find_run, take_up
from minialex.runs.session import Session

Say = Callable[[str], None]


def recipe_of(asked: Mapping[str, Any], recipe: str | None = None, config: str | None = None) -> Recipe:
    """The recipe of this name (by default the one that fits the data and the net), with a file's keys and then `asked`'s.

    Raises RecipeError.
    """
    values: dict[str, Any] = {}
    if config is not None:
        values, in_file = read(config)
        recipe = recipe or in_file
    wanted = values | dict(asked)
    base = named(recipe) if recipe else build.default_recipe(wanted.get("data.set"), wanted.get("net.name"))
    return base.with_keys(wanted)


def begin(
    asked: Mapping[str, Any],
    *,
    recipe: str | None = None,
    config: str | None = None,
    out: str | None = None,
    resume: str | None = None,
    download: bool = False,
    say: Say = print,
) -> tuple[Session, list[str]]:
    """The run that is asked for, ready for its first or next step, and lines for a person. Its folder is locked: close it.

    Raises Refused, RecipeError, DataError, CheckpointError, DeviceError: each one line.
    """
    if resume is not None and (found := find_run(resume, out)):
        return _go_on(*found, _all_asked(asked, recipe, config), strict=resume != "auto", say=say)
    chosen = recipe_of(asked, recipe, config)
    source = build.open_source(chosen, download=download, say=say)
    chosen = settled(chosen, source)
    build.make_batches(chosen, source)  # what cannot be shown as asked is refused here
    net = build.make_net(chosen, source)
    build.make_optimizer(chosen, net)  # and which layers there are not
    chosen = begin_from(chosen, net, say)
    run = _new_folder(chosen, out, may_be_there=resume is not None)
    folder = RunFolder(run.path)
    try:
        _check_room(run, net)
        session = Session(chosen, source, net, run, folder)
        _write_down(session)
        keep(run.path, source)
    except BaseException:
        folder.close()
        raise
    return session, ["no run to go on with was found: a new one begins"] if resume is not None else []


def _go_on(path: Path, checkpoint: Path | None, asked: Mapping[str, Any], strict: bool, say: Say) -> tuple[Session, list[str]]:
    taken = take_up(path, checkpoint, strict, asked)
    try:
        source = build.open_source(taken.recipe, say=say)
        recipe = settled(taken.recipe, source)
        net = build.make_net(recipe, source)
        _check_room(taken.run, net)
        if taken.state is None:
            recipe = begin_from(recipe, net, say)
        session = Session(recipe, source, net, taken.run, taken.folder, taken.state)
        taken.run.write_log(session.at.done)
        taken.run.write_sizes(session.sizes)
        if recipe != _written(path) or not (path / CONFIG).exists():
            _write_down(session)
        keep(path, source)
    except BaseException:
        taken.folder.close()
        raise
    where = taken.state.path.name if taken.state and taken.state.path else "the start"
    at = session.at
    taken.notices.append(f"{path} goes on from {where}: epoch {at.epoch}, after {at.step:,} steps")
    return session, taken.notices


def _written(folder: Path) -> Recipe | None:
    with suppress(RecipeError):
        return load(folder / RECIPE)
    return None


def _all_asked(asked: Mapping[str, Any], name: str | None, config: str | None) -> dict[str, Any]:
    """All keys that flags, file and recipe name together."""
    values: dict[str, Any] = {}
    if config is not None:
        values, in_file = read(config)
        name = name or in_file
    if name:
        values = {k: v for k, v in named(name).flat().items() if v is not None and not k.startswith("run.")} | values
    return values | dict(asked)


def settled(recipe: Recipe, source: Source) -> Recipe:
    """The recipe with the places of its data as they are wherever one stands."""
    places: dict[str, Any] = {}
    if recipe.data.set not in SETS:
        places["data.set"] = os.path.abspath(os.path.expanduser(recipe.data.set))
        if source.location != os.path.realpath(places["data.set"]):
            places["data.prepared"] = source.location
    elif recipe.data.set == "cifar10":
        places["data.path"] = source.location
    return recipe.with_keys(places)


def _new_folder(recipe: Recipe, out: str | None, may_be_there: bool) -> Run:
    """A new folder for the run; with `may_be_there`, one that is there and empty will do."""
    name = f"{Path(recipe.data.set).name}-{recipe.net.name}"
    try:
        return Run(out) if out else Run.numbered(name)
    except FileExistsError:
        if may_be_there and out and Path(out).is_dir() and not any(not p.name.startswith(".") for p in Path(out).iterdir()):
            return Run.existing(out)
        raise Refused(f"--out {out} exists already, and a run never overwrites another; choose another name") from None
    except OSError as error:
        raise Refused(f"cannot make the folder {out or 'runs'}: {error.filename}: {error.strerror}") from None


def _check_room(run: Run, net: Net) -> None:
    """There must be room for one more checkpoint than there are, else the first save would fail."""
    needed = 2 * sum(value.nbytes for value in net.params.values())
    if (free := room(run.path)) < needed:
        raise CheckpointError(
            run.path, f"a checkpoint has {needed:,} bytes, and there is room for {free:,}: {needed - free:,} are missing"
        )


def _write_down(session: Session) -> None:
    """recipe.toml, and the same with what came of it in config.json."""
    recipe = session.recipe
    session.run.write_recipe(recipe)
    flat = {name.split(".")[1]: value for name, value in recipe.flat().items() if name not in ("net.name", "data.set")}
    session.run.write_config(
        {"net": recipe.net.name, "data": session.source.location}
        | flat
        | {"fingerprint": session.source.fingerprint}
        | {"places": [device.name for device in session.net.devices], "started": now()}
    )


def now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
