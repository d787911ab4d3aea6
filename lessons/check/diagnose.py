"""Which mistake it is: the one that computes the very same wrong numbers, on the failing case and on others.

Each wrong output is looked at by itself, so that two mistakes in one function are both found. A mistake counts only where it
makes a difference: on some of the cases its numbers must be other than the right ones.
"""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np

from lessons.check.exercise import Arguments, Exercise, Function, Mistake
from lessons.check.probe import Call
from lessons.check.results import alike, outputs
from lessons.check.samples import samples

TOLERANCE = 1e-6
Result = dict[str, Any] | type[BaseException]  # what came out, by name, or what was raised
Results = list[Result]


@dataclass(frozen=True)
class Diagnosis:
    """wrong: the outputs that are wrong in this case or in another; mistakes: those of them that look like a known mistake."""

    wrong: tuple[str, ...]
    mistakes: dict[str, Mistake]


def diagnose(exercise: Exercise, function: Function, call: Call) -> Diagnosis:
    """What is wrong with a function, on a failing call and on others, and what it looks like."""
    cases = [call.arguments, *samples(exercise)]
    theirs, ours = run(exercise, function, cases), run(exercise, exercise.right, cases)
    assert theirs is not None
    assert ours is not None
    names = dict.fromkeys(name for result in (*ours, *theirs) if isinstance(result, dict) for name in result)
    wrong = tuple(name for name in names if any(differ(name, a, b) for a, b in zip(theirs, ours, strict=True)))
    single: dict[str, Mistake] = {}
    for mistake in exercise.all_mistakes():
        planted = run(exercise, mistake.function, cases, like=theirs)
        if planted is None:
            continue
        seen = [name for name in wrong if matches(name, theirs, planted, ours)]
        if seen and all(
            name in seen or not any(differ(name, a, b) for a, b in zip(theirs, planted, strict=True)) for name in names
        ):
            return Diagnosis(wrong, dict.fromkeys(wrong, mistake))  # this one explains all that the function returns
        single |= {name: mistake for name in seen if name not in single}
    return Diagnosis(wrong, {name: single[name] for name in wrong if name in single})


def differ(name: str, a: Result, b: Result) -> bool:
    """Whether two results disagree about an output."""
    if not isinstance(a, dict) or not isinstance(b, dict):
        return a is not b
    return not alike(a.get(name), b.get(name), TOLERANCE)


def matches(name: str, theirs: Results, planted: Results, ours: Results) -> bool:
    """Whether an output is the mistake's in every case, comes out of it in some, and is not the right one in all of them."""
    cases = list(zip(theirs, planted, ours, strict=True))
    return (
        not any(differ(name, mine, mistaken) for mine, mistaken, _ in cases)
        and any(isinstance(mine, dict) for mine in theirs)
        and any(differ(name, mistaken, right) for _, mistaken, right in cases)
    )


def run(exercise: Exercise, function: Function, cases: list[Arguments], like: Results | None = None) -> Results | None:
    """The function's outputs in each case; with `like`, None as soon as no output can be the same in all cases."""
    results: Results = []
    open_names: set[str] | None = None
    with np.errstate(all="ignore"), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for n, arguments in enumerate(cases):
            given = tuple(a.copy(order="K") if isinstance(a, np.ndarray) else a for a in arguments)
            try:
                results.append(outputs(exercise, function(*given)))
            except (Exception, SystemExit) as error:
                results.append(type(error))
            if like is not None:
                mine, planted = like[n], results[n]
                if not isinstance(mine, dict) or not isinstance(planted, dict):
                    if mine is not planted:
                        return None
                else:
                    same = {name for name in mine if alike(mine[name], planted.get(name), TOLERANCE)}
                    open_names = same if open_names is None else open_names & same
                    if not open_names:
                        return None
    return results
