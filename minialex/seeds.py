"""One seed, many generators: each draw of a run has a name, and its own stream of numbers that nothing else disturbs."""

from __future__ import annotations

import numpy as np


def generator(seed: int, name: str) -> np.random.Generator:
    """The generator called `name` of the run with this seed (a non-negative int); always the same for the same two."""
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    return np.random.default_rng([seed, *name.encode()])
