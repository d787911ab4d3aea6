"""Lesson 12: which pictures a net finds alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from lessons.check import plain
from lessons.check.exercise import EXERCISES, Arguments, Exercise, Mistake, register
from minialex.arrays import Array


def distances(query: Array, vectors: Array) -> Array:
    """The Euclidean distance of each row of vectors to query."""
    away: Array = np.sqrt(((vectors - query) ** 2).sum(axis=1))
    return away


def nearest(query: Array, vectors: Array, k: int) -> Array:
    """query (D,), vectors (n, D) -> the indices of the k rows nearest to query, the nearest first."""
    return np.argsort(distances(query, vectors), kind="stable")[:k]


@st.composite
def queries(draw: Any) -> Arguments:
    """Vectors of different lengths, so that angle and distance disagree."""
    rng, n, D = np.random.default_rng(draw(st.integers(0, 999))), draw(st.integers(2, 8)), draw(st.integers(2, 4))
    vectors = rng.standard_normal((n, D)) * rng.uniform(0.3, 3, (n, 1)) + 0.5
    return rng.standard_normal(D) + 0.5, vectors, draw(st.integers(1, n))


def _cosine(query: Array, vectors: Array) -> Array:
    cosine: Array = vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
    return cosine


register(
    Exercise(
        name="nearest",
        lesson="12",
        right=nearest,
        returns=("indices",),
        trials=(plain.trial(lambda: EXERCISES["nearest"], queries(), max_examples=40),),
        reward="Pictures far apart in pixels are neighbours here: the net has learned what matters in them.",
        then="Ask for the neighbours of your favourite picture.",
        lights=("linear",),
        shape_hint="The indices of k rows: an array of shape (k,).",
        keeps_dtype=False,
        mistakes=(
            Mistake("farthest", lambda q, v, k: np.argsort(-distances(q, v), kind="stable")[:k], "these are the farthest ones"),
            Mistake(
                "nearest last",
                lambda q, v, k: nearest(q, v, k)[::-1],
                "these are the right ones, but the nearest should come first",
            ),
            Mistake("without the first", lambda q, v, k: nearest(q, v, k + 1)[1:], "the nearest one is left out"),
            Mistake(
                "inner product",
                lambda q, v, k: np.argsort(-(v @ q), kind="stable")[:k],
                "the largest inner products are taken, which favours long vectors; the distance is meant",
            ),
            Mistake(
                "cosine",
                lambda q, v, k: np.argsort(-_cosine(q, v), kind="stable")[:k],
                "the angle is compared; the distance is meant",
            ),
            Mistake(
                "sum of differences",
                lambda q, v, k: np.argsort((v - q).sum(axis=1), kind="stable")[:k],
                "the differences are summed with their signs, so that they cancel: square them first",
            ),
            Mistake(
                "down the rows",
                lambda q, v, k: np.argsort(((v - q) ** 2).sum(axis=0), kind="stable")[:k],
                "the squares are summed down the pictures (axis=0); sum them along each row, axis=1",
            ),
            Mistake(
                "absolute differences",
                lambda q, v, k: np.argsort(np.abs(v - q).sum(axis=1), kind="stable")[:k],
                "the absolute differences are summed; the Euclidean distance squares them",
            ),
            Mistake(
                "the rows themselves", lambda q, v, k: v[nearest(q, v, k)], "these are the vectors; their indices are wanted"
            ),
            Mistake(
                "the distances", lambda q, v, k: np.sort(distances(q, v))[:k], "these are the distances; the indices are wanted"
            ),
        ),
    )
)
