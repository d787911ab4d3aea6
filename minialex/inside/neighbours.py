r"""The images that are most alike, by the distance of their vectors: features of a net (paper, figure 4 right), or pixels.

|a - b|² = |a|² - 2 a b + |b|², so all distances are one matrix product, and are asked for a few queries at a time.
"""

from __future__ import annotations

import numpy as np

from minialex.arrays import Array

AT_ONCE = 1 << 24  # distances in memory


def nearest(queries: Array, vectors: Array, count: int) -> tuple[Array, Array]:
    """queries (Q, D), vectors (N, D) -> the indices (Q, count) of the nearest vectors, the nearest first, and their distances.

    Euclidean; where distances tie, the lower index comes first. Vectors of any shape (N, ...) are taken as flat.
    """
    queries, vectors = (x.reshape(len(x), -1).astype(np.float32, copy=False) for x in (queries, vectors))
    if queries.shape[1] != vectors.shape[1] or not 1 <= count <= len(vectors):
        raise ValueError(f"nearest: {count} of {vectors.shape} cannot be found for queries {queries.shape}")
    lengths = np.square(vectors).sum(axis=1)
    indices, distances = [], []
    step = max(1, AT_ONCE // len(vectors))
    for start in range(0, len(queries), step):
        some = queries[start : start + step]
        squares = lengths - 2 * some @ vectors.T + np.square(some).sum(axis=1)[:, None]
        found = np.sort(np.argpartition(squares, count - 1, axis=1)[:, :count], axis=1)
        order = np.argsort(np.take_along_axis(squares, found, axis=1), axis=1, kind="stable")
        indices.append(np.take_along_axis(found, order, axis=1))
        distances.append(np.sqrt(np.maximum(np.take_along_axis(squares, indices[-1], axis=1), 0)))
    return np.concatenate(indices), np.concatenate(distances)
