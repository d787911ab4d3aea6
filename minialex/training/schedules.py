"""The learning rate, epoch by epoch: a function of the epochs so far alone, so that a resumed run needs no memory of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from minialex.training.events import Epoch

Schedule = Callable[[Sequence[Epoch]], float]  # the epochs so far -> the next epoch's learning rate


def constant(lr: float) -> Schedule:
    """The same rate always."""
    return lambda done: lr


def step_down(lr: float, epochs: int, at: Sequence[float] = (), factor: float = 10.0) -> Schedule:
    """The paper's way, on a timetable: lr, divided by `factor` at each of `at` (see drop_epochs)."""
    drops = drop_epochs(epochs, at)
    return lambda done: lr / factor ** sum(len(done) >= drop for drop in drops)


def drop_epochs(epochs: int, at: Sequence[float]) -> list[int]:
    """The numbers of the epochs after which step_down lowers the rate; those that fall outside the run are left out.

    Each of `at` is a share of the epochs, below 1, or from 1 on an epoch's number.
    """
    drops = [round(place * epochs) if place < 1 else round(place) for place in at]
    return [drop for drop in drops if 0 < drop < epochs]


def plateau(lr: float, patience: int = 3, drops: int = 3, factor: float = 10.0) -> Schedule:
    """The paper's rule (section 5): lr, divided by `factor` when the validation error stops improving, so many times.

    It has stopped when for `patience` epochs the top-1 error was never below the best before. After a drop the patience begins
    anew; the best stays. The paper lowered the rate three times in 90 epochs, and says nothing of patience: a person watched.
    """

    def rate(done: Sequence[Epoch]) -> float:
        return lr / factor ** _plateaus([epoch.top1_error for epoch in done], patience, drops)

    return rate


def _plateaus(errors: Sequence[float], patience: int, drops: int) -> int:
    """How often the errors have stopped improving."""
    best, waited, fallen = inf, 0, 0
    for error in errors:
        waited = 0 if error < best else waited + 1
        best = min(best, error)  # an error that is no number is no improvement
        if waited >= patience and fallen < drops:
            fallen, waited = fallen + 1, 0
    return fallen
