"""The checks of the layers on a GPU can fail: errors planted where the layers call their kernels are refused."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from minialex import layers
from minialex.layers import fast
from minialex.layers.fast import avg_pool, biased, columns, dropout, lrn, max_pool, sequential
from tests import checks
from tests.checks.every_layer import backward_follows_the_definition, forward_follows_the_definition
from tests.cuda import stand_in
from tests.cuda.compiled import compiler
from tests.layers.fast.hosted import hosted
from tests.layers.fast.test_kernels import a_full_layer_agrees, agree, alone_each_is_itself, the_masks_are_equal
from tests.mutants.engine import Mutant, Subject, run
from tests.strategies import tiled_cases


def judged(suite: Any, cls: Any, **options: Any) -> None:
    suite.run(hosted(cls), max_examples=20, only=(forward_follows_the_definition, backward_follows_the_definition), **options)


def joined_by(fresh: ModuleType) -> ModuleType:
    """The fast layers, joined, with those of a module with an error in it in their places."""
    joining = run(sequential, inspect.getsource(sequential))
    kind = ModuleType("kind")
    kind.__dict__.update(vars(fast))
    for name in ("Biased", "Joint", "ReLU", "Dropout", "Sequential"):
        if name in vars(fresh):
            joining.__dict__[name] = kind.__dict__[name] = vars(fresh)[name]
    kind.__dict__["Sequential"] = joining.__dict__["Sequential"]
    if "Biased" in vars(fresh):
        for plain in (layers.Conv2d, layers.Linear):
            kind.__dict__[plain.__name__] = type(plain.__name__, (vars(fresh)["Biased"], plain), {})
    return kind


def chain(fresh: ModuleType) -> None:
    """Plain layers against chains of fast ones, which are joined by the module with the error in it."""
    kind = joined_by(fresh)
    for dtype in (np.float32, np.float64):
        agree(vars(kind)["Sequential"], 3, 2, True, 1, dtype, kind=kind)
    alone_each_is_itself(kind)
    a_full_layer_agrees(7, 5, 2, 0.3, 1, [True, False, True], np.float64, kind=kind)


def with_dropout(fresh: ModuleType) -> None:
    """The layer alone, and at the end of a joint."""
    the_masks_are_equal(5, 4, 2, 1, kind=fresh.Dropout)
    a_full_layer_agrees(7, 5, 2, 0.3, 1, [True, False, True], np.float64, kind=joined_by(fresh))


def planted(module: ModuleType, judge: Any, *mutants: Mutant) -> list[Any]:
    subject = Subject(module.__name__.split(".")[-1], module, (), mutants)
    return [pytest.param(subject, mutant, judge, id=f"{subject.name}: {mutant.name}") for mutant in mutants]


def mutant(name: str, within: str, old: str, new: str) -> Mutant:
    return Mutant(name, old, new, "", within)


MUTANTS = [
    *planted(
        columns,
        lambda fresh: judged(checks.CONV2D, fresh.Conv2d, cases=tiled_cases()),
        mutant("stride forgotten", "Conv2d._columns", "self.stride, self.padding, out", "(1, 1), self.padding, out"),
        mutant("padding forgotten when scattering", "Conv2d._scatter", "self.padding, out", "(0, 0, 0, 0), out"),
        mutant("scattered elsewhere", "Conv2d._scatter", "out=dx", "out=dx.copy()"),
    ),
    *planted(
        biased,
        chain,
        mutant("ReLU is left out", "Biased._add_bias", "relu=joint is not None", "relu=False"),
        mutant("ReLU for all", "Biased._add_bias", "relu=joint is not None", "relu=True"),
        mutant("dropped in the test, too", "Biased._add_bias", "joint.train and ", ""),
        mutant("the last pass's manner", "Biased.forward", "self.joint.train = train", "self.joint.train |= train"),
        mutant("another's db", "Joint.take_db", "db if ours is not None and", "db if ours is not None or"),
        mutant("the gradient is not masked", "ReLU.backward", "return dY.transpose(0, 3, 1, 2)", "return dy"),
        mutant("db of the wrong layer", "ReLU.backward", "self.joint.db = dY, db", "self.joint.db = dY, db[::-1]"),
    ),
    *planted(
        max_pool,
        lambda fresh: judged(checks.MAX_POOL2D, fresh.MaxPool2d),
        mutant("right for left", "MaxPool2d.forward", "self.padding[2]", "self.padding[3]"),
        mutant("bottom for top", "MaxPool2d._by_kernel", "self.padding[0]", "self.padding[1]"),
    ),
    *planted(
        avg_pool,
        lambda fresh: judged(checks.AVG_POOL2D, fresh.AvgPool2d),
        mutant("stride forgotten", "AvgPool2d.forward", "self.stride", "self.kernel_size"),
        mutant("left for top", "AvgPool2d.backward", "self.padding[0]", "self.padding[2]"),
    ),
    *planted(
        lrn,
        lambda fresh: judged(checks.LOCAL_RESPONSE_NORM, fresh.LocalResponseNorm),
        mutant("alpha not divided", "LocalResponseNorm._by_kernel", "self._alpha", "self.alpha"),
        mutant(
            "alpha not divided on the way back",
            "LocalResponseNorm.backward",
            "d, self.size, self._alpha",
            "d, self.size, self.alpha",
        ),
        mutant("groups see each other", "LocalResponseNorm._by_kernel", "self.k, self.groups", "self.k, 1"),
        mutant("groups see each other on the way back", "LocalResponseNorm.backward", "self.beta, self.groups", "self.beta, 1"),
    ),
    *planted(
        dropout,
        with_dropout,
        mutant("one mask for all slices", "Dropout._draw", "for philox in generators", "for philox in generators[:1] * 2"),
        mutant("dropped in the test, too", "Dropout.forward", "train and ", ""),
        mutant("p upside down on the way back", "Dropout.backward", "self.p, saved", "1 - self.p, saved"),
        mutant("no mask on the way back", "Dropout.backward", "self.p, saved", "0.0, saved"),
        mutant("no mask on the way back, alone", "Dropout.backward", "and self.joint.closed", ""),
        mutant("no mask behind a ReLU of the test", "Dropout.backward", "saved.joined and", ""),
        mutant("a mask that was drawn already", "Dropout.forward", "self.joint.masked is x", "False"),
        mutant("no mask where there is a joint", "Dropout.forward", " and self.joint.masked is x", ""),
    ),
    *planted(
        sequential,
        chain,
        mutant("a mask between the maps' rows", "Sequential.__init__", "isinstance(layer, linear.Linear) and ", ""),
        mutant("layers that stay together", "Sequential._joined", "joint.closed = False", "pass"),
    ),
]


@pytest.mark.parametrize(("subject", "mutant", "judge"), MUTANTS)
def test_mutant_is_killed(subject: Subject, mutant: Mutant, judge: Any) -> None:
    compiler()
    fresh = subject.planted(mutant)
    with stand_in.gpu(), pytest.raises(AssertionError):
        judge(fresh)


@pytest.mark.parametrize("module", [columns, biased, max_pool, avg_pool, lrn, dropout, sequential])
def test_the_same_judge_lets_the_healthy_pass(module: ModuleType) -> None:
    compiler()
    subject, _, judge = next(each.values for each in MUTANTS if each.values[0].module is module)
    with stand_in.gpu():
        judge(subject.real())
