"""The failing case again, with numbers that a person can follow: small integers in the place of drawn ones."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from lessons.check.exercise import Exercise, Function
from lessons.check.probe import Call, Probe, Unwritten
from lessons.check.results import wrong_outputs

LARGEST = 64  # an array of more numbers is not worked out by hand anyway


def simpler(exercise: Exercise, function: Function, call: Call) -> Call:
    """The call with whole numbers 1, 2, 3, ... in every float array, if the function is wrong there, too; else the call."""
    arguments = tuple(whole(a, n) for n, a in enumerate(call.arguments))
    probe = Probe(exercise, function)
    try:
        with redirect_stdout(io.StringIO()):
            received = probe(*arguments)
            ours = wrong_outputs(exercise, received, arguments)
    except (Exception, Unwritten):
        return call
    before = set(wrong_outputs(exercise, call.received, call.arguments))
    return probe.calls[0] if before and before <= set(ours) else call


def whole(value: Any, seed: int) -> Any:
    """Whole numbers in the shape and dtype of a float array, signs and order as they were."""
    if isinstance(value, tuple) and any(isinstance(part, np.ndarray) for part in value):
        return tuple(whole(part, seed + 7 * n) for n, part in enumerate(value))
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not 0 < value.size <= LARGEST:
        return value
    if not np.isfinite(value).all() or (value == np.round(value)).all():
        return value
    sizes = np.abs(value).ravel()
    ranks = np.empty(sizes.size, int)
    ranks[np.argsort(sizes, kind="stable")] = np.arange(1, sizes.size + 1)
    return (np.sign(value) * ranks.reshape(value.shape)).astype(value.dtype)
