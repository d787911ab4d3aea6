"""Two towers (section 3.2): the two-tower net against the one-GPU net of footnote b, on the same data."""

from __future__ import annotations

from minialex.claims.ablation import ablation, against_first
from minialex.claims.base import SMALL_ALEXNET
from minialex.claims.claim import Claim

CLAIM = Claim(
    name="two-towers",
    says="The net of two towers makes fewer errors than the net that one GPU can hold, with half the kernels in each "
    "convolution but the last (section 3.2, footnote b).",
    paper="1.7 points of top-1 and 1.2 of top-5 error",
    cost="about 7 min on two cores",
    run=ablation(
        "two-towers",
        "two towers, and the one-GPU net of footnote b",
        against_first("the second tower"),
        SMALL_ALEXNET.but("two towers"),
        SMALL_ALEXNET.but("one GPU", options={"towers": 1}),
    ),
)
