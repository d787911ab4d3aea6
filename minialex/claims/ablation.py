"""The experiment that most claims are: a net as the paper has it, and the same with one thing changed, over several seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from minialex.claims import figures
from minialex.claims.base import sized
from minialex.claims.bench import Bench
from minialex.claims.judge import verdict
from minialex.claims.learn import Learned, Variant
from minialex.claims.rows import Row, column, read_rows, variants

Conclude = Callable[[Sequence[Row]], str]


def ablation(name: str, title: str, conclude: Conclude, *compared: Variant, train: bool = False) -> Callable[[Bench], str]:
    """What runs a claim: every variant with every seed, their rows, the picture <name>.png, the conclusion.

    train: whether the picture shows the training error, too.
    """

    def run(bench: Bench) -> str:
        for variant in compared:
            for seed in bench.seeds:
                note(bench, bench.learn(sized(bench, variant), seed))
        rows = results(bench.folder)
        bench.figure(figures.errors(rows, read_rows(bench.folder / "curves.csv"), title, train), name)
        return conclude(rows)

    return run


def note(bench: Bench, learned: Learned) -> None:
    """A trained net's rows: one in results.csv, one for each epoch in curves.csv."""
    who = {"variant": learned.variant.name, "seed": learned.seed}
    bench.row(
        **who,
        images=learned.images,
        epochs=len(learned.curve),
        parameters=learned.net.num_parameters,
        train_error=learned.train_error,
        test_error=learned.test_error,
    )
    for epoch in learned.curve:
        bench.row("curves", **who, epoch=epoch.epoch, train_error=epoch.train_error, test_error=epoch.test_error)


def results(folder: Path) -> list[Row]:
    """The rows of a claim's results.csv."""
    return read_rows(folder / "results.csv")


def against_first(what: str, expected: int = -1) -> Conclude:
    """A sentence for each variant but the first, the net as the paper has it: what the thing changes in the test error.

    expected: the sign of the paper's change.
    """

    def conclude(rows: Sequence[Row]) -> str:
        first, *others = variants(rows)
        after = column(rows, "test_error", variant=first)
        several = len(others) > 1
        return " ".join(
            verdict(f"{what} ({name})" if several else what, column(rows, "test_error", variant=name), after, expected)
            for name in others
        )

    return conclude
