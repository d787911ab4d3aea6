"""How parameters start (paper, section 5): weights from a zero-mean Gaussian, biases at 0 or 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex.arrays import Array, Shape, channels_last


def gaussian(shape: Shape, std: float, dtype: Any, rng: np.random.Generator | None) -> Array:
    """N(0, std²) of this shape and dtype, from the generator given, or from a fresh one with seed 0.

    Drawn in float32 for every real dtype, so that a float64 net starts exactly where its float32 twin does. A convolution's
    weight is laid out channels-last, so that its matrix (o, q) is a view.
    """
    if std == 0:
        return channels_last(np.zeros(shape, dtype))
    rng = rng if rng is not None else np.random.default_rng(0)
    return channels_last((rng.standard_normal(shape, dtype=np.float32) * np.float32(std)).astype(dtype, copy=False))


def constant(size: int, value: float, dtype: Any) -> Array:
    """A vector with one value throughout."""
    return np.full(size, value, dtype=dtype)
