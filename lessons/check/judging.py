"""Run an exercise's claims on a learner's function, and find the smallest case in which they fail."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np
from hypothesis.errors import HypothesisException

from lessons.check.diagnose import diagnose
from lessons.check.exercise import Exercise, Function, Trial
from lessons.check.pretty import simpler
from lessons.check.probe import Call, Probe, Slip, Unwritten
from lessons.check.report import Failure, Report
from lessons.check.results import wrong_outputs
from tests.checks.suite import Refuted, Suite

ENOUGH_CASES = 10  # drawn cases that are always tried, however long the function takes
SECONDS = 1.0  # of computing, after which no new case is drawn
SHRINKING = 0.35  # seconds of computing given to the search for a smaller case


class _Stop(BaseException):
    """The time is over. Not an Exception: neither a claim nor Hypothesis may take it for a failure."""


@dataclass
class _Found:
    """One failure: which claim, on which case, with which calls."""

    claim: Callable[..., None]
    case: Any
    error: BaseException
    calls: list[Call]

    @property
    def size(self) -> tuple[int, int]:
        """How much of it there is to look at."""
        numbers = sum(a.size for call in self.calls[:1] for a in call.arguments if isinstance(a, np.ndarray))
        return numbers, len(repr(self.case))


class _Watch:
    """Sits between the claims and the suite: counts the cases, keeps the failures, and looks at the clock."""

    drawing = False  # facts are always looked at, however long they take

    def __init__(self, probe: Probe) -> None:
        self.probe, self.cases, self.found = probe, 0, list[_Found]()
        self.start = self.failed_at = time.process_time()
        probe.before = self.look_at_the_clock

    def look_at_the_clock(self) -> None:
        now = time.process_time()
        if self.found and now - self.failed_at > SHRINKING:
            raise _Stop
        if self.drawing and not self.found and self.cases > ENOUGH_CASES and now - self.start > SECONDS:
            raise _Stop

    def noting(self, claim: Callable[..., None], *, first: bool = False) -> Callable[..., None]:
        """The claim; when it fails, what it was given is kept. first: the first claim of each case."""

        @wraps(claim)
        def noted(cls: Any, *case: Any) -> None:
            self.cases += first
            self.probe.calls.clear()
            try:
                claim(cls, *case)
            except HypothesisException:
                raise
            except Exception as error:
                if not self.found:
                    self.failed_at = time.process_time()
                self.found.append(_Found(claim, case[0] if case else None, error, list(self.probe.calls)))
                raise

        return noted

    def suite(self, suite: Suite) -> Suite:
        """The suite with its claims under watch."""
        properties = tuple(self.noting(claim, first=n == 0) for n, claim in enumerate(suite.properties))
        return replace(suite, properties=properties, facts=tuple(map(self.noting, suite.facts)))


def judge(exercise: Exercise, function: Function) -> Report:
    """What there is to say of the function. Never raises for anything that the function does."""
    report = Report(exercise, function)
    if not callable(function):
        kind = type(function).__name__
        return report.slipped(
            Slip(f"check.{exercise.name} wants your function, not a {kind}", f"Call check.{exercise.name}({exercise.name})")
        )
    probe = Probe(exercise, function)
    watch = _Watch(probe)
    if (slip := wrong_signature(exercise, function)) is not None:
        return report.slipped(slip)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for trial in exercise.trials:
                found = _first_failure(trial, probe, watch)
                if found is not None:
                    return _explained(report, found, probe.widened)
    except Unwritten as unwritten:
        return report.unwritten(str(unwritten))
    if probe.widened is not None and probe.widened.slip is not None:
        return report.slipped(probe.widened.slip, probe.widened)
    return report.right(watch.cases)


def wrong_signature(exercise: Exercise, function: Function) -> Slip | None:
    """Whether the function takes what it will be given."""
    try:
        signature = inspect.signature(function)
        signature.bind(*exercise.parameters)
    except ValueError:  # written in C: there is nothing to read
        return None
    except TypeError:
        return Slip(
            f"your function takes {signature}; it will be given ({', '.join(exercise.parameters)})", "Mend the line with def."
        )
    return None


def _first_failure(trial: Trial, probe: Probe, watch: _Watch) -> _Found | None:
    """Properties first, since they have a smallest case to show, then the facts."""
    watched = watch.suite(trial.suite)
    for part in (replace(watched, facts=()), replace(watched, properties=())):
        watch.drawing = bool(part.properties)
        try:
            part.run(trial.wrap(probe), max_examples=trial.max_examples, shrink=True)
        except _Stop:
            if watch.found:
                return min(watch.found, key=lambda found: found.size)
        except Refuted as refuted:
            if (watch.found and refuted.case is not None) or refuted.claim in {found.claim.__name__ for found in watch.found}:
                return watch.found[-1]
            return _Found(_unsteady, None, refuted, [])
    return None


def _unsteady() -> None:
    """The same case gives the same result every time"""


def _explained(report: Report, found: _Found, widened: Call | None) -> Report:
    """The report of a failure, with its numbers and, where it is a known mistake, its name."""
    exercise, claim = report.exercise, (found.claim.__doc__ or found.claim.__name__).partition("\n")[0]
    if isinstance(found.error, Slip):
        slipped = next((call for call in reversed(found.calls) if call.slip is found.error), None)
        named = diagnose(exercise, report.yours, slipped) if slipped is not None else None  # an overflow may be a known mistake
        return report.slipped(found.error, slipped, named)
    call = next((c for c in found.calls if c.slip is None and wrong_outputs(exercise, c.received, c.arguments)), None)
    if call is None and widened is not None and widened.slip is not None:
        return report.slipped(widened.slip, widened)
    if call is None:
        return report.refuted(Failure(claim, str(found.error).partition("\n")[0]))
    call = simpler(exercise, report.yours, call)
    outputs = wrong_outputs(exercise, call.received, call.arguments)
    failure = Failure(claim, str(found.error).partition("\n")[0], call, tuple(outputs))
    return report.refuted(failure, diagnose(exercise, report.yours, call))
