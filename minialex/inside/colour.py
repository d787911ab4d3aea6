r"""How colourful the kernels of a first layer are (paper, section 6.1: one tower's are largely colour-agnostic).

A kernel w (3, kH, kW) that only sees how bright a pixel is has three equal channels. Its grey part is their mean g, the same in
each channel, and what is left is orthogonal to it: |w|² = |g|² + |w - g|². So the saturation

    s(w) = |w - g|² / |w|²

is 0 for a kernel that sees no colour, 1 for one that sees nothing but differences between colours, and 2/3 on average for one
that is only noise. A tower's saturation is that of its kernels together, the sum of the upper over the sum of the lower, so
that kernels that have learned nothing and stayed small do not count.
"""

from __future__ import annotations

import numpy as np

from minialex.arrays import Array

NOISE = 2 / 3


def saturations(weight: Array) -> Array:
    """Kernels (out, 3, kH, kW) -> the saturation of each, float64 (out,); nan for a kernel that is all zero."""
    colour, whole = _energies(weight)
    return np.divide(colour, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def saturation(weight: Array) -> float:
    """Kernels (out, 3, kH, kW) of one tower -> their saturation together; nan if all are zero."""
    colour, whole = _energies(weight)
    return float(colour.sum() / whole.sum()) if whole.any() else float("nan")


def chance(first: Array, second: Array, rng: np.random.Generator, draws: int = 10_000) -> float:
    """How often two towers dealt from the same kernels at random differ in saturation as much as these two do, 0..1.

    A small number says that the kernels found their tower for a reason (a permutation test; the drawn split itself counts).
    """
    both = np.concatenate([first, second])
    colour, whole = _energies(both)
    n, total = len(first), (colour.sum(), whole.sum())

    def difference(chosen: Array) -> Array:
        a, b = colour[chosen].sum(axis=-1), whole[chosen].sum(axis=-1)
        return np.abs(a / b - (total[0] - a) / (total[1] - b))

    deals = rng.permuted(np.tile(np.arange(len(both)), (draws, 1)), axis=1)[:, :n]
    seen = difference(np.arange(n))
    return float((1 + (difference(deals) >= seen * (1 - 1e-12)).sum()) / (1 + draws))


def _energies(weight: Array) -> tuple[Array, Array]:
    """|w - g|² and |w|² of each kernel."""
    if weight.ndim != 4 or weight.shape[1] != 3:
        raise ValueError(f"saturation: needs kernels (out, 3, kH, kW), which see red, green and blue, got {weight.shape}")
    w = np.asarray(weight, np.float64)
    apart = w - w.mean(axis=1, keepdims=True)
    return np.square(apart).sum(axis=(1, 2, 3)), np.square(w).sum(axis=(1, 2, 3))
