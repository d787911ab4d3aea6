"""Numbers that a learner works out by hand or in a line of code."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from lessons.check.exercise import Value
from lessons.check.report import State, card, paragraph
from lessons.draw.heat import number

NEARLY = 0.01  # relative: so close that it was only rounded


@dataclass
class ValueReport:
    """What there is to say of a number. state: "passed", "open" (still None) or "wrong"."""

    asked: Value
    got: Any
    state: State
    says: str

    @property
    def passed(self) -> bool:
        """Whether the number is right."""
        return self.state == "passed"

    @property
    def number(self) -> Any:
        """Yours if it is right, else ours."""
        return self.got if self.passed else self.asked.expected

    def __repr__(self) -> str:
        mark = {"passed": "✓", "open": "○ not written yet:", "wrong": "✗"}[self.state]
        return f"{mark} {self.asked.name}: {self.says}"

    def _repr_html_(self) -> str:
        headline = f"{self.asked.name}: not written yet" if self.state == "open" else self.asked.name
        return card(self.state, headline, paragraph(escape(self.says)))


def weigh(asked: Value, got: Any) -> ValueReport:
    """Compare a number, or what a function without arguments returns, with what it should be."""
    if callable(got):
        try:
            got = got()
        except NotImplementedError as error:
            return ValueReport(asked, None, "open", str(error) or f"write this: {asked.about}")
        except Exception as error:
            return ValueReport(asked, None, "wrong", f"your function raises {type(error).__name__}: {error}")
    if got is None or got is ...:
        return ValueReport(asked, got, "open", f"write this: {asked.about}")
    return judged(asked, got)


def judged(asked: Value, got: Any) -> ValueReport:
    """What there is to say of something that has been written."""
    try:
        theirs, ours = np.asarray(got, np.float64), np.asarray(asked.expected, np.float64)
    except (TypeError, ValueError):
        return ValueReport(asked, got, "wrong", f"This should be a number: {asked.about}; yours is a {type(got).__name__}.")
    if theirs.shape != ours.shape:
        return ValueReport(asked, got, "wrong", f"This should have the shape {ours.shape}, yours has {theirs.shape}.")
    if close(theirs, ours, asked.tolerance):
        return ValueReport(asked, got, "passed", f"Right: {asked.about}.")
    known = [text for wrong, text in asked.mistakes if close(theirs, np.asarray(wrong, np.float64), max(asked.tolerance, 1e-6))]
    if known:
        why = f" It looks like this: {known[0]}."
    elif close(theirs, ours, NEARLY):
        why = " That is close. Give more digits, or write the formula and let Python compute it."
    else:
        why = f" {asked.hint}" if asked.hint else ""
    return ValueReport(asked, got, "wrong", f"Yours is {shown(theirs)}; wanted is {asked.about}.{why}")


def shown(value: Any) -> str:
    """A number, or a few."""
    return number(value, 4) if value.ndim == 0 else np.array2string(value, precision=4, threshold=12)


def close(a: Any, b: Any, tolerance: float) -> bool:
    """Equal up to a relative tolerance."""
    return bool(a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=1e-12))
