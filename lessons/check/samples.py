"""Arguments for an exercise's function, as its own claims draw them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache, wraps
from typing import Any

import numpy as np

from lessons.check.exercise import Arguments, Exercise, Trial
from lessons.check.probe import Probe
from tests.checks.suite import Property


@cache
def samples(exercise: Exercise, count: int = 12) -> list[Arguments]:
    """What the claims give to the right function: the first float64 call of each of so many cases, and every fact's."""
    drawn: list[Arguments] = list(exercise.examples)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for trial in exercise.trials:
            drawn += next(filter(None, (firsts(exercise, trial, claim, count) for claim in trial.suite.properties)), [])
            probe = Probe(exercise, exercise.right)
            replace(trial.suite, properties=()).run(trial.wrap(probe))
            drawn += [call.arguments for call in probe.calls if is_wide(call.arguments)]
    return drawn


def firsts(exercise: Exercise, trial: Trial, claim: Property, count: int) -> list[Arguments]:
    """The first float64 call in each case of one claim; none where the claim never calls the function."""
    probe, found = Probe(exercise, exercise.right), list[Arguments]()

    @wraps(claim)
    def watched(cls: Any, case: Any) -> None:
        probe.calls.clear()
        claim(cls, case)
        found.extend([call.arguments for call in probe.calls if is_wide(call.arguments)][:1])

    replace(trial.suite, properties=(watched,), facts=()).run(trial.wrap(probe), max_examples=count)
    return found


def is_wide(arguments: Arguments) -> bool:
    """Whether nothing in it is rounded to float32."""
    return not any(getattr(a, "dtype", None) == np.float32 for a in arguments)
