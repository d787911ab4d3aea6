"""Dropout (section 4.2): training and test error with it and without."""

from __future__ import annotations

from collections.abc import Sequence

from minialex.claims.ablation import ablation, against_first
from minialex.claims.base import STILL
from minialex.claims.claim import Claim
from minialex.claims.judge import verdict
from minialex.claims.rows import Row, column, variants


def conclude(rows: Sequence[Row]) -> str:
    """What dropout does to the test error, and to the overfitting."""
    first, other = variants(rows)
    overfitting = verdict("The gap between test and training error", gap(rows, other), gap(rows, first))
    return f"{against_first('dropout')(rows)} {overfitting}"


def gap(rows: Sequence[Row], variant: str) -> dict[str, float]:
    """seed -> how much larger the test error is than the training error."""
    train, test = (column(rows, which, variant=variant) for which in ("train_error", "test_error"))
    return {seed: test[seed] - train[seed] for seed in test}


CLAIM = Claim(
    name="dropout",
    says="Without dropout in the first two full layers the net overfits; with it, learning takes about twice as long "
    "(section 4.2).",
    paper="substantial overfitting, no figure given",
    cost="about 15 min on two cores",
    run=ablation(
        "dropout",
        "dropout in the hidden full layers, on the same windows again and again",
        conclude,
        STILL.but("with dropout"),
        STILL.but("without dropout", options={"dropout": 0.0}),
        train=True,
    ),
)
