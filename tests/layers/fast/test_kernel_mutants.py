"""The checks of the layers on a GPU can fail: errors planted where the layers call their kernels are refused."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from minialex import layers
from minialex.layers import fast
from minialex.layers.fast import biased, columns, dropout, lrn, pool, sequential
from tests import checks
from tests.checks.every_layer import backward_follows_the_definition, forward_follows_the_definition
from tests.cuda import stand_in
from tests.cuda.compiled import compiler
from tests.layers.fast.hosted import hosted
from tests.layers.fast.test_kernels import agree, the_masks_are_equal
from tests.mutants.engine import Mutant, Subject, run
from tests.strategies import tiled_cases


def judged(suite: Any, cls: Any, **options: Any) -> None:
    suite.run(hosted(cls), max_examples=20, only=(forward_follows_the_definition, backward_follows_the_definition), **options)


def chain(fresh: ModuleType) -> None:
    """Plain layers against a chain of fast ones, which are joined by the module with the error in it."""
    joined = {name: fresh.__dict__[name] for name in ("Biased", "Joint", "ReLU")}
    joining = run(sequential, inspect.getsource(sequential))
    joining.__dict__.update(joined)
    kind = ModuleType("kind")
    kind.__dict__.update(vars(fast) | joined)
    for plain in (layers.Conv2d, layers.Linear):
        kind.__dict__[plain.__name__] = type(plain.__name__, (joined["Biased"], plain), {})
    for dtype in (np.float32, np.float64):
        agree(joining.__dict__["Sequential"], 3, 2, True, 1, dtype, kind=kind)


def planted(module: ModuleType, judge: Any, *mutants: Mutant) -> list[Any]:
    subject = Subject(module.__name__.split(".")[-1], module, (), mutants)
    return [pytest.param(subject, mutant, judge, id=f"{subject.name}: {mutant.name}") for mutant in mutants]


def mutant(name: str, within: str, old: str, new: str) -> Mutant:
    return Mutant(name, old, new, "", within)


MUTANTS = [
    *planted(
        columns,
        lambda fresh: judged(checks.CONV2D, fresh.Conv2d, cases=tiled_cases()),
        mutant("stride forgotten", "_columns", "self.stride, self.padding, out", "(1, 1), self.padding, out"),
        mutant("padding forgotten when scattering", "_scatter", "self.padding, out", "(0, 0, 0, 0), out"),
        mutant("scattered elsewhere", "_scatter", "out=dx", "out=dx.copy()"),
    ),
    *planted(
        biased,
        chain,
        mutant("ReLU is left out", "_add_bias", "copy=False), relu)", "copy=False), False)"),
        mutant("ReLU for all", "_add_bias", "self.joint is not None and self.joint.closed", "True"),
        mutant("another's db", "take_db", "db if ours is not None and", "db if ours is not None or"),
        mutant("the gradient is not masked", "ReLU.backward", "return dY.transpose(0, 3, 1, 2)", "return dy"),
        mutant("db of the wrong layer", "ReLU.backward", "self.joint.db = dY, db", "self.joint.db = dY, db[::-1]"),
    ),
    *planted(
        pool,
        lambda fresh: (judged(checks.MAX_POOL2D, fresh.MaxPool2d), judged(checks.AVG_POOL2D, fresh.AvgPool2d)),
        mutant("right for left", "MaxPool2d.forward", "self.padding[2]", "self.padding[3]"),
        mutant("bottom for top", "MaxPool2d._by_kernel", "self.padding[0]", "self.padding[1]"),
        mutant("stride forgotten", "AvgPool2d.forward", "self.stride", "self.kernel_size"),
        mutant("left for top", "AvgPool2d.backward", "self.padding[0]", "self.padding[2]"),
    ),
    *planted(
        lrn,
        lambda fresh: judged(checks.LOCAL_RESPONSE_NORM, fresh.LocalResponseNorm),
        mutant("alpha not divided", "_by_kernel", "self._alpha", "self.alpha"),
        mutant("alpha not divided on the way back", "backward", "d, self.size, self._alpha", "d, self.size, self.alpha"),
        mutant("groups see each other", "_by_kernel", "self.k, self.groups", "self.k, 1"),
        mutant("groups see each other on the way back", "backward", "self.beta, self.groups", "self.beta, 1"),
    ),
    *planted(
        dropout,
        lambda fresh: the_masks_are_equal(5, 4, 2, 1, kind=fresh.Dropout),
        mutant("one mask for all slices", "forward", "for philox in generators", "for philox in generators[:1] * 2"),
        mutant("dropped in the test, too", "forward", "train and ", ""),
        mutant("p upside down on the way back", "backward", "self.p, saved", "1 - self.p, saved"),
        mutant("no mask on the way back", "backward", "self.p, saved", "0.0, saved"),
    ),
]


@pytest.mark.parametrize(("subject", "mutant", "judge"), MUTANTS)
def test_mutant_is_killed(subject: Subject, mutant: Mutant, judge: Any) -> None:
    compiler()
    with stand_in.gpu(), pytest.raises(AssertionError):
        judge(subject.planted(mutant))


@pytest.mark.parametrize("module", [columns, biased, pool, lrn, dropout])
def test_the_same_judge_lets_the_healthy_pass(module: ModuleType) -> None:
    compiler()
    subject, _, judge = next(each.values for each in MUTANTS if each.values[0].module is module)
    with stand_in.gpu():
        judge(subject.real())
