"""What a key of a recipe may hold, said once for files and flags: a value, or its text, is right, or refused in words."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Kind:
    """`take` gives a value of a TOML file back as it is kept, or raises ValueError with what would fit."""

    name: str
    take: Callable[[Any], Any]
    parse: Callable[[str], Any] = str

    def read(self, text: str) -> Any:
        """The value that a flag's text stands for; as the type of an argparse flag."""
        try:
            return self.take(self.parse(text))
        except ValueError as error:
            words = str(error) if getattr(error, "ours", False) else f"must be {self.name}"
            raise argparse.ArgumentTypeError(words if "there is no" in words else f"{words}, got {text!r}") from None


class _Unfit(ValueError):
    ours = True


def whole(at_least: int) -> Kind:
    """A whole number of at least this."""
    name = f"a whole number of at least {at_least}"

    def take(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            raise _Unfit(f"must be {name}")
        return value

    return Kind(name, take, int)


def real(fits: Callable[[float], bool], what: str) -> Kind:
    """A finite number that fits; `what` says which do ("above 0")."""
    name = f"a number {what}"

    def take(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and fits(value)):
            raise _Unfit(f"must be {name}")
        return float(value)

    return Kind(name, take, float)


def one_of(names: Iterable[str]) -> Kind:
    """One of these names."""
    known = list(names)

    def take(value: Any) -> str:
        if value not in known:
            raise _Unfit(f"there is no {value!r}{hint(str(value), known)} There are {', '.join(known)}")
        return str(value)

    return Kind("a name", take)


def hint(wrong: str, known: Iterable[str]) -> str:
    """ "; did you mean alexnet?", or "." where nothing is near."""
    near = get_close_matches(wrong.lower(), list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else "."


def numbers(above: float) -> Kind:
    """A list of numbers above this; on the command line with commas between them."""
    name = f"numbers above {above:g}, one after another"
    each = real(lambda value: value > above, "")

    def tidy(number: float) -> float:
        return int(number) if number.is_integer() else number

    def take(value: Any) -> tuple[float, ...]:
        try:
            return tuple(tidy(each.take(number)) for number in [*value])
        except (TypeError, ValueError):
            raise _Unfit(f"must be {name}") from None

    return Kind(name, take, lambda text: [float(part) for part in text.split(",") if part.strip()])


RATE = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(?:\s+after\s+([0-9]+)\s*)?")


class Rate(NamedTuple):
    """A layer's own learning rate, as a factor of lr, once so many epochs are over."""

    layer: str
    factor: float
    after: int


def rate(text: str) -> Rate:
    """ "fc8=10" -> ("fc8", 10.0, 0); "conv1=0.1 after 67" -> ("conv1", 0.1, 67)."""
    found = RATE.fullmatch(text)
    try:
        if found is not None and math.isfinite(factor := float(found[2])):
            return Rate(found[1], factor, int(found[3] or 0))
    except ValueError:  # 1.2.3
        pass
    raise _Unfit(f"must be {layer_rates.name}")


def _take_rates(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise _Unfit(f"must be {layer_rates.name}")
    return tuple(
        f"{layer}={int(factor) if factor.is_integer() else factor}" + (f" after {after}" if after else "")
        for layer, factor, after in map(rate, value)
    )


layer_rates = Kind(
    'layers with their factors, one after another: "fc8=10", "conv1=0.1 after 67"',
    _take_rates,
    lambda text: [part for part in text.split(",") if part.strip()],
)


def _take_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _Unfit("must be a text")
    return value


def _take_switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Unfit("must be true or false")
    return value


def _read_switch(text: str) -> bool:
    answers = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if text.lower() not in answers:
        raise _Unfit("must be true or false")
    return answers[text.lower()]


text = Kind("a text", _take_text)
switch = Kind("true or false", _take_switch, _read_switch)


def _take_interval(value: Any) -> str:
    interval(str(value))
    return str(value)


def interval(text: str) -> tuple[int, float]:
    """ "500" -> (500 steps, infinity); "90s", "10min", "2h" -> (0, seconds)."""
    for unit, seconds in (("min", 60), ("s", 1), ("h", 3600)):
        if text.endswith(unit):
            value = text.removesuffix(unit).strip()
            if value.isascii() and value.replace(".", "", 1).isdigit() and float(value) > 0:
                return 0, float(value) * seconds
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise _Unfit("must be a number of steps (500) or a time (90s, 10min, 2h)")
    return int(text), math.inf


every = Kind("a number of steps (500) or a time (90s, 10min, 2h)", _take_interval)
