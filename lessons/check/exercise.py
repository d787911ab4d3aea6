"""What an exercise is, and the list of all of them.

An exercise knows the right function, how to put a learner's in its place (usually into a subclass of minialex's layer, so
that the claims of the test suite can be run on it), and the mistakes that people make. To add one, write in a file ex_*.py:

    register(
        Exercise(
            name="relu_backward",
            lesson="02",
            right=relu_backward,                                     # ours: plain NumPy, the same arguments
            returns=("dx",),
            trials=(Trial(replace(RELU, properties=NUMBERS, facts=()), your_relu),),
            mistakes=(Mistake("mask missing", lambda dy, x: dy.copy(), "every gradient passes"),),
            reward="The gate works: a silent neuron passes nothing back.",
            then="Print the share of silent neurons in the next cell.",
        )
    )
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import Any, TypeAlias

from tests.checks.suite import Suite
from tests.mutants import Misplaced, Mutant, Subject

Function: TypeAlias = Callable[..., Any]
Arguments: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Mistake:
    """A function that is wrong in a way that people are, and the sentence that tells them so."""

    name: str
    function: Function
    looks_like: str


@dataclass(frozen=True)
class Trial:
    """Claims about a function: the suite that holds them, and how the function becomes what the suite is run on."""

    suite: Suite
    wrap: Callable[[Function], Any] = lambda function: function
    max_examples: int = 25


@dataclass(frozen=True)
class Planted:
    """Mutants of the test suite as functions of the learner's kind: `extract` makes one of the mutated module."""

    subject: Subject
    extract: Callable[[ModuleType], Function]
    only: tuple[str, ...] = ()  # the names of those that such a function can have; () for all
    within: str = ""  # only those in this function of the module

    def mistakes(self) -> Iterator[Mistake]:
        """One for each mutant of the subject, made when it is asked for."""
        for mutant in self.mutants():
            with suppress(Misplaced):  # the code has changed and the mutant not yet: the tests say so, not a lesson
                yield planted(self, mutant)

    def mutants(self) -> list[Mutant]:
        """Those of the subject that such a function can have."""
        return [m for m in self.subject.mutants if (not self.only or m.name in self.only) and self.within in ("", m.within)]


@cache
def planted(place: Planted, mutant: Mutant) -> Mistake:
    """A mutant as a learner's function, compiled once."""
    return Mistake(mutant.name, place.extract(place.subject.planted(mutant)), mutant.looks_like)


@dataclass(frozen=True, eq=False)
class Exercise:
    """A function that a learner writes."""

    name: str
    lesson: str  # "04"
    right: Function
    returns: tuple[str, ...]  # the names of what it returns, as the messages call them
    trials: tuple[Trial, ...]
    reward: str
    then: str = ""
    lights: tuple[str, ...] = ()  # the parts of AlexNet that the badge lights up: badge.PARTS has their names
    mistakes: tuple[Mistake, ...] = ()
    planted: tuple[Planted, ...] = ()
    examples: tuple[Arguments, ...] = ()  # more arguments on which mistakes are told apart
    keeps_dtype: bool = True  # whether float32 in must mean float32 out
    tolerance: float = 1e-9
    compare: Callable[[Any, Any], bool] | None = None  # whether received is as good as expected, where many are right
    shape_hint: str = ""  # what to remember where the shape is wrong
    same_shape: bool = True  # whether the result's shape is compared with ours before the claims are

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments."""
        return tuple(inspect.signature(self.right).parameters)

    @property
    def signature(self) -> str:
        """conv_backward(dy, x, weight, stride, padding)."""
        return f"{self.name}({', '.join(self.parameters)})"

    def all_mistakes(self) -> Iterator[Mistake]:
        """The exercise's own list, then the mutants of the test suite."""
        yield from self.mistakes
        for place in self.planted:
            yield from place.mistakes()


EXERCISES: dict[str, Exercise] = {}


def register(exercise: Exercise) -> Exercise:
    """Add an exercise; a second one of the same name is an error."""
    if EXERCISES.setdefault(exercise.name, exercise) is not exercise:
        raise ValueError(f"register: there is an exercise called {exercise.name} already")
    return exercise


@dataclass(frozen=True)
class Value:
    """A number that a learner works out."""

    name: str
    expected: Any
    about: str  # "the loss of a net that knows nothing, ln 10"
    tolerance: float = 1e-6  # relative
    hint: str = ""
    mistakes: tuple[tuple[Any, str], ...] = ()  # (a wrong number, what it comes from)


VALUES: dict[str, Value] = {}


def register_value(value: Value) -> Value:
    """Add a number; a second one of the same name is an error."""
    if VALUES.setdefault(value.name, value) is not value:
        raise ValueError(f"register_value: there is a value called {value.name} already")
    return value
