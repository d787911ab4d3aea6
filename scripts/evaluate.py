"""How good are one or more runs, and their average? `python scripts/evaluate.py --help`."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from io import BytesIO, StringIO
from math import isnan, nan
from time import perf_counter

import numpy as np

from minialex.arrays import Array
from minialex.console import Parser, one_of, progress, whole
from minialex.data.dataset import Split
from minialex.data.errors import printable
from minialex.data.views import CentreCrop, TenViews
from minialex.evaluation import BATCH_SIZE, ClassScores, by_class, log_mean, log_probabilities, score
from minialex.frame import answer, start
from minialex.net import Net
from minialex.newfile import check_new, write_new
from minialex.opened import CHECKPOINTS, Opened, open_runs

EXAMPLES = """\
examples:
  python scripts/evaluate.py runs/digits-small-1
      top-1 and top-5 error and loss on the test images
  python scripts/evaluate.py runs/birds-1 runs/birds-2 runs/birds-3 --views 10
      each run with ten views of each image (paper, section 4.1), and what the three say together (section 6)
  python scripts/evaluate.py runs/birds-1 --split train --by-class
      which classes go wrong, and what they are taken for, among the images that it has learned from
"""


@dataclass(frozen=True)
class Row:
    """A line of the table and of --csv. Errors are shares of 0..1, the loss is in nats, an average has no images_per_second."""

    run: str
    weights: str
    split: str
    images: int
    views: int
    top1_error: float
    top5_error: float
    loss: float
    images_per_second: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 well, 2 it cannot be done as asked, 130 Ctrl-C."""
    flags = parser().parse_args(arguments)
    no_memory = f"not enough memory for {flags.batch_size} images at once. Try a smaller --batch-size"
    return answer("evaluate.py", lambda: evaluate_all(flags), no_memory)


def evaluate_all(flags: argparse.Namespace) -> int:
    """Each run, then what they say together: printed, and written where it was asked for."""
    for path in filter(None, (flags.csv, flags.probabilities)):
        check_new(path)
    opened = open_runs(flags.runs, flags.checkpoint, flags.data)
    data = opened[0].source.dataset
    split = data.train if flags.split == "train" else data.test
    average = f"average of {len(opened)}"
    width = max(len(name) for name in ("run", average, *(printable(run.name) for run in opened)))
    rows, found = list[Row](), list[Array]()
    for run in opened:
        net = run.net(flags.devices)
        if not rows:
            print_head(opened, split, flags, width)
        prepare, _ = run.views(flags.views)
        logs, speed = look(run.name, net, split, prepare, flags)
        found.append(logs)
        rows.append(row(run.name, run.weights, split, flags.split, 10 if isinstance(prepare, TenViews) else 1, speed, logs))
        show(rows[-1], width, len(data.classes))
    outcome = log_mean(found)
    if len(opened) > 1:
        rows.append(row(average, "", split, flags.split, max(row.views for row in rows), nan, outcome))
        show(rows[-1], width, len(data.classes))

    if flags.by_class:
        show_classes(by_class(outcome, split.labels), data.classes, flags.by_class)
    if flags.csv:
        write_new(flags.csv, as_csv(rows))
    if flags.probabilities:
        write_new(flags.probabilities, as_npy(np.exp(outcome).astype(np.float32)))
        print(f"\nprobabilities float32 ({len(split)}, {len(data.classes)}) in {printable(flags.probabilities)}")
    return 0


def print_head(opened: Sequence[Opened], split: Split, flags: argparse.Namespace, width: int) -> None:
    """What is looked at and how, and the table's heading."""
    data = opened[0].source.dataset
    print(f"data       {data.name}: {len(split):,} {flags.split} images, {len(data.classes):,} classes")
    for words in dict.fromkeys(run.views(flags.views)[1] for run in opened):
        print(f"views      {words}")
    for notice in filter(None, (run.notice for run in opened)):
        print(f"notice     {notice}")
    print(f"\n{'run':<{width}}  weights      views   top-1 error   top-5 error      loss   images/s", flush=True)


def look(name: str, net: Net, split: Split, prepare: CentreCrop | TenViews, flags: argparse.Namespace) -> tuple[Array, float]:
    """The net's log-probabilities for all images (N, classes), and how many images a second it looked at."""
    start = perf_counter()
    with progress(len(split)) as screen:

        def advance(images: int) -> None:
            screen.advance(images, printable(name))

        logs = log_probabilities(net, split.images, prepare, flags.batch_size, workers=flags.workers, advance=advance)
    return logs, len(split) / (perf_counter() - start)


def row(name: str, weights: str, split: Split, part: str, views: int, speed: float, logs: Array) -> Row:
    """The line for these log-probabilities of all images of the split, which is the data's `part`."""
    scores = score(logs, split.labels)
    return Row(name, weights, part, len(split), views, scores.top1_error, scores.top5_error, scores.loss, speed)


def show(row: Row, width: int, classes: int) -> None:
    """A line of the table. With five classes or fewer, all are among the first five."""
    top5 = f"{row.top5_error:>14.2%}" if classes > 5 else f"{'-':>14}"
    speed = "" if isnan(row.images_per_second) else f"{row.images_per_second:>11,.0f}"
    print(
        f"{printable(row.run):<{width}}  {row.weights:<11}{row.views:>7}{row.top1_error:>14.2%}{top5}{row.loss:>10.4f}{speed}",
        flush=True,
    )


def show_classes(classes: Sequence[ClassScores], names: Sequence[str], most: int) -> None:
    """The classes with the largest errors first, at most so many of them."""
    worst = sorted((c for c in classes if c.images), key=lambda c: (-c.top1_error, c.label))
    width = min(40, max(len(printable(name)) for name in (*names, "class")))
    print(f"\n{'class':<{width}}  images   top-1 error   most often taken for")
    for one in worst[:most]:
        taken = "" if one.mistaken_for is None else f"{printable(names[one.mistaken_for])[:40]} ({one.times})"
        line = f"{printable(names[one.label])[:width]:<{width}}{one.images:>8,}{one.top1_error:>14.2%}   {taken}"
        print(line.rstrip())
    if len(worst) > most:
        print(f"and {len(worst) - most:,} more classes; --by-class {len(worst)} shows all")


def as_csv(rows: Sequence[Row]) -> bytes:
    text = StringIO(newline="")
    table = csv.writer(text)
    table.writerow(field.name for field in fields(Row))
    table.writerows(astuple(row) for row in rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def as_npy(array: Array) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def parser() -> Parser:
    """The flags."""
    top = Parser(
        prog="evaluate.py",
        description="The errors of one or more runs on images that they have not learned from, and of all of them together:\n"
        "their probabilities are averaged, as those of the paper's five nets were.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a run, as train.py left it")
    top.add_argument(
        "--views",
        type=int,
        choices=(1, 10),
        default=1,
        help="1: the centre of each image. 10: its corners and centre, and their mirror images, averaged (default: 1)",
    )
    top.add_argument("--split", type=one_of(("test", "train")), default="test", help="test or train (default: test)")
    top.add_argument("--devices", default="auto", metavar="WHERE", help="as for train.py (default: auto)")
    top.add_argument(
        "--checkpoint",
        type=one_of(CHECKPOINTS),
        metavar="NAME",
        help="last, or best: the one with the lowest validation error (default: last)",
    )
    top.add_argument("--data", metavar="NAME|FOLDER", help="where the data are, if not where they were in training")
    top.add_argument(
        "--by-class",
        type=whole(1),
        nargs="?",
        const=20,
        metavar="N",
        help="show also the classes with the largest errors, N of them (20)",
    )
    top.add_argument("--csv", metavar="FILE", help="write the table there, too; errors as shares of 0..1")
    top.add_argument(
        "--probabilities",
        metavar="FILE.npy",
        help="write there what the last line of the table scores: a probability for each image and class",
    )
    top.add_argument(
        "--batch-size",
        type=whole(1),
        default=BATCH_SIZE,
        metavar="N",
        help="images, or views, that go through the net at once: a matter of memory and speed alone (default: %(default)s)",
    )
    top.add_argument("--workers", type=whole(0), default=2, metavar="N", help="threads that read images (default: 2)")
    return top


if __name__ == "__main__":
    start(main)
