"""The checks of images that cross as bytes can fail: errors planted on their way are refused."""

from __future__ import annotations

import gc
import inspect
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from minialex import evaluation, shown, towers
from minialex.data import loader, views
from minialex.devices import wire
from tests.cuda.compiled import compiler
from tests.cuda.stand_in import installed
from tests.layers.fast.test_kernel_mutants import mutant, planted
from tests.mutants.engine import Mutant, Subject, run
from tests.test_shown import (
    Case,
    bytes_are_floats,
    each_is_itself,
    each_part_has_a_place,
    it_can_be_finished,
    small,
    the_views_are_the_hosts,
    what_cannot_be_bytes,
)


class Judged(Case):
    """A case whose views are made by other code than is planted, to be compared."""

    @property
    def seen(self) -> Any:
        plain = replace(self, view=real(self.view))
        return Case(**vars(plain)).seen


def real(view: Any) -> Any:
    """The same, as it is without an error."""
    if hasattr(view, "places"):
        return views.TenViews(real(view.crop))
    return views.CentreCrop(view.image_shape, view.crop, mean=view.mean, mean_at=view.mean_at, scale=view.scale)


def fixed(module: Any, kind: str) -> Judged:
    """Two images, and a mean, whose every number is its own; nothing is square."""
    rng = np.random.default_rng(0)
    C, H, W = shape = (2, 6, 9)
    mean_at = "pixel" if "pixel" in kind else "centre"
    crop = None if "whole" in kind else (4, 5)
    view = module.CentreCrop(shape, crop, mean=rng.normal(100, 50, shape), mean_at=mean_at, scale=3.0)
    h, w = view.crop
    colours = rng.normal(0, 9, (2, C)).astype(np.float32)
    draws = views.Draws(np.array([0, H - h]), np.array([W - w, 0]), np.array([True, False]), colours)
    images = rng.integers(0, 256, (2, *shape), np.uint8)
    shown_as = module.TenViews(view) if "ten" in kind else view
    return Judged(images=images, view=shown_as, draws=draws if "drawn" in kind else None)


KINDS = ("drawn, pixel, whole", "drawn, pixel", "drawn", "centre", "ten", "ten, pixel")


def judged(cls: Any = towers.Broadcast, module: Any = views) -> None:
    """Views of every kind, on one GPU and on two, sent ahead or not, of both dtypes; then by turns."""
    for number, kind in enumerate(KINDS):
        case = fixed(module, kind)
        it_can_be_finished(case)
        with installed(2) as machine:
            dtype = (np.float32, np.float64)[number % 2]
            the_views_are_the_hosts(machine, cls, case, number % 3 != 1, ("0,1", "0,0")[number // 2 % 2], dtype)
            gc.collect()
    with installed(2):
        each_is_itself(cls, [fixed(module, kind) for kind in ("drawn", "centre", "drawn", "drawn, pixel", "ten", "drawn")])
        gc.collect()


def with_towers(fresh: ModuleType) -> None:
    judged(vars(fresh)["Broadcast"])


def with_wires(fresh: ModuleType) -> None:
    module = run(towers, inspect.getsource(towers))
    module.__dict__["Standing"] = vars(fresh)["Standing"]
    judged(vars(module)["Broadcast"])


def with_views(fresh: ModuleType) -> None:
    judged(module=fresh)


def with_shown(fresh: ModuleType) -> None:
    """The layout, and what is made of it, in the views' hands and in the towers'."""
    for times in (1, 2):
        each_part_has_a_place(vars(fresh)["Layout"], 3, times, (3, 3, 5))
    data, crossing = run(views, inspect.getsource(views)), run(towers, inspect.getsource(towers))
    for name in ("Layout", "Look", "Shown"):
        data.__dict__[name] = vars(fresh)[name]
    crossing.__dict__["Shown"] = vars(fresh)["Shown"]
    judged(vars(crossing)["Broadcast"], data)


def with_loader(fresh: ModuleType) -> None:
    for ten in (False, True):
        bytes_are_floats(vars(fresh)["Loader"], 11, 4, 0, "C", ten, 1)
    what_cannot_be_bytes(vars(fresh)["Loader"])


def with_evaluation(fresh: ModuleType) -> None:
    """Ten views of five images, and one."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 2, 11, 14), np.uint8)
    crop = views.CentreCrop((2, 11, 14), (9, 12), scale=100)
    with installed(2):
        for view in (views.TenViews(crop), crop):
            expected = evaluation.log_probabilities(small("cpu,cpu"), images, view, 20)
            got = vars(fresh)["log_probabilities"](small("0,1"), images, view, 20)
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, rtol=1e-9)
        gc.collect()


MUTANTS = [
    *planted(
        towers,
        with_towers,
        mutant("the first device's views for all", "Broadcast._show", "made[device] for", "made[self.devices[0]] for"),
        mutant("bytes not in the ledger", "Broadcast._show", "self._wires[to].announce(images.memory)", "pass"),
        mutant("the mean not in the ledger", "Broadcast._show", "self._means[to].announce(images.look.mean)", "pass"),
        mutant("floats cross", "Broadcast.forward", "self._show(xs[0]) if self.makes_views else ", ""),
        mutant("tops for lefts", "Broadcast._show_on", "parts.tops, parts.lefts", "parts.lefts, parts.tops"),
        mutant("nothing is mirrored", "Broadcast._show_on", "parts.mirrored", "parts.mirrored * 0"),
        mutant("no colours", "Broadcast._show_on", "colours=parts.colours", "colours=None"),
        mutant("not divided", "Broadcast._show_on", "divisor=look.divisor", "divisor=1.0"),
        mutant("always the views' mean", "Broadcast._show_on", "mean_at=look.mean_at", 'mean_at="centre"'),
        mutant("always float32", "Broadcast._show_on", "images.dtype", "mean.dtype"),
    ),
    *planted(
        wire,
        with_wires,
        mutant("the first mean for ever", "Standing.carry", "x is not self.last or self.buffer", "self.buffer"),
        mutant("the mean with every batch", "Standing.carry", "self.last = x", "pass"),
        mutant("the mean's row in the ledger each time", "Standing.announce", "if x is not self.last:", "if True:"),
    ),
    *planted(
        shown,
        with_shown,
        mutant("lefts in the place of tops", "Layout.parts", "memory[4 * m : colours].view", "memory[: 4 * m].view"),
        mutant("an odd size", "Layout.size", "-(-(self._numbers + self._pixels) // 4) * 4", "self._numbers + self._pixels"),
        mutant("pixels in the mirrors' place", "Layout.parts", "self.size - self._pixels", "mirrored"),
        mutant("one colour for all", "Layout._numbers", "4 * self.image_shape[0]", "4"),
        mutant("rows and columns exchanged", "Layout.parts", "self.images, H, W, C", "self.images, W, H, C"),
        mutant("as many views as images", "Shown.shape", "self.layout.views", "self.layout.images"),
        mutant("one view of each", "Shown.views", "self.layout.views // self.layout.images", "1"),
        mutant("finished in float32", "Shown.finished", ".astype(self.dtype, copy=False)", ""),
    ),
    *planted(
        views,
        with_views,
        mutant("top and left exchanged", "CentreCrop._write", "top, left = self.centre", "left, top = self.centre"),
        mutant("nothing mirrored", "CentreCrop._write", "else draws.mirrored", "else 0"),
        mutant("no colours", "CentreCrop._write", "else draws.colours", "else 0"),
        mutant("the mirrored mean", "CentreCrop.look", "self._means[0]", "self._means[1]"),
        mutant("always the views' mean", "CentreCrop.look", 'self._means[0] if self.mean_at == "pixel" else ', ""),
        mutant("a new mean for each batch", "CentreCrop.look", "self._central_mean", "self._central_mean.copy()"),
        mutant("divided by nothing", "CentreCrop.look", "self.divisor", "1.0"),
        mutant("finished without draws", "CentreCrop.shown", "self(parts.pixels, draws)", "self(parts.pixels)"),
        mutant("ten views of the centre", "TenViews.shown", "Draws(tops, lefts, mirrored)", "None"),
        mutant(
            "ten views, image by image", "TenViews.shown", "Draws(tops, lefts, mirrored)", "Draws(tops[::-1], lefts, mirrored)"
        ),
    ),
    *planted(
        loader,
        with_loader,
        mutant("the draws of the first images", "_BytesJob._room", "rows(self.indices)", "rows(np.arange(n))"),
        mutant("other dtypes are cast", "_BytesJob._write", "read.dtype != np.uint8 or ", ""),
        mutant("other sizes are spread", "_BytesJob._write", " or read.shape != out.shape", ""),
        mutant(
            "floats are taken for bytes", "Loader.can_be_bytes", 'getattr(self.split.images, "dtype", None) ==', "np.uint8 =="
        ),
        mutant("every preparation is taken for ours", "Loader.can_be_bytes", 'hasattr(self.augment, "shown")', "True"),
        mutant("floats all the same", "Loader.epoch", "as_bytes and self.can_be_bytes", "False"),
    ),
    *planted(
        evaluation,
        with_evaluation,
        mutant("views taken for images", "_in_a_row", "return batch.views, batch", "return 1, batch"),
        mutant("images taken for views", "log_probabilities", "logs.reshape(views, -1,", "logs.reshape(-1, views,"),
    ),
]


@pytest.mark.parametrize(("subject", "mutant", "judge"), MUTANTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_mutant_is_killed(subject: Subject, mutant: Mutant, judge: Any) -> None:
    compiler()
    fresh = subject.planted(mutant)
    with pytest.raises((AssertionError, AttributeError, ValueError, pytest.fail.Exception)):
        judge(fresh)


@pytest.mark.parametrize("module", [towers, wire, shown, views, loader, evaluation])
def test_the_same_judge_lets_the_healthy_pass(module: ModuleType) -> None:
    compiler()
    subject, _, judge = next(each.values for each in MUTANTS if each.values[0].module is module)
    judge(subject.real())
