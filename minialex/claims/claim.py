"""A claim of the paper: what it says, and the experiment that shows it, or does not, at the size a person can run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minialex.claims.bench import Bench
from minialex.claims.rows import Row, by_variant

__all__ = ["Bench", "Claim"]


@dataclass(frozen=True)
class Claim:
    """name: as on the command line. says: the claim in our words, with the paper's section. paper: the paper's own figures.

    cost: for --list, such as "12 min on two cores". run: does the experiment, writes rows and pictures, returns the
    conclusion: one or two lines, computed from the numbers. report: the rows of results.csv -> what docs/reproduction.md shows
    of them, in Markdown. large: whether its net is the 224 x 224 one, and wants its pictures (bench.photos) as large.
    """

    name: str
    says: str
    paper: str
    cost: str
    run: Callable[[Bench], str]
    report: Callable[[Sequence[Row]], str] = by_variant
    large: bool = False
