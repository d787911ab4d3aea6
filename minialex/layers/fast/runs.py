"""Copies of arrays whose last axes lie in one piece: each piece, a few dozen numbers, is moved as if it were one large number.

NumPy would go through every piece in a loop of its own, which takes longer to begin than to run.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from minialex.arrays import Array


def copy_runs(source: Array, target: Array) -> None:
    """target[...] = source, for one shape and dtype; in both the last two axes lie in one piece."""
    run = _run(source.itemsize * source.shape[-2] * source.shape[-1])
    _by(run, target)[...] = _by(run, source)


@lru_cache(maxsize=64)
def _run(size: int) -> np.dtype[np.void]:
    """A number of so many bytes."""
    return np.dtype((np.void, size))


def _by(run: np.dtype[np.void], x: Array) -> Array:
    """A view of x with one element for each run; NumPy refuses where its last axis has gaps."""
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1]).view(run)[..., 0]
