"""Depth (sections 3.5 and 7): the net without one of its middle convolutions, each in turn."""

from __future__ import annotations

from minialex.claims.ablation import ablation, against_first
from minialex.claims.base import SMALL_ALEXNET
from minialex.claims.claim import Claim

CLAIM = Claim(
    name="depth",
    says="The depth is needed: without any one of the middle convolutions the net makes more errors (sections 3.5, 7).",
    paper="about 2 points of top-1 error for any middle layer",
    cost="about 15 min on two cores",
    run=ablation(
        "depth",
        "the small AlexNet, and without one of its middle convolutions",
        against_first("the layer"),
        SMALL_ALEXNET.but("all five"),
        *(SMALL_ALEXNET.but(f"without {conv}", options={"without": (conv,)}) for conv in ("conv3", "conv4", "conv5")),
    ),
)
