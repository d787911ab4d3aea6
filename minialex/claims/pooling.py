"""Overlapping pooling (section 3.4): windows of 3 at steps of 2, against windows of 2 at steps of 2."""

from __future__ import annotations

from minialex.claims.ablation import ablation, against_first
from minialex.claims.base import SMALL_ALEXNET
from minialex.claims.claim import Claim

CLAIM = Claim(
    name="pooling",
    says="Pooling windows that overlap (3 x 3 at steps of 2) make fewer errors than ones side by side (section 3.4).",
    paper="0.4 points of top-1 and 0.3 of top-5 error",
    cost="about 7 min on two cores",
    run=ablation(
        "pooling",
        "overlapping pooling windows (3 x 3 at steps of 2), and side by side (2 x 2)",
        against_first("overlapping windows"),
        SMALL_ALEXNET.but("3 x 3"),
        SMALL_ALEXNET.but("2 x 2", options={"pool": "side by side"}),
    ),
)
