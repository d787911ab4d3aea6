"""Rows with planted numbers, for tests of what is concluded from them."""

from __future__ import annotations

import numpy as np


def planted(
    effect: float, spread: float = 0.002, names: tuple[str, ...] = ("with", "without"), seeds: int = 3, base: float = 0.4
):
    """Rows of results.csv: the first variant's errors lie `effect` below the others', seed by seed but for `spread`."""
    rng = np.random.default_rng(7)
    rows = []
    for n, name in enumerate(names):
        noise = rng.permutation(np.linspace(-spread, spread, seeds)) if n else np.zeros(seeds)
        for seed in range(seeds):
            error = base - (effect if n == 0 else 0.0) + noise[seed]
            rows.append({"variant": name, "seed": str(seed), "train_error": f"{error - 0.1:.6g}", "test_error": f"{error:.6g}"})
    return rows
