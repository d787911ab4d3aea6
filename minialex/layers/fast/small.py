"""Matrix products in pieces so small that BLAS computes them from where their numbers lie; larger ones it copies first.

OpenBLAS does so up to about a million multiply-adds on CPUs with AVX-512. With a few dozen columns a factor costs nearly as
much to copy as to multiply.
"""

from __future__ import annotations

import numpy as np

from minialex.arrays import Array

MULTIPLY_ADDS = 1_000_000


def rows_times(X: Array, W: Array, out: Array) -> None:
    """out (p, o) = X (p, q) W (q, o), some rows at a time."""
    for whole, rows in _pieces(len(X), W.size):
        np.matmul(_cut(X[whole], rows), W, out=_cut(out[whole], rows))


def add_columns_times(dY: Array, X: Array, total: Array) -> None:
    """total (o, q) += dYᵀ X, for dY (p, o) and X (p, q): the sum of such products of some rows."""
    for whole, rows in _pieces(len(X), total.size):
        total += np.matmul(_cut(dY[whole], rows).swapaxes(1, 2), _cut(X[whole], rows)).sum(axis=0)


def _pieces(p: int, others: int) -> list[tuple[slice, int]]:
    """As many whole pieces as there are of so many rows, and what is left."""
    rows = max(1, min(p, MULTIPLY_ADDS // max(1, others)))
    whole = p - p % rows
    return [(slice(0, whole), rows)] + ([(slice(whole, p), p - whole)] if whole < p else [])


def _cut(matrix: Array, rows: int) -> Array:
    return matrix.reshape(len(matrix) // rows, rows, matrix.shape[1])
