"""Response normalisation (section 3.3): the four-layer CIFAR-10 net with it and without."""

from __future__ import annotations

from minialex.claims.ablation import ablation, against_first
from minialex.claims.base import FOUR_LAYERS
from minialex.claims.claim import Claim

CLAIM = Claim(
    name="lrn",
    says="A four-layer net makes fewer errors on CIFAR-10 with local response normalisation than without it (section 3.3).",
    paper="13% to 11% test error, between nets that differed in more than that: the last local layer had 32 maps, then 64",
    cost="about 7 min on two cores",
    run=ablation(
        "lrn",
        "the four-layer net with response normalisation and without",
        against_first("normalisation"),
        FOUR_LAYERS.but("with", options={"norm": True}),
        FOUR_LAYERS.but("without", options={"norm": False}),
    ),
)
