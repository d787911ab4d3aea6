"""A learner's function under observation: what went in, what came out, and everything that can go wrong on the way.

The claims see an ordinary function. The probe, which stands in its place, notes every call and says in one line when the
function is not written yet, raises, returns nothing, returns another shape or dtype, or writes into its arguments.
"""

from __future__ import annotations

import inspect
import io
import linecache
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lessons.check.exercise import Arguments, Exercise, Function

PRINTED = 2000  # characters of a learner's own printing that are kept of one call


class Unwritten(BaseException):
    """The function still says NotImplementedError. Not an Exception: no claim may swallow it."""


class Slip(Exception):
    """Something is wrong with the function before its numbers are looked at.

    says: one line; hint: what to do; where: the line of code; misshapen: the output whose shape is wrong, if that is it.
    """

    def __init__(self, says: str, hint: str = "", where: str = "", misshapen: str = "") -> None:
        super().__init__(says)
        self.says, self.hint, self.where, self.misshapen = says, hint, where, misshapen


@dataclass
class Call:
    """One call of a learner's function."""

    arguments: Arguments
    received: Any = None
    printed: str = ""
    slip: Slip | None = None


@dataclass
class Probe:
    """Called like the function it holds; returns what that returns."""

    exercise: Exercise
    function: Function
    calls: list[Call] = field(default_factory=list)
    before: Callable[[], None] = lambda: None  # runs before each call: the watch ends a check that takes too long
    widened: Call | None = None  # the first call whose result has another dtype: said only where the numbers are right

    def __call__(self, *arguments: Any) -> Any:
        self.before()
        call = Call(tuple(map(frozen_copy, arguments)))
        self.calls.append(call)
        try:
            call.received = self._call(call, arguments)
        except Slip as slip:
            call.slip = slip
            raise
        return call.received

    def _call(self, call: Call, arguments: Arguments) -> Any:
        out = io.StringIO()
        try:
            with redirect_stdout(out):
                received = self.function(*arguments)
        except NotImplementedError as error:
            raise Unwritten(str(error)) from error
        except (Exception, SystemExit) as error:
            raise self._explain(error, call.arguments) from error
        finally:
            call.printed = out.getvalue()[:PRINTED]
        self._check_arguments(call.arguments, arguments)
        expected = self.exercise.right(*call.arguments)
        self._check_result(received, expected, call.arguments)
        return received

    def _explain(self, error: Exception | SystemExit, arguments: Arguments) -> Slip:
        where = line_of(error, self.function)
        text = str(error).partition("\n")[0]
        if isinstance(error, ValueError) and "read-only" in text:
            return self._writes(arguments, where)
        hint = HINTS.get(type(error), "")
        if "could not be broadcast" in text or "matmul" in text:
            hint = "Print the shapes of both sides just before that line."
        return Slip(f"{self.exercise.name} raises {type(error).__name__}: {text}", hint, where)

    def _writes(self, arguments: Arguments, where: str = "") -> Slip:
        """Which argument the function writes into, found by letting it."""
        loose = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in arguments)
        try:
            with redirect_stdout(io.StringIO()):
                self.function(*loose)
        except Exception:  # what it writes into is all that is asked here
            pass
        named = [
            name
            for name, now, then in zip(self.exercise.parameters, loose, arguments, strict=False)
            if isinstance(now, np.ndarray) and not np.array_equal(now, then, equal_nan=now.dtype.kind in "fc")
        ]
        what = " and ".join(named) if named else "one of its arguments"
        return Slip(
            f"{self.exercise.name} writes into {what}, which belong{'' if len(named) > 1 else 's'} to the caller",
            f"Make a new array instead: {named[0] if named else 'x'} = {named[0] if named else 'x'}.copy() at the start, "
            "or a = a * b where a *= b stands.",
            where,
        )

    def _check_arguments(self, before: Arguments, after: Arguments) -> None:
        for then, now in zip(before, after, strict=True):
            for a, b in zip(then, now, strict=True) if isinstance(then, tuple) else ((then, now),):
                if isinstance(a, np.ndarray) and not np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"):
                    raise self._writes(before)

    def _check_result(self, received: Any, expected: Any, arguments: Arguments) -> None:
        names = self.exercise.returns
        if received is None:
            raise Slip(f"{self.exercise.name} returns None", f"It should end with:  return {', '.join(names)}")
        if len(names) == 1:
            self._check_one(names[0], received, expected, arguments)
            return
        if not isinstance(received, tuple | list):
            raise Slip(
                f"{self.exercise.name} returns one {type(received).__name__}; {len(names)} things are wanted",
                f"It should end with:  return {', '.join(names)}",
            )
        if len(received) != len(names):
            raise Slip(
                f"{self.exercise.name} returns {len(received)} things; {len(names)} are wanted",
                f"It should end with:  return {', '.join(names)}",
            )
        for name, one, ours in zip(names, received, expected, strict=True):
            self._check_one(name, one, ours, arguments)

    def _check_one(self, name: str, received: Any, expected: Any, arguments: Arguments) -> None:
        if received is None:
            raise Slip(f"{name} is None")
        if isinstance(expected, tuple):  # one array for each tower, one view after another, (height, width)
            if not isinstance(received, tuple | list) or len(received) != len(expected):
                got = f"{len(received)}" if isinstance(received, tuple | list) else a_kind(received)
                raise Slip(f"{name} should be a tuple of {len(expected)}, yours is {got}")
            for t, (one, ours) in enumerate(zip(received, expected, strict=True)):
                self._check_one(f"{name}[{t}]", one, ours, arguments)
            return
        if not isinstance(expected, np.ndarray):
            if not is_number(received):
                kind = f"an array of shape {received.shape}" if isinstance(received, np.ndarray) else type(received).__name__
                raise Slip(f"{name} should be a single number, yours is {kind}")
            return
        if not isinstance(received, np.ndarray | np.generic):
            hint = "Wrap it: np.array(...)" if isinstance(received, list) else ""
            raise Slip(f"{name} should be a NumPy array, yours is {a_kind(received)}", hint)
        if self.exercise.same_shape and received.shape != expected.shape:
            says = f"{name} should have the shape {expected.shape}, yours has {received.shape}"
            raise Slip(says, shape_hint(received, expected) or self.exercise.shape_hint, misshapen=name)
        if expected.dtype.kind in "fc" and received.dtype.kind not in "fciu":
            raise Slip(f"{name} should hold numbers, yours has the dtype {received.dtype}")
        if (
            self.widened is None
            and self.exercise.keeps_dtype
            and expected.dtype.kind in "fc"
            and received.dtype != expected.dtype
        ):
            hint = "np.zeros and its like make float64 unless told otherwise: np.zeros(shape, x.dtype), or np.zeros_like(x)."
            if received.dtype != np.float64:
                hint = f"Something in it changes the dtype to {received.dtype}."
            says = f"{name} should be {expected.dtype} for {expected.dtype} input, yours is {received.dtype}"
            self.widened = Call(arguments, received, slip=Slip(says, hint))


HINTS: dict[type[BaseException], str] = {
    FloatingPointError: "A number is too large to be held, or divided by 0.",
    IndexError: "An index runs past the end: compare the range of the loop with the shape of the array.",
    NameError: "A name is used that does not exist inside the function: a typing error, or something left outside.",
    UnboundLocalError: "A name is read before anything has been put into it.",
    ZeroDivisionError: "Something is divided by 0 here.",
}


def is_number(value: Any) -> bool:
    """A Python or NumPy number, or an array without axes."""
    return isinstance(value, int | float | complex | np.number) or (isinstance(value, np.ndarray) and value.ndim == 0)


def shape_hint(received: Any, expected: Any) -> str:
    """What a wrong shape may come from."""
    if sorted(received.shape) == sorted(expected.shape):
        return "The sizes are right, their order is not: an axis has to be moved (transpose), not the array reshaped."
    if received.size == expected.size:
        return "As many numbers as there should be, in another shape."
    return ""


def a_kind(value: Any) -> str:
    """ "a list", "an int", "an ndarray"."""
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' or kind == 'ndarray' else 'a'} {kind}"


def frozen_copy(value: Any) -> Any:
    """A copy that later writing cannot reach; what is not an array is left as it is."""
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    return tuple(map(frozen_copy, value)) if isinstance(value, tuple) else value


def line_of(error: BaseException, function: Function) -> str:
    """ "line 7:  dx[n, c] += patch": where in the learner's code an error comes from, "" where that is not known."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return ""
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == code.co_filename:
            source = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
            found = f"line {frame.lineno}:  {source}"
    return found
