"""Comparing what a learner's function returns with what ours does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lessons.check.exercise import Arguments, Exercise
from lessons.draw.heat import differs

SINGLE = 2e-4  # tolerance where anything is float32


def outputs(exercise: Exercise, result: Any) -> dict[str, Any]:
    """What a function returned, by name; a tuple of arrays in one place becomes "name[0]", "name[1]", ..."""
    parts = result if len(exercise.returns) > 1 else (result,)
    return dict(_flat(zip(exercise.returns, parts, strict=False)))


def _flat(named: Any) -> Iterator[tuple[str, Any]]:
    for name, value in named:
        if isinstance(value, tuple | list):
            yield from _flat((f"{name}[{i}]", part) for i, part in enumerate(value))
        else:
            yield name, value


def wrong_outputs(exercise: Exercise, received: Any, arguments: Arguments) -> dict[str, tuple[Any, Any]]:
    """name -> (expected, received), for each output that is not what it should be."""
    expected = exercise.right(*arguments)
    if exercise.compare is not None and exercise.compare(received, expected):
        return {}
    ours, theirs = outputs(exercise, expected), outputs(exercise, received)
    wide = all(np.asarray(a).dtype not in (np.float32, np.complex64) for a in (*arguments, *ours.values()) if not callable(a))
    tolerance = exercise.tolerance if wide else max(exercise.tolerance, SINGLE)
    return {name: (value, theirs.get(name)) for name, value in ours.items() if not alike(theirs.get(name), value, tolerance)}


def alike(received: Any, expected: Any, tolerance: float) -> bool:
    """Whether two outputs are the same, in shape and in numbers."""
    try:
        received, expected = np.asarray(received), np.asarray(expected)
        return received.shape == expected.shape and not differs(expected, received, tolerance).any()
    except (TypeError, ValueError):
        return False
