"""The numbers of a claim: rows of a CSV, and a table of them with the spread over the seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from math import isnan, nan
from pathlib import Path
from statistics import fmean, stdev

Row = dict[str, str]


def read_rows(path: str | Path) -> list[Row]:
    """The rows of a CSV, each value as it is written; none where there is no file."""
    if not Path(path).exists():
        return []
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def line_of(values: Iterable[object]) -> str:
    """One line of a CSV. Floats have six significant digits, so that the file is legible."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
    return text.getvalue()


def number(row: Row, column: str) -> float:
    """A row's number; nan where the column is absent or empty."""
    return float(row.get(column) or nan)


def column(rows: Sequence[Row], name: str, **wanted: str) -> dict[str, float]:
    """seed -> the number in this column, of the rows whose other columns hold what is `wanted` (variant="relu")."""
    return {row["seed"]: number(row, name) for row in rows if all(row.get(key) == value for key, value in wanted.items())}


def variants(rows: Sequence[Row]) -> list[str]:
    """The names in the column `variant`, each once, in the order of the rows."""
    return list(dict.fromkeys(row["variant"] for row in rows))


def mean_and_spread(values: Iterable[float], percent: bool = True) -> str:
    """ "23.4 ± 0.5 %": mean and standard deviation (n - 1); without the spread for one value, "-" for none."""
    known = [value * (100 if percent else 1) for value in values if not isnan(value)]
    if not known:
        return "-"
    spread = f" ± {stdev(known):.1f}" if len(known) > 1 else ""
    return f"{fmean(known):.1f}{spread}" + (" %" if percent else "")


def markdown(heading: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    out = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in out)


def by_variant(rows: Sequence[Row]) -> str:
    """A line for each variant: training and test error, mean and standard deviation over the seeds."""
    return markdown(
        ["", "training error", "test error", "seeds"],
        [
            [
                name,
                mean_and_spread(column(rows, "train_error", variant=name).values()),
                mean_and_spread(column(rows, "test_error", variant=name).values()),
                len(column(rows, "test_error", variant=name)),
            ]
            for name in variants(rows)
        ],
    )
