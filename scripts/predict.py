"""What does a run see in your pictures? `python scripts/predict.py --help`."""

from __future__ import annotations

import argparse
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minialex.arrays import Array
from minialex.console import Parser, Refused, complain, one_of, whole
from minialex.data.errors import BadPicture, printable
from minialex.data.query import Query, read_query
from minialex.evaluation import BATCH_SIZE, predict
from minialex.frame import answer, start
from minialex.newfile import check_new, numbered, write_new
from minialex.opened import CHECKPOINTS, Opened, open_runs

SCRIPT, PICTURE = "predict.py", "predictions.png"
DRAWN = 40  # pictures in the PNG, at most
NAME = 28  # letters of a class's name in the terminal, at most
EIGHTHS = "▏▎▍▌▋▊▉█"

EXAMPLES = """\
examples:
  python scripts/predict.py runs/birds-1 garden.jpg robin/*.jpg
      the five likeliest classes of each, here and in predictions.png. A picture whose folder has the name of a class is
      taken to be of that class
  python scripts/predict.py runs/digits-small-1 seven.png
      a digit that you have drawn or photographed: dark on light or light on dark
"""


class Asked(NamedTuple):
    """A picture that could be read, and its class, where its folder's name says it."""

    path: str
    query: Query
    label: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 well, 1 some pictures could not be read, 2 it cannot be done as asked, 130 Ctrl-C."""
    flags = parser().parse_args(arguments)
    return answer(SCRIPT, lambda: show_all(flags), "there is not enough memory for this net")


def show_all(flags: argparse.Namespace) -> int:
    """Read, predict, print, draw."""
    if not flags.photos:
        raise Refused("which pictures? Name at least one after the run; see --help")
    if flags.out:
        check_new(flags.out)
    (run,) = open_runs([flags.run], flags.checkpoint, flags.data, pictures=False)
    net = run.net(flags.devices)
    asked, bad = read_all(flags.photos, run)
    if not asked:
        return 2
    prepare, in_words = run.views(flags.views)
    print(f"run        {printable(run.name)}, {run.weights}: {len(run.classes):,} classes")
    print(f"views      {in_words}")
    if run.notice:
        print(f"notice     {run.notice}")
    probabilities = predict(net, np.stack([one.query.image for one in asked]), prepare, flags.batch_size)
    if not np.isfinite(probabilities).all():
        raise Refused(f"{printable(run.name)}: what its net answers are no numbers: in its training it had diverged")
    for one, p in zip(asked, probabilities, strict=True):
        show(one, p, run.classes, flags.top)
    summary(asked, probabilities, flags.top)
    draw(asked, probabilities, run.classes, flags)
    return 1 if bad else 0


def read_all(paths: Sequence[str], run: Opened) -> tuple[list[Asked], int]:
    """The pictures that could be read, and how many could not, each of these with a line on stderr."""
    by_folder = {unicodedata.normalize("NFC", name): label for label, name in enumerate(run.classes)}
    by_folder |= {key: label for label, key in enumerate(run.keys)}
    asked, bad = list[Asked](), 0
    for path in paths:
        try:
            query = read_query(path, run.source.dataset)
        except BadPicture as error:
            complain(SCRIPT, str(error), 1)
            bad += 1
            continue
        folder = unicodedata.normalize("NFC", Path(path).absolute().parent.name)
        asked.append(Asked(path, query, by_folder.get(folder)))
    return asked, bad


def show(one: Asked, p: Array, classes: Sequence[str], top: int) -> None:
    """A picture's likeliest classes, a line each."""
    print(f"\n{printable(one.path)}  ({one.query.done})")
    order = np.argsort(-p, kind="stable")[:top]
    names = [short(classes[c]) for c in order]
    width = max(len(name) for name in names)
    room = max(10, min(60, shutil.get_terminal_size().columns - width - 22))
    for c, name in zip(order, names, strict=True):
        mark = "" if one.label is None else "  right" if c == one.label else "       "
        print(f"  {name:<{width}}{mark}  {p[c]:6.1%}  {bar(float(p[c]), room)}".rstrip())
    if one.label is not None and one.label not in order:
        above = int((p > p[one.label]).sum())
        print(f"  its folder says {short(classes[one.label])}, which is number {above + 1} with {p[one.label]:.1%}")


def summary(asked: Sequence[Asked], probabilities: Array, top: int) -> None:
    """How many of the pictures of a known class are right, where there are several."""
    places = [int((p > p[one.label]).sum()) for one, p in zip(asked, probabilities, strict=True) if one.label is not None]
    if len(places) > 1:
        first, among = (sum(place < k for place in places) for k in (1, top))
        also = f", {among} among the first {top}" if 1 < top < probabilities.shape[1] else ""
        print(f"\nof {len(places)} whose folders say the class, {first} have it first{also}")


def draw(asked: Sequence[Asked], probabilities: Array, classes: Sequence[str], flags: argparse.Namespace) -> None:
    """The PNG."""
    from minialex import plots  # noqa: PLC0415  matplotlib takes a second

    file, drawn = BytesIO(), asked[:DRAWN]
    figure = plots.predictions(
        [one.query.picture for one in drawn],
        probabilities[:DRAWN],
        classes,
        [one.label for one in drawn],
        [printable(Path(one.path).name) for one in drawn],
        flags.top,
    )
    figure.savefig(file, format="png", facecolor="white")
    path = flags.out or numbered(PICTURE)
    write_new(path, file.getvalue())
    some = f" (the first {DRAWN} of {len(asked)})" if len(asked) > DRAWN else ""
    print(f"\npicture    {printable(path)}{some}")


def bar(share: float, room: int, encoding: str | None = None) -> str:
    """A bar, `room` letters long for a share of 1, in eighths of a letter; in # where stdout cannot have such letters."""
    eighths = round(8 * room * share)
    blocks = EIGHTHS[-1] * (eighths // 8) + (EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")
    try:
        blocks.encode(encoding or sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * round(eighths / 8)
    return blocks


def short(name: str) -> str:
    """A class's name, printable, cut where it is too long for a line."""
    name = printable(name)
    return name if len(name) <= NAME else f"{name[: NAME - 3].rstrip()}..."


def parser() -> Parser:
    """The flags."""
    top = Parser(
        prog="predict.py",
        description="The likeliest classes of your pictures, as on the left of the paper's figure 4.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("run", metavar="RUN", help="the folder of a run, as train.py left it")
    top.add_argument("photos", nargs="*", metavar="PICTURE", help="JPEG, PNG, GIF, BMP or WebP")
    top.add_argument("--top", type=whole(1), default=5, metavar="K", help="how many classes of each (default: 5)")
    top.add_argument(
        "--views",
        type=int,
        choices=(1, 10),
        default=10,
        help="1: the centre of each picture. 10: its corners and centre, and their mirror images, averaged (default: 10)",
    )
    top.add_argument(
        "--out", metavar="FILE.png", help=f"where to draw them (default: {PICTURE}, or -2, -3, ... where that is there already)"
    )
    top.add_argument("--devices", default="auto", metavar="WHERE", help="as for train.py (default: auto)")
    top.add_argument(
        "--checkpoint",
        type=one_of(CHECKPOINTS),
        metavar="NAME",
        help="last, or best: the one with the lowest validation error (default: last)",
    )
    top.add_argument("--data", metavar="NAME|FOLDER", help="where the data are, if not where they were in training")
    top.add_argument("--batch-size", type=whole(1), default=BATCH_SIZE, metavar="N", help=argparse.SUPPRESS)
    return top


if __name__ == "__main__":
    start(main)
