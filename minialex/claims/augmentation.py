"""Data augmentation (section 4.1): random windows and mirror images; and noise along the principal colours."""

from __future__ import annotations

from collections.abc import Sequence

from minialex.claims.ablation import ablation
from minialex.claims.base import LONGER, STILL
from minialex.claims.claim import Claim
from minialex.claims.dropout import gap
from minialex.claims.judge import verdict
from minialex.claims.rows import Row, column

PLAIN, MOVED, COLOURED = "neither", "windows, mirrors", "and colours"


def conclude(rows: Sequence[Row]) -> str:
    """Each step against the one before, and the overfitting."""
    plain, moved, coloured = (column(rows, "test_error", variant=name) for name in (PLAIN, MOVED, COLOURED))
    overfitting = verdict("With windows and mirrors the gap to the training error", gap(rows, PLAIN), gap(rows, MOVED))
    return f"{verdict('windows and mirrors', plain, moved)} {verdict('colours', moved, coloured)} {overfitting}"


CLAIM = Claim(
    name="augmentation",
    says="Random windows and mirror images keep the net from overfitting; colour noise makes fewer errors still (section 4.1).",
    paper="without windows and mirrors substantial overfitting; colours: more than 1 point of top-1 error",
    cost="about 20 min on two cores; less where the nets of dropout are there",
    run=ablation(
        "augmentation",
        "random windows and mirrors, and colour noise",
        conclude,
        STILL.but(PLAIN),
        LONGER.but(MOVED),
        LONGER.but(COLOURED, colour_noise=0.1),
        train=True,
    ),
)
