"""What the command lines in scripts/ share: flags whose errors are one line, a bar or plain lines, and a clean Ctrl-C."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from time import perf_counter
from typing import Any, NoReturn

QUIET = 30.0  # seconds without a line, where there is no terminal for a bar, until a step is worth one


class Refused(Exception):
    """The command line asks for what cannot be. The message is one line that says what would work."""


def complain(script: str, message: str, code: int) -> int:
    """Say on stderr what is wrong; returns the exit code."""
    print(f"{script}: {message}", file=sys.stderr, flush=True)
    return code


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def whole(at_least: int) -> Callable[[str], int]:
    """The type of a flag that takes a whole number of at least this."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = at_least - 1
        if value < at_least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {at_least}, got {text!r}")
        return value

    return read


def real(fits: Callable[[float], bool], what: str) -> Callable[[str], float]:
    """The type of a flag that takes a finite number that fits; `what` says which do."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and fits(value)):
            raise argparse.ArgumentTypeError(f"must be a number {what}, got {text!r}")
        return value

    return read


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """The type of a flag that takes one of these names; for any other, the error suggests the nearest."""
    known = list(names)

    def read(text: str) -> str:
        if text not in known:
            near = get_close_matches(text.lower(), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise argparse.ArgumentTypeError(f"there is no {text!r}; {hint}There are {', '.join(known)}")
        return text

    return read


class Progress:
    """How far a long task is: `advance` after each piece of work, `line` for what should stay on the screen."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the screen tidy."""

    def advance(self, images: int, where: str) -> None:
        """So many more images are done; `where` says in a few words how things stand."""

    def line(self, text: str) -> None:
        print(text, flush=True)


class Bar(Progress):
    """A bar at the foot of a terminal, with images/s and the time left."""

    def __init__(self, images: int) -> None:
        from tqdm import tqdm  # noqa: PLC0415  only where there is a terminal

        form = "{desc} |{bar}| {percentage:3.0f}%  {rate_noinv_fmt}, {remaining} left"
        self._bar: Any = tqdm(total=images, unit=" images", file=sys.stdout, dynamic_ncols=True, bar_format=form, leave=False)

    def advance(self, images: int, where: str) -> None:
        self._bar.set_description_str(where, refresh=False)
        self._bar.update(images)

    def line(self, text: str) -> None:
        self._bar.write(text, file=sys.stdout)

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


class Lines(Progress):
    """Plain lines, for a file or a pipe: after half a minute without one, how things stand, images/s and the time left."""

    def __init__(self, images: int) -> None:
        self.images, self.done = images, 0
        self.start = self.last = perf_counter()

    def advance(self, images: int, where: str) -> None:
        self.done += images
        now = perf_counter()
        if now - self.last >= QUIET:
            rate = self.done / (now - self.start)
            left = (self.images - self.done) / rate
            self.line(f"{where}  {rate:,.0f} images/s, {duration(left)} left")

    def line(self, text: str) -> None:
        super().line(text)
        self.last = perf_counter()


def progress(images: int) -> Progress:
    """A bar on a terminal, plain lines elsewhere, for a task of so many images."""
    return Bar(images) if sys.stdout.isatty() else Lines(images)


def duration(seconds: float) -> str:
    """Seconds for a person: 8.3 s, 4 min 10 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def ctrl_c() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only makes the function that this gives return True; the second raises KeyboardInterrupt."""
    with stop_signals() as asked:
        yield lambda: asked() != 0


@contextmanager
def stop_signals() -> Iterator[Callable[[], int]]:
    """Inside, the first Ctrl-C or SIGTERM only makes the function that this gives return the exit code for it, 130 or 143,
    instead of 0; the second raises KeyboardInterrupt."""
    code = 0

    def note(number: int, _: object) -> None:
        nonlocal code
        if code:
            raise KeyboardInterrupt
        code = 128 + number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
