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

POINTS = (0, 1, -1, 2, -0.5, -2, 0.5)  # and infinity: of all small ones, in this order, they lose the fewest digits
MOST = len(POINTS) + 1


@cache
def matrices(m: int, r: int) -> tuple[Array, Array, Array]:
    """A (m, n), G (n, r) and B (n, n), float64: m outputs of a filter with r taps by n = m + r - 1 <= 8 multiplications."""
    points = np.array(POINTS[: m + r - 2], np.float64)
    A, G, B = _values(points, m).T, _values(points, r), np.zeros((m + r - 1, m + r - 1))
    for k, p in enumerate(points):
        others = np.delete(points, k)
        B[k, :-1] = polyfromroots(others)
        G[k] /= np.prod(p - others)
    B[-1] = polyfromroots(points)
    return A, G, B


@cache
def in_two_dimensions(m: tuple[int, int], r: tuple[int, int], dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """A ⊗ A, G ⊗ G and B ⊗ B, for rows and columns at once, in this dtype."""
    rows, columns = matrices(m[0], r[0]), matrices(m[1], r[1])
    A, G, B = (np.kron(row, column).astype(dtype) for row, column in zip(rows, columns, strict=True))
    return A, G, B


def _values(points: Array, count: int) -> Array:
    """E(count): from so many coefficients to the values at the points, and at infinity."""
    E = np.zeros((len(points) + 1, count))
    E[:-1] = np.vander(points, count, increasing=True)
    E[-1, -1] = 1
    return E
