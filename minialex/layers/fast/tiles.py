"""The linear steps of winograd.py: images to tiles and back, filters to places and back, each a few additions of whole arrays.

Tiles are 4 x 4 inputs for 2 x 2 outputs and begin two apart, so neighbours share two rows or columns. A step along one side is

    outs[i] = sum_k matrix[i][k] parts[k]        with small matrices, mostly of 0, 1 and -1

and its adjoint, which backward needs, has the transposed matrix and adds where parts overlap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minialex.arrays import Array, empty, zeros

Matrix = Sequence[Sequence[float]]
A: Matrix = ((1, 1, 1, 0), (0, 1, -1, -1))
B: Matrix = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
G: Matrix = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))


def inputs(padded: Array) -> Array:
    """V (4, 4, p, C) = B x Bᵀ for all p tiles of the padded images (n, 2 rows + 2, 2 columns + 2, C)."""
    n, H, W, C = padded.shape
    rows, columns = H // 2 - 1, W // 2 - 1
    half = empty(padded, (4, n, rows, W, C))
    combine(B, _starts(padded, rows, axis=1), half)
    V = empty(padded, (4, 4, n, rows, columns, C))
    for s in range(4):
        combine(B, _starts(half[s], columns, axis=2), V[s])
    return V.reshape(4, 4, n * rows * columns, C)


def inputs_adjoint(dV: Array, shape: tuple[int, int, int, int]) -> Array:
    """dx of the padded images' shape from dV (4, 4, p, C): the two half steps backwards, adding where tiles overlap."""
    n, H, W, C = shape
    rows, columns = H // 2 - 1, W // 2 - 1
    dhalf, dpadded = zeros(dV, (4, n, rows, W, C)), zeros(dV, shape)
    for s, places in enumerate(dV.reshape(4, 4, n, rows, columns, C)):
        combine_onto(transposed(B), places, _starts(dhalf[s], columns, axis=2))
    combine_onto(transposed(B), dhalf, _starts(dpadded, rows, axis=1))
    return dpadded


def outputs(M: Array, y: Array) -> None:
    """y (n, oH, oW, O) = A M Aᵀ, tile by tile, from M (4, 4, p, O); what a last tile has beyond the edge is dropped."""
    n, oH, oW, O = y.shape
    rows, columns = -(-oH // 2), -(-oW // 2)
    half = empty(M, (2, 4, n, rows, columns, O))
    combine(A, M.reshape(4, 4, n, rows, columns, O), half)
    whole = empty(M, (n, rows, 2, columns, 2, O))
    for a in range(2):
        combine(A, half[a], [whole[:, :, a, :, b] for b in range(2)])
    y[...] = whole.reshape(n, 2 * rows, 2 * columns, O)[:, :oH, :oW]


def outputs_adjoint(dy: Array) -> Array:
    """dM (4, 4, p, O) = Aᵀ dy A, tile by tile, from dy (n, oH, oW, O); beyond the edge dy is 0."""
    n, oH, oW, O = dy.shape
    rows, columns = -(-oH // 2), -(-oW // 2)
    whole = zeros(dy, (n, 2 * rows, 2 * columns, O))
    whole[:, :oH, :oW] = dy
    tiles = whole.reshape(n, rows, 2, columns, 2, O)
    half = empty(dy, (2, 4, n, rows, columns, O))
    for a in range(2):
        combine(transposed(A), [tiles[:, :, a, :, b] for b in range(2)], half[a])
    dM = empty(dy, (4, 4, n, rows, columns, O))
    combine(transposed(A), half, dM)
    return dM.reshape(4, 4, n * rows * columns, O)


def both_ways(matrix: Matrix, filters: Array) -> Array:
    """matrix filters matrixᵀ over the first two axes."""
    size = len(matrix)
    half = empty(filters, (size, *filters.shape[1:]))
    combine(matrix, filters, half)
    whole = empty(filters, (size, size, *filters.shape[2:]))
    for s in range(size):
        combine(matrix, half[s], whole[s])
    return whole


def combine(matrix: Matrix, parts: Sequence[Array] | Array, outs: Sequence[Array] | Array) -> None:
    """outs[i] = sum_k matrix[i][k] parts[k]."""
    for row, out in zip(matrix, outs, strict=True):
        first, *others = [(factor, part) for factor, part in zip(row, parts, strict=True) if factor]
        if others and first[0] == 1 and others[0][0] in (1, -1):
            (np.add if others[0][0] == 1 else np.subtract)(first[1], others[0][1], out=out)
            others = others[1:]
        else:
            np.multiply(first[1], first[0], out=out)
        _add(out, others)


def combine_onto(matrix: Matrix, parts: Sequence[Array] | Array, outs: Sequence[Array] | Array) -> None:
    """outs[i] += sum_k matrix[i][k] parts[k], one term after the other, for the outs overlap."""
    for row, out in zip(matrix, outs, strict=True):
        _add(out, [(factor, part) for factor, part in zip(row, parts, strict=True) if factor])


def transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _add(out: Array, terms: Sequence[tuple[float, Array]]) -> None:
    for factor, part in terms:
        if factor == 1:
            out += part
        elif factor == -1:
            out -= part
        else:
            out += factor * part


def _starts(x: Array, count: int, axis: int) -> list[Array]:
    """For k = 0..3, the k-th row (axis 1) or column (axis 2) of all `count` tiles, which begin two apart: views."""
    before = (slice(None),) * axis
    return [x[(*before, slice(k, k + 2 * count - 1, 2))] for k in range(4)]
