"""The checks can fail: whatever error is planted, the suite that passes the real code refuses it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from minialex import layers, towers
from minialex.layers import fast
from tests.mutants import SUBJECTS, Misplaced, Mutant, Subject
from tests.mutants.blind import BLIND, CONTROL, verdicts
from tests.mutants.report import SURVIVED, markdown, row, without_killers, written

MUTANTS = [
    pytest.param(subject, mutant, id=f"{subject.name}: {mutant.name}") for subject in SUBJECTS for mutant in subject.mutants
]
EACH = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)


@EACH
def test_the_real_code_passes(subject: Subject) -> None:
    """The same source, run again without an error in it."""
    subject.hold(subject.real())


@pytest.mark.parametrize(("subject", "mutant"), MUTANTS)
def test_mutant_is_killed(subject: Subject, mutant: Mutant) -> None:
    said = subject.kills(mutant)
    assert said, "no check was run"
    assert None not in said, f"no claim sees that {mutant.looks_like}"


def test_every_backward_pass_has_mutants() -> None:
    names = [subject.name for subject in SUBJECTS]
    stages = {name for name, kind in vars(towers).items() if isinstance(kind, type) and issubclass(kind, towers.Stage)}
    wanted = ({*layers.__all__, "SGD"} | stages) - {"Layer", "im2col", "Stage"}
    plain_on_cpus = {"Dropout", "Sequential"}  # on GPUs: layers/fast/test_kernel_mutants.py
    plain_on_cpus |= {"SpatialResponseNorm"}  # plain everywhere
    steps = {"tiles", "toom_cook", "columns", "runs", "small", "filters", "sides", "winners"}
    wanted |= {f"fast.{name}" for name in {*fast.__all__, *steps} - plain_on_cpus}
    assert set(names) == wanted
    assert len(names) == len(wanted)


@EACH
def test_mutants_are_many_and_distinct(subject: Subject) -> None:
    edits = {subject.planted_source(mutant) for mutant in subject.mutants}
    assert len(subject.mutants) >= 6
    assert len(edits) == len({mutant.name for mutant in subject.mutants}) == len(subject.mutants)
    assert all(mutant.looks_like and not mutant.looks_like.endswith(".") for mutant in subject.mutants)


RELU = next(subject for subject in SUBJECTS if subject.name == "ReLU")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"old": "(z > 0)"}, "stands 0 times in backward"),
        ({"old": "self"}, "stands 3 times in backward"),
        ({"within": "sideways"}, "has no sideways"),
        ({"new": "(zz > 0)"}, "does not even run"),
    ],
)
def test_a_mutant_that_no_longer_fits_says_so(change: dict[str, str], words: str) -> None:
    with pytest.raises(Misplaced, match=words):
        RELU.kills(replace(RELU.mutants[0], **change))


def test_a_survivor_is_noticed() -> None:
    harmless = Mutant("nothing", "(y > 0)", "(0 < y)", "nothing is wrong")
    assert RELU.kills(harmless) == [None]


def test_no_file_is_touched_and_the_real_layer_stays() -> None:
    planted = RELU.planted(RELU.mutants[0])
    assert planted.ReLU is not layers.ReLU
    assert RELU.real().ReLU.__mro__[1] is layers.Layer


@EACH
def test_weak_checks_accept_the_real_code(subject: Subject) -> None:
    """Else their verdict on mutants would mean nothing."""
    for check in (CONTROL, *BLIND):
        assert check.accepts(subject, subject.real()) in (None, True), check.name


@pytest.mark.parametrize("check", BLIND, ids=lambda check: check.name)
def test_weak_checks_let_wrong_gradients_pass(check: Any) -> None:
    missed = [mutant for subject in SUBJECTS for mutant in subject.mutants if lets_pass(subject, mutant, check.name)]
    assert len(missed) >= 5


def lets_pass(subject: Subject, mutant: Mutant, name: str) -> bool:
    """Whether this check accepts a gradient that the control refuses."""
    said = verdicts(subject, mutant)
    return said[CONTROL.name] is False and said[name] is True


def test_the_page_is_current() -> None:
    """docs/proof.md lists these mutants, all killed, and what the weak checks miss of them; else run --write again."""
    table = written()
    rows = [row(subject, mutant) for subject in SUBJECTS for mutant in subject.mutants]
    assert SURVIVED not in table
    assert without_killers(table) == without_killers(markdown(rows))
