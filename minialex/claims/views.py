"""Ten views (section 4.1, and the footnote to table 1): each test image seen once, or five windows of it and their mirrors."""

from __future__ import annotations

from minialex.claims import figures
from minialex.claims.ablation import against_first, results
from minialex.claims.base import SMALL_ALEXNET, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.data.views import TenViews
from minialex.evaluation import evaluate

TEN, CENTRE = "ten views", "centre"


def run(bench: Bench) -> str:
    """The same nets tested in both ways."""
    nets = [bench.learn(sized(bench, SMALL_ALEXNET), seed) for seed in bench.seeds]
    for name in (TEN, CENTRE):
        for learned in nets:
            view = TenViews(learned.view) if name == TEN else learned.view
            scores = evaluate(learned.net, bench.source.dataset.test, view)
            bench.say(f"{name}, seed {learned.seed}: {scores.top1_error:.2%}")
            bench.row(variant=name, seed=learned.seed, images=learned.images, test_error=scores.top1_error, loss=scores.loss)
    rows = results(bench.folder)
    bench.figure(figures.only_the_end(rows, "the same nets, each test picture seen once or in ten views", pairs=True), "views")
    return conclude(rows)


conclude = against_first("ten views")
CLAIM = Claim(
    name="views",
    says="To average a net's answers over ten views of a picture makes fewer errors than to ask it once (section 4.1).",
    paper="39.0% to 37.5% top-1 error",
    cost="about 4 min on two cores; seconds where the nets are there already",
    run=run,
)
