"""Claims about a function that no layer of minialex holds: it equals its definition, number by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis.strategies import SearchStrategy

from lessons.check.exercise import Arguments, Exercise, Function, Trial
from lessons.check.results import wrong_outputs
from tests.checks.suite import Fact, Suite


def trial(
    exercise: Callable[[], Exercise],
    cases: SearchStrategy[Arguments],
    *facts: Fact,
    max_examples: int = 25,
    dtypes: bool = True,
) -> Trial:
    """Claims that a function gives what the exercise's own gives, for these arguments; with `dtypes`, in float32, too."""

    def it_follows_the_definition(function: Function, case: Arguments) -> None:
        """What comes out is what the definition says, number by number"""
        for dtype in (np.float64, np.float32) if dtypes else (np.float64,):
            arguments = tuple(in_dtype(a, dtype) for a in case)
            wrong = wrong_outputs(exercise(), function(*arguments), arguments)
            assert not wrong, f"{', '.join(wrong)} not as defined"

    return Trial(Suite(None, cases, (it_follows_the_definition,), facts), max_examples=max_examples)


def in_dtype(value: Any, dtype: Any) -> Any:
    """A float array in another dtype, read-only; all else as it is."""
    if isinstance(value, tuple):
        return tuple(in_dtype(part, dtype) for part in value)
    if not isinstance(value, np.ndarray):
        return value
    made = value.astype(dtype if value.dtype.kind == "f" else value.dtype)
    made.setflags(write=False)
    return made
