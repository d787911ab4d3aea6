"""Repeated measurements, taken in turn, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    """Repeats of one measurement, in seconds."""

    seconds: tuple[float, ...]

    @property
    def low(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def high(self) -> float:
        return max(self.seconds)

    def rate(self, count: float) -> float:
        """How many of `count` things, which took this long, are done in a second: by the median."""
        return count / self.median


def in_turn(works: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, Spread]:
    """Call each work once, and again, `repeats` times in all: A B C A B C ... Each returns the seconds it took."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            taken[name].append(work())
    return {name: Spread(tuple(seconds)) for name, seconds in taken.items()}
