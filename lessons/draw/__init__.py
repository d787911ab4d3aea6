"""Pictures for the lessons, in the style and the colours of minialex.plots.

    draw.array(a, "x")                       a small array as a heat map with its numbers
    draw.side_by_side(a, b, between="=")     several of them in a row
    draw.difference(expected, received)      two arrays, and where they differ

Every other file of this folder is a topic; the names in its __all__ are found here, too: draw.NAME.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from lessons.draw import show
from lessons.draw.heat import Picture, array, difference, side_by_side

__all__ = ["Picture", "array", "difference", "side_by_side"]

show.figures()


@cache
def _topics() -> dict[str, Any]:
    """Every public name of every topic."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(__path__):
        topic = import_module(f"{__name__}.{module.name}")
        for name in getattr(topic, "__all__", ()):
            if found.setdefault(name, getattr(topic, name)) is not getattr(topic, name):
                raise ImportError(f"lessons.draw: {name} is defined in two files, the second is {module.name}.py")
    return found


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    globals().update(_topics())  # once imported, a topic's own name would hide a picture that is called like it
    if name in _topics():
        return _topics()[name]
    raise AttributeError(f"draw has no {name}; it has {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_topics()})
