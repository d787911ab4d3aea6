"""Dropout (section 4.2): training and test error with it and without."""

from __future__ import annotations

from collections.abc import Sequence

from minialex.claims.ablation import ablation, against_first
from minialex.claims.base import STILL
from minialex.claims.claim import Claim
from minialex.claims.rows import Row, column, mean_and_spread, variants


def gaps(rows: Sequence[Row]) -> str:
    """How much larger the test error is than the training error, for each variant: the overfitting."""
    said = []
    for name in variants(rows):
        train, test = (column(rows, which, variant=name) for which in ("train_error", "test_error"))
        said.append(f"{mean_and_spread((test[s] - train[s] for s in test), percent=True).removesuffix(' %')} {name}")
    return f"Test less training error, in points: {', '.join(said)}."


CLAIM = Claim(
    name="dropout",
    says="Without dropout in the first two full layers the net overfits; with it, learning takes about twice as long "
    "(section 4.2).",
    paper="substantial overfitting, no figure given",
    cost="about 15 min on two cores",
    run=ablation(
        "dropout",
        "dropout in the hidden full layers, on the same windows again and again",
        lambda rows: f"{against_first('dropout')(rows)} {gaps(rows)}",
        STILL.but("with dropout"),
        STILL.but("without dropout", options={"dropout": 0.0}),
        train=True,
    ),
)
