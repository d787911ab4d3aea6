r"""Short filters with fewer multiplications: how to multiply polynomials (Toom 1963, Cook 1966), turned round (Winograd 1980).

The product s of two polynomials, g with r coefficients and z with m, has n = m + r - 1 of them. It is known when its values at
n points are, and each value takes one multiplication, for it is g's value times z's: n in place of m r. Let E(k) be the table
that turns k coefficients into values. A point p has the row 1, p, p², ... in it, and the point "infinity" 0, ..., 0, 1, for
only the highest coefficient counts there. E(n) is square, and its inverse turns values into coefficients:

    s[l] = sum_j g[j] z[l - j]        s = E(n)⁻¹ ((E(r) g) * (E(m) z)) = T z        T[l, i] = g[l - i]

A filter over d is the transpose of T, and the transpose of a chain is its transposed steps in the opposite order:

    y[i] = sum_j g[j] d[i + j] = (Tᵀ d)[i]        y = A ((G g) * (B d))        A = E(m)ᵀ      G = E(r)      B = E(n)⁻ᵀ

B's row for the point p holds the coefficients of the polynomial that is 1 at p and 0 at the other finite points: the product
of (x - q) over all others q, divided by its value at p. That division is left to G, so no number of A and B is rounded.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyfromroots

from minialex.arrays import Array
from minialex.layers.im2col import Pair

POINTS = (0, 1, -1, 2, -0.5, -2, 0.5)  # and infinity: of all small ones, in this order, they lose the fewest digits
MOST = len(POINTS) + 1


@cache
def matrices(m: int, r: int, largest: int = 0) -> tuple[Array, Array, Array]:
    """A (m, n), G (n, r) and B (n, n), float64: m outputs of a filter with r taps by n = m + r - 1 <= 8 multiplications.

    largest: G's rows are those of a tile with so many outputs, divided by p - q for its further points q; B makes up for it.
    """
    points, further = (np.array(some, np.float64) for some in np.split(POINTS[: max(m, largest) + r - 2], [m + r - 2]))
    A, G, B = _values(points, m).T, _values(points, r), np.zeros((m + r - 1, m + r - 1))
    for k, p in enumerate(points):
        others = np.delete(points, k)
        B[k, :-1] = polyfromroots(others) * np.prod(p - further)
        G[k] /= np.prod(p - others) * np.prod(p - further)
    B[-1] = polyfromroots(points)
    return A, G, B


@cache
def in_two_dimensions(m: Pair, r: Pair, dtype: np.dtype[Any], largest: Pair = (0, 0)) -> tuple[Array, Array, Array]:
    """A ⊗ A, G ⊗ G and B ⊗ B, for rows and columns at once, in this dtype; infinity comes first.

    So the places of a smaller tile, whose points are among the larger one's, are the first rows and columns of that one's.
    """
    rows, columns = (matrices(*side) for side in zip(m, r, largest, strict=True))
    A, G, B = (
        np.kron(np.roll(row, 1, place), np.roll(column, 1, place)).astype(dtype)
        for row, column, place in zip(rows, columns, (1, 0, 0), strict=True)
    )
    return A, G, B


@cache
def everywhere(m: Pair, r: Pair) -> tuple[int, ...]:
    """The places whose values, all 1, make every output 1 (in the order of in_two_dimensions): a bias is added there.

    The value at the point 1 belongs to all outputs alike, for 1, 1², 1³ ... are 1. Where 1 is no point, m is at most 2.
    """
    sides = [np.roll(np.arange(n) == 1 if n > 2 else np.arange(n) < k, 1) for k, n in zip(m, np.add(m, r) - 1, strict=True)]
    return tuple(np.flatnonzero(np.kron(*sides)).tolist())


def _values(points: Array, count: int) -> Array:
    """E(count): from so many coefficients to the values at the points, and at infinity."""
    E = np.zeros((len(points) + 1, count))
    E[:-1] = np.vander(points, count, increasing=True)
    E[-1, -1] = 1
    return E
