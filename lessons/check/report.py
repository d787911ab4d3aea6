"""What a check has to say: to a notebook as HTML, to a terminal as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import numpy as np

from lessons.check.badge import badge
from lessons.check.diagnose import Diagnosis
from lessons.check.exercise import Arguments, Exercise, Function, Mistake
from lessons.check.probe import Call, Slip
from lessons.check.results import wrong_outputs
from lessons.draw.heat import BLUE, GREEN, ORANGE, Picture, array, difference, side_by_side

State = Literal["passed", "open", "wrong"]
COLOURS = {"passed": GREEN, "open": BLUE, "wrong": ORANGE}
SHOWN = 4  # wrong outputs that are drawn, and arguments
LARGEST = 150  # numbers of an argument that is still drawn


@dataclass(frozen=True)
class Failure:
    """A claim that does not hold: what it says, why it was refused, and the smallest call in which numbers are wrong."""

    claim: str
    reason: str
    call: Call | None = None
    outputs: tuple[str, ...] = ()


@dataclass
class Report:
    """The outcome of a check.

    state: "passed", "open" (not written yet) or "wrong". function: yours if it is right, else ours, so that what follows in
    a notebook works either way. arguments: those of the smallest case that fails. mistakes: what the failure looks like.
    """

    exercise: Exercise
    yours: Function
    state: State = "open"
    says: str = ""
    hint: str = ""
    where: str = ""
    cases: int = 0
    failure: Failure | None = None
    call: Call | None = None
    mistakes: dict[str, Mistake] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether your function is right."""
        return self.state == "passed"

    @property
    def function(self) -> Callable[..., Any]:
        """Your function if it is right, else ours."""
        return self.yours if self.passed else self.exercise.right

    @property
    def arguments(self) -> Arguments:
        """What your function was given in the smallest case that fails: try my_function(*report.arguments)."""
        return self.call.arguments if self.call else ()

    @property
    def diagnosis(self) -> tuple[str, ...]:
        """The sentences that name the mistake."""
        return tuple(dict.fromkeys(mistake.looks_like for mistake in self.mistakes.values()))

    # How judge fills it in

    def right(self, cases: int) -> Report:
        """The claims hold, in so many drawn cases."""
        self.state, self.cases = "passed", cases
        return self

    def unwritten(self, message: str) -> Report:
        """NotImplementedError came out of it."""
        self.state, self.says = "open", message or "write this"
        return self

    def slipped(self, slip: Slip, call: Call | None = None, diagnosis: Diagnosis | None = None) -> Report:
        """Something is wrong before the numbers are looked at."""
        self.state, self.says, self.hint, self.where, self.call = "wrong", slip.says, slip.hint, slip.where, call
        self.mistakes = diagnosis.mistakes if diagnosis else {}
        return self

    def refuted(self, failure: Failure, diagnosis: Diagnosis | None = None) -> Report:
        """A claim does not hold."""
        self.state, self.failure = "wrong", failure
        if failure.call is not None:
            elsewhere = tuple(name for name in (diagnosis.wrong if diagnosis else ()) if name not in failure.outputs)
            self.call, self.says = failure.call, verdict(self.exercise, failure.outputs, elsewhere)
            self.mistakes = diagnosis.mistakes if diagnosis else {}
        else:
            self.says, self.hint = f"A claim does not hold: {failure.claim}", failure.reason
        return self

    # What it shows

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        return card(self.state, self._headline(), "".join(self._html()))

    def _headline(self) -> str:
        name = self.exercise.name
        return {"passed": f"{name} is right", "open": f"{name}: not written yet", "wrong": f"{name} is not right yet"}[
            self.state
        ]

    def _lines(self) -> list[str]:
        mark = {"passed": "✓", "open": "○", "wrong": "✗"}[self.state]
        lines = [f"{mark} {self._headline()}."]
        if self.state == "open":
            return [f"{mark} {self._headline()}: {self.says}"]
        if self.passed:
            lines.append(f"  {self._cases()} {self.exercise.reward}")
            return [*lines, f"  Next: {self.exercise.then}"] if self.exercise.then else lines
        lines.append(f"  {self.says}.")
        lines += [f"  {self.where}"] if self.where else []
        lines += [f"  {self.hint}"] if self.hint else []
        lines += [f"  It looks like this: {text}." for text in self._named()]
        if self.call is not None:
            lines += ["", f"  The smallest case that fails:  {self._small()}"]
            pictures = [p for p in (self._given(), *self._compared()) if p is not None]
            lines += ["", *("  " + line for picture in pictures for line in (*repr(picture).split("\n"), ""))]
        if self.call is not None and self.call.printed:
            lines += ["  Your function printed:", *("    " + line for line in self.call.printed.rstrip().split("\n")[:12])]
        if self.failure is not None and self.failure.call is not None:
            lines.append(f"  The claim: {self.failure.claim}.")
        return lines

    def _html(self) -> list[str]:
        if self.state == "open":
            return [paragraph(escape(self.says))]
        if self.passed:
            then = paragraph(f"<b>Next:</b> {escape(self.exercise.then)}") if self.exercise.then else ""
            text = paragraph(escape(f"{self._cases()} {self.exercise.reward}")) + then
            picture = badge(self.exercise.lights, self.exercise.lesson) if self.exercise.lights else ""
            return [
                f'<div style="display:flex;flex-wrap:wrap;align-items:center;gap:4px 32px"><div>{text}</div>{picture}</div>'
            ]
        parts = [paragraph(escape(f"{self.says}."))]
        if self.where:
            parts.append(f'<pre style="margin:4px 0 6px 12px;background:none;color:inherit">{escape(self.where)}</pre>')
        parts += [paragraph(escape(self.hint))] if self.hint else []
        for text in self._named():
            parts.append(f'<div style="{DIAGNOSIS}"><b>It looks like this:</b> {escape(text)}.</div>')
        if self.call is not None:
            parts.append(paragraph(f"<b>The smallest case that fails:</b> <code style='{CODE}'>{escape(self._small())}</code>"))
            given = self._given()
            parts += [given.html] if given else []
            parts += [picture.html for picture in self._compared()]
        if self.call is not None and self.call.printed:
            text = "\n".join(self.call.printed.rstrip().split("\n")[:12])
            parts.append(paragraph("Your function printed:"))
            parts.append(f'<pre style="margin:4px 0 6px 12px;background:none;color:inherit">{escape(text)}</pre>')
        if self.failure is not None and self.failure.call is not None:
            claim = f"The claim that refuses it: {self.failure.claim}. "
            again = f"To look closer: {self.exercise.name}(*report.arguments), with report = check.{self.exercise.name}(...)."
            parts.append(f'<div style="font-size:11px;opacity:.75;margin-top:6px">{escape(claim + again)}</div>')
        return parts

    def _cases(self) -> str:
        """Not how many cases, which depends on how fast the machine is: the same notebook shows the same words."""
        claims = sum(len(trial.suite.properties) + len(trial.suite.facts) for trial in self.exercise.trials)
        return (
            "It holds in every case that was drawn."
            if claims == 1
            else f"All {WORDS[claims] if claims < len(WORDS) else claims} claims hold, in every case."
        )

    def _named(self) -> list[str]:
        """The diagnosis, with the output's name before it where there are several."""
        several = len(self.exercise.returns) > 1
        texts: dict[str, list[str]] = {}
        for output, mistake in self.mistakes.items():
            texts.setdefault(mistake.looks_like, []).append(output)
        return [f"{' and '.join(outputs)}: {text}" if several else text for text, outputs in texts.items()]

    def _small(self) -> str:
        """The arguments in one line: arrays by their shapes, everything else by value."""
        words = []
        for name, value in zip(self.exercise.parameters, self.arguments, strict=False):
            words.append(f"{name} {worded(value)}" if is_array(value) else f"{name} = {worded(value)}")
        return ", ".join(words)

    def _given(self) -> Picture | None:
        named = zip(self.exercise.parameters, self.arguments, strict=False)
        shown = [array(v, name) for name, v in named if isinstance(v, np.ndarray) and 0 < v.size <= LARGEST]
        for name, value in zip(self.exercise.parameters, self.arguments, strict=False):
            if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
                shown += [array(v, f"{name}[{t}]") for t, v in enumerate(value) if v.size <= LARGEST]
        return side_by_side(*shown[:SHOWN]) if shown else None

    def _compared(self) -> list[Picture]:
        if self.failure is None or self.call is None:
            return []
        pairs = wrong_outputs(self.exercise, self.call.received, self.call.arguments)
        return [
            compared(name, expected, received, self.exercise.tolerance)
            for name, (expected, received) in list(pairs.items())[:SHOWN]
        ]


WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
DIAGNOSIS = "margin:8px 0;padding:6px 12px;border-radius:4px;color:inherit;" + (
    "background:rgba(213,94,0,.14);border:1px solid rgba(213,94,0,.45)"
)
CODE = "background:none;color:inherit;white-space:normal"


def card(state: str, headline: str, body: str) -> str:
    """A box with a coloured edge; everything else takes the page's own colours."""
    rgb = ",".join(map(str, COLOURS[state]))
    mark = {"passed": "✓", "open": "○", "wrong": "✗"}[state]
    return (
        f'<div class="minialex-check minialex-{state}" style="border-left:5px solid rgb({rgb});background:rgba({rgb},.07);'
        f'padding:8px 16px;margin:4px 0;border-radius:3px;color:inherit;font-size:14px;line-height:1.45;overflow-x:auto">'
        f'<div style="font-weight:700">{mark} {escape(headline)}</div>{body}</div>'
    )


def paragraph(html: str) -> str:
    """One line of text."""
    return f'<div style="margin:4px 0">{html}</div>'


def verdict(exercise: Exercise, wrong: tuple[str, ...], elsewhere: tuple[str, ...] = ()) -> str:
    """Which outputs are wrong here, which in other cases, and which are right."""

    def meant(name: str, names: tuple[str, ...]) -> bool:
        return any(w == name or w.startswith(f"{name}[") for w in names)

    also = [name for name in exercise.returns if meant(name, elsewhere) and not meant(name, wrong)]
    right = [name for name in exercise.returns if not meant(name, (*wrong, *elsewhere))]
    text = f"{_and(wrong)} {'is' if len(wrong) == 1 else 'are'} not what {'it' if len(wrong) == 1 else 'they'} should be"
    text += f"; in other cases {_and(also)} {'is' if len(also) == 1 else 'are'} wrong, too" if also else ""
    return text + (f"; {_and(right)} {'is' if len(right) == 1 else 'are'} right" if right else "")


def _and(names: Any) -> str:
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def is_array(value: Any) -> bool:
    """Whether it is drawn, not written."""
    return isinstance(value, np.ndarray) or (isinstance(value, tuple) and bool(value) and isinstance(value[0], np.ndarray))


def worded(value: Any) -> str:
    """An argument in a few words."""
    if isinstance(value, np.ndarray):
        layout = "" if value.flags.c_contiguous or value.ndim < 2 else ", not contiguous"
        return f"{value.shape} {value.dtype}{layout}"
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return "(" + ", ".join(str(part.shape) for part in value) + ")"
    return getattr(value, "__name__", None) or repr(value)


def compared(name: str, expected: Any, received: Any, tolerance: float) -> Picture:
    """An output as it should be, as it is, and the difference."""
    expected, received = np.asarray(expected), np.asarray(received)
    if expected.shape != received.shape:
        return side_by_side(array(expected, f"{name}: expected"), array(received, f"{name}: received"))
    narrow = np.float32 in (expected.dtype, received.dtype)
    return difference(expected, received, (f"{name}: expected", "received"), max(tolerance, 2e-4 if narrow else 0))
