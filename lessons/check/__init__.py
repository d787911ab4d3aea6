"""Checks of what you write: the very claims of minialex's tests, with the smallest case that fails, and the mistake's name.

    check.conv_backward(conv_backward)          # a Report, which shows itself
    report = check.conv_backward(conv_backward)
    report.passed, report.function              # yours if it is right, else ours
    check.value("ln10", 2.302585)               # a number that you worked out

dir(check) names all of them. An exercise is described in one of the files ex_*.py; all of these are found by themselves.
"""

from __future__ import annotations

import difflib
import pkgutil
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis.configuration import set_hypothesis_home_dir

from lessons.check.exercise import (
    EXERCISES,
    VALUES,
    Exercise,
    Function,
    Mistake,
    Planted,
    Trial,
    Value,
    register,
    register_value,
)
from lessons.check.judging import judge
from lessons.check.report import Report
from lessons.check.values import ValueReport, weigh

__all__ = [
    "EXERCISES",
    "VALUES",
    "Exercise",
    "Mistake",
    "Planted",
    "Report",
    "Trial",
    "Value",
    "ValueReport",
    "listeners",
    "register",
    "register_value",
    "value",
]

listeners: list[Callable[[Report | ValueReport], None]] = []  # who else hears of every report: the grader

if "pytest" not in sys.modules:  # no .hypothesis folder beside a learner's notebook
    set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "minialex-hypothesis")
for _module in sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("ex_")):
    import_module(f"{__name__}.{_module}")


def value(name: str, got: Any) -> ValueReport:
    """Whether a number that you worked out is right, within its tolerance."""
    if name not in VALUES:
        raise AttributeError(f"check.value knows no {name!r}{_near(name, VALUES)}")
    return _told(weigh(VALUES[name], got))


def _told(report: Any) -> Any:
    for listener in listeners:
        listener(report)
    return report


def _near(name: str, names: Any) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(names))}"


def __getattr__(name: str) -> Callable[[Function], Report]:
    if name.startswith("_") or name not in EXERCISES:
        raise AttributeError(f"check has no {name}{'' if name.startswith('_') else _near(name, EXERCISES)}")
    exercise = EXERCISES[name]

    def check(function: Function) -> Report:
        report: Report = _told(judge(exercise, function))
        return report

    check.__name__ = check.__qualname__ = name
    check.__doc__ = f"Check your {exercise.signature} -> {', '.join(exercise.returns)}."
    return check


def __dir__() -> list[str]:
    return sorted({*__all__, *EXERCISES})
