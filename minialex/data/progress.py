"""How far a long task is, and how long it still takes: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

QUIET = 15.0  # seconds between two plain lines


class Progress:
    """`advance(n)` after each piece of work. unit: " pictures", or "B" for bytes, which are then written as kB, MB, GB."""

    def __init__(self, what: str, total: int, unit: str, done: int = 0) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.began, self.start = done, perf_counter()
        self.last = self.start
        self._bar: Any = None
        if sys.stdout.isatty():
            from tqdm import tqdm  # noqa: PLC0415  only where there is a terminal

            form = "{desc} |{bar}| {percentage:3.0f}%  {rate_noinv_fmt}, {remaining} left"
            in_bytes = unit == "B"
            self._bar = tqdm(
                total=total, initial=done, desc=what, unit=unit, unit_scale=in_bytes, unit_divisor=1000,
                file=sys.stdout, dynamic_ncols=True, bar_format=form, leave=False,
            )  # fmt: skip

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, n: int) -> None:
        """n more are done."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
            return
        now = perf_counter()
        if now - self.last >= QUIET and self.done > self.began:
            self.last = now
            rate = (self.done - self.began) / (now - self.start)
            self.line(
                f"{self.what}: {100 * self.done / max(1, self.total):.0f}%  {amount(rate, self.unit)}/s, "
                f"{duration((self.total - self.done) / rate)} left"
            )

    def line(self, text: str) -> None:
        """A line that stays on the screen."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stdout)
        else:
            print(text, flush=True)


def amount(n: float, unit: str) -> str:
    """1234567 pictures as 1,234,567 pictures, and bytes as 1.2 MB."""
    if unit != "B":
        return f"{n:,.0f}{unit}"
    for prefix in ("", "k", "M", "G"):
        if abs(n) < 999.5:
            return f"{n:.0f} B" if not prefix else f"{n:.1f} {prefix}B"
        n /= 1000
    return f"{n:.2f} TB"


def duration(seconds: float) -> str:
    """8 s, 4 min 10 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
