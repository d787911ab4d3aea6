r"""Whether numbers show an effect, judged against their spread over the seeds.

Each seed gives a pair: the error with a thing and without. With d_s = with_s - without_s over n seeds, mean d and standard
deviation s, a 95% interval for the true difference is (Student's t, n - 1 degrees of freedom)

    d +- t s / sqrt(n)

The effect is *seen* when 0 lies outside. It is *leaning* when every seed agrees in sign but 0 lies inside, as with three seeds
it easily does: t is 4.3. With one seed there is no spread, and nothing is concluded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from statistics import fmean, stdev

T95 = (inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # two-sided, by degrees of freedom


@dataclass(frozen=True)
class Difference:
    """mean, and half the width of its 95% interval; pairs: each seed's difference."""

    mean: float
    half: float
    pairs: tuple[float, ...]

    @property
    def seen(self) -> bool:
        """0 lies outside the interval."""
        return abs(self.mean) > self.half

    @property
    def agree(self) -> bool:
        """Every seed's difference has the same sign."""
        return all(pair > 0 for pair in self.pairs) or all(pair < 0 for pair in self.pairs)

    def interval(self) -> str:
        """ "+1.8 points (95% interval +0.9 to +2.7, 3 seeds)"."""
        mean = f"{points(self.mean)} points"
        if not isfinite(self.half):
            return f"{mean} (one seed: no spread)"
        low, high = points(self.mean - self.half), points(self.mean + self.half)
        return f"{mean} (95% interval {low} to {high}, {len(self.pairs)} seeds)"


def points(share: float) -> str:
    """0.0123 -> "+1.2"; nothing is "0.0", from whichever side."""
    text = f"{100 * share:+.1f}"
    return text if float(text) else "0.0"


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> Difference:
    """after - before, of the seeds that both have and where both are numbers."""
    pairs = tuple(after[s] - before[s] for s in before if s in after and isfinite(after[s]) and isfinite(before[s]))
    if not pairs:
        raise ValueError("difference: no seed has a number on both sides")
    n = len(pairs)
    spread = stdev(pairs) if n > 1 else inf
    t = T95[n - 1] if n <= len(T95) else 1.96
    return Difference(fmean(pairs), t * spread / sqrt(n), pairs)


def verdict(what: str, before: Mapping[str, float], after: Mapping[str, float], expected: int = -1) -> str:
    """A sentence: `what` changed the error by so much, and whether that is an effect.

    before, after: seed -> error, without and with what the claim is about. expected: the sign of the paper's difference.
    """
    try:
        found = difference(before, after)
    except ValueError:
        return f"{what}: there are no numbers on both sides, and nothing is concluded."
    said = f"{what}: {found.interval()}"
    as_paper = found.mean * expected > 0
    if len(found.pairs) == 1:
        return f"{said}; nothing is concluded from one."
    if found.seen:
        return f"{said}: {'the effect is seen' if as_paper else 'the opposite of the claim is seen'}."
    if found.agree:
        side = "in the claim's direction" if as_paper else "against the claim"
        return f"{said}: every seed goes {side}, but so few cannot tell it from chance."
    return f"{said}: the effect is not seen at this size."
