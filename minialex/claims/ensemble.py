"""Several nets (section 6, table 2): one net, against the average of five that differ in their seeds alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

from minialex.claims import figures
from minialex.claims.ablation import results
from minialex.claims.base import SMALL_ALEXNET, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.judge import verdict
from minialex.claims.rows import Row, column, markdown, mean_and_spread
from minialex.evaluation import log_mean, log_probabilities, score

NETS = 5


def run(bench: Bench) -> str:
    """Every subset of the nets is an ensemble: rows with the mean error of those of 1, 2, .. nets, and each net's own."""
    test = bench.source.dataset.test
    learned = [bench.learn(sized(bench, SMALL_ALEXNET), seed) for seed in seeds(bench.seeds)]
    logs = [log_probabilities(one.net, test.images, one.view, workers=0) for one in learned]
    for one, log in zip(learned, logs, strict=True):
        bench.row(variant="one net", seed=one.seed, nets=1, test_error=score(log, test.labels).top1_error)
    for size in range(1, len(logs) + 1):
        errors = [score(log_mean(list(some)), test.labels).top1_error for some in combinations(logs, size)]
        bench.row(variant=f"average of {size}", seed="all", nets=size, test_error=fmean(errors))
        bench.say(f"average of {size}: {fmean(errors):.2%} ({len(errors)} of them)")
    rows = results(bench.folder)
    bench.figure(figures.ensembles(rows), "ensemble")
    return conclude(rows)


def seeds(given: Sequence[int]) -> list[int]:
    """Five different seeds, the given ones first."""
    more = (seed for seed in range(NETS + len(given)) if seed not in given)
    return [*given, *more][:NETS]


def conclude(rows: Sequence[Row]) -> str:
    """The five's average against each of the five."""
    single = column(rows, "test_error", variant="one net")
    (together,) = column(rows, "test_error", variant=f"average of {len(single)}").values()
    return verdict(f"the average of {len(single)} nets", single, dict.fromkeys(single, together))


def report(rows: Sequence[Row]) -> str:
    """One net, and the averages of 2, 3, ..."""
    single = column(rows, "test_error", variant="one net")
    lines = [["one net", mean_and_spread(single.values())]]
    lines += [[row["variant"], mean_and_spread([float(row["test_error"])])] for row in rows if int(row["nets"]) > 1]
    return markdown(["", "test error"], lines)


CLAIM = Claim(
    name="ensemble",
    says="The average of five nets that differ in their start alone makes fewer errors than one (section 6, table 2).",
    paper="40.7% to 38.1% top-1 error",
    cost="about 6 min on two cores; less where the nets are there already",
    run=run,
    report=report,
)
