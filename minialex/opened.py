"""Runs opened again, to be looked at: each with its net, its data, and the way it is shown an image.

    (run,) = open_runs(["runs/digits-small-1"])
    scores = evaluate(run.net(), run.source.dataset.test, run.view)

A run's folder says what it is (recipe.toml), and holds what it has learned: last.ckpt and best.ckpt, or weights.npz alone.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minialex.arrays import Array
from minialex.checkpoint import BEST, LAST, CheckpointError, load
from minialex.checkpoint.snapshot import PARAMS
from minialex.data.errors import printable
from minialex.data.sets import NAMES as SETS
from minialex.data.sets import Source
from minialex.data.views import CentreCrop, TenViews
from minialex.net import Net
from minialex.recipes import Recipe, RecipeError
from minialex.recipes import load as load_recipe
from minialex.runs import load_weights
from minialex.runs.build import make_net, open_source, split_seed, test_view
from minialex.runs.folder import RECIPE
from minialex.runs.kept import recall

CHECKPOINTS = {"last": LAST, "best": BEST}
WEIGHTS = "weights.npz"
DAMAGE = (  # what reading a damaged weights.npz may raise
    OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, NotImplementedError, zipfile.BadZipFile, zlib.error
)  # fmt: skip


class RunError(ValueError):
    """A folder that holds no run, or one that cannot be used as asked. The message is one line."""


@dataclass(frozen=True)
class Opened:
    """name: the folder, as it was given. state: the parameters in its file `weights`. view: an image, as a test shows it.

    notice: a line for a person, or "".
    """

    name: str
    recipe: Recipe
    weights: str
    state: Mapping[str, Array]
    source: Source
    view: CentreCrop
    notice: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.source.dataset.classes

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the classes' folders: for ImageNet the wnids, for all other data the classes themselves."""
        return self.source.keys or self.classes

    def net(self, devices: str = "auto") -> Net:
        """The net on these devices, with what it has learned. Raises RunError; Refused, as for training."""
        net = make_net(self.recipe.with_keys({"run.devices": devices}), self.source)
        try:
            net.load_state_dict(self.state)
        except ValueError as error:
            raise RunError(f"{printable(self.name)}: {self.weights} does not fit its recipe: {error}") from None
        return net

    def views(self, count: int) -> tuple[CentreCrop | TenViews, str]:
        """An image in one view or ten, and that in words. Where the net sees the whole image, there is only one."""
        (_, H, W), (h, w) = self.view.image_shape, self.view.crop
        if self.view.margins == (0, 0):
            return self.view, f"1, the whole image of {h} x {w}"
        if count == 1:
            return self.view, f"1, the central {h} x {w} of {H} x {W}"
        words = f"10 of {h} x {w} in {H} x {W}: the corners, the centre, and their mirror images"
        return TenViews(self.view), words + (" (in training it saw none mirrored)" if not self.recipe.data.mirror else "")


def open_runs(
    folders: Sequence[str], checkpoint: str | None = None, data: str | None = None, *, pictures: bool = True
) -> list[Opened]:
    """These runs, whose nets are made only when they are asked for: one may fill a device. Equal data are opened once.

    checkpoint: "last" or "best"; None is the last, or weights.npz where there is no checkpoint. data: where the data are, if
    not where they were in training; they may then be others of the same classes. pictures: False if none of the data's own are
    needed: what the run has kept of them (their mean, their classes) then stands for the data, wherever these are now. Raises
    RunError, CheckpointError or DataError, also where the runs do not all have the same data.
    """
    if twice := [name for n, name in enumerate(folders) if Path(name).resolve() in [Path(f).resolve() for f in folders[:n]]]:
        raise RunError(f"{printable(twice[0])}: is named twice")
    recipes = [read_recipe(Path(name), data) for name in folders]
    states = [read_state(Path(name), checkpoint) for name in folders]
    sources: dict[Any, Source] = {}
    runs = []
    for name, recipe, (weights, state, learned) in zip(folders, recipes, states, strict=True):
        asked = recipe.data.set, recipe.data.path, recipe.data.prepared, recipe.data.val_share, split_seed(recipe)
        kept = recall(Path(name)) if not pictures and data is None else None
        if kept is None and asked not in sources:
            if data is None:
                _find_data(name, recipe)
            sources[asked] = open_source(recipe)
        source = kept or sources[asked]
        notice = _compare(name, source, learned, moved=data is not None)
        runs.append(Opened(name, recipe, weights, state, source, test_view(recipe, source), notice))
        _compare_runs(runs[0], runs[-1])
    return runs


def read_recipe(folder: Path, data: str | None = None) -> Recipe:
    """What the run in this folder is; its data are now at `data`, if that is given. Raises RunError."""
    if not (folder / RECIPE).exists():
        missing = f"there is no {RECIPE} in it" if folder.is_dir() else "there is no such folder"
        raise RunError(f"{printable(folder)}: is not the folder of a run: {missing}")
    try:
        recipe = load_recipe(folder / RECIPE)
    except RecipeError as error:
        raise RunError(printable(error)) from None
    return recipe if data is None else recipe.with_keys({"data.set": data, "data.path": None, "data.prepared": None})


def read_state(folder: Path, checkpoint: str | None = None) -> tuple[str, dict[str, Array], dict[str, Any]]:
    """The name of the file, the parameters in it, and what a checkpoint remembers besides. Raises RunError, CheckpointError."""
    name = CHECKPOINTS[checkpoint or "last"]
    if (folder / name).exists():
        try:
            state = load(folder / name)
        except CheckpointError as error:
            other = "best" if name == LAST else "last"
            hint = f"; --checkpoint {other} takes {CHECKPOINTS[other]}" if (folder / CHECKPOINTS[other]).exists() else ""
            raise RunError(f"{error}{hint}") from None
        params = {key.removeprefix(PARAMS): value for key, value in state.arrays.items() if key.startswith(PARAMS)}
        return name, params, state.meta
    if checkpoint is not None:
        raise RunError(f"{printable(folder)}: there is no {name} in it")
    path = folder / WEIGHTS
    try:
        return WEIGHTS, load_weights(path), {}
    except FileNotFoundError:
        raise RunError(f"{printable(folder)}: has learned nothing yet: there is neither {name} nor {WEIGHTS}") from None
    except DAMAGE as error:
        raise RunError(f"{printable(path)}: is damaged, or no file of weights ({_one_line(error)})") from None


def _find_data(name: str, recipe: Recipe) -> None:
    places = [place for place in (recipe.data.prepared, recipe.data.set) if place is not None]
    if recipe.data.set not in SETS and not any(Path(place).expanduser().is_dir() for place in places):
        where = printable(recipe.data.set)
        raise RunError(f"{printable(name)}: its data are not there, {where}; --data says where they are now")


def _compare(name: str, source: Source, learned: Mapping[str, Any], moved: bool) -> str:
    """A line if the data are others than those that were learned from; RunError where that cannot be meant."""
    classes, fingerprint = learned.get("classes"), learned.get("fingerprint")
    where = f"{source.dataset.name} ({printable(source.location)})"
    if classes is not None and list(classes) != list(source.dataset.classes):
        there = source.dataset.classes
        raise RunError(f"{printable(name)}: has learned other classes ({_some(classes)}) than {where} has ({_some(there)})")
    if fingerprint in (None, source.fingerprint):
        return ""
    if not moved:
        hint = f"--data {printable(source.location)} takes it as it is now"
        raise RunError(f"{printable(name)}: {where} has changed since the run learned from it; {hint}")
    return f"{printable(name)} has learned from other data than {where}, of the same classes"


def _compare_runs(first: Opened, other: Opened) -> None:
    if first.source.fingerprint == other.source.fingerprint:
        return
    names = f"{printable(first.name)} and {printable(other.name)}"
    if first.classes != other.classes:
        raise RunError(f"{names} have not the same classes: {_some(first.classes)}, and {_some(other.classes)}")
    places = [f"{printable(run.source.location)}, split seed {split_seed(run.recipe)}" for run in (first, other)]
    raise RunError(f"{names} have not the same training and test images ({'; and '.join(places)}): look at them one by one")


def _some(classes: Sequence[str]) -> str:
    """How many there are, and the first of them."""
    return f"{len(classes)}: {', '.join(map(printable, classes[:3]))}{', ...' if len(classes) > 3 else ''}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).partition(". ")[0].split()) or type(error).__name__
