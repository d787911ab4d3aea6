"""What goes on inside a run's net: `python scripts/look_inside.py --help`.

A thin layer over minialex.inside and minialex.plots: it opens the run, reads the pictures, and says what it draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minialex.arrays import Array
from minialex.console import Parser, Refused, complain, one_of, whole
from minialex.data.errors import BadPicture, printable
from minialex.data.query import read_query
from minialex.evaluation import BATCH_SIZE, softmax
from minialex.frame import answer, start
from minialex.inside import exchanges, occlusion, outputs, pixel_gradient, units
from minialex.net import Net
from minialex.newfile import check_new, numbered, write_new
from minialex.opened import CHECKPOINTS, Opened, open_runs
from minialex.runs.folder import SIZES
from minialex.runs.sizes import Size, read_sizes

SCRIPT = "look_inside.py"
FOLDER = "inside"
SHOWN = 1000  # images for which it is counted how often a unit fires

EXAMPLES = """\
examples:
  python scripts/look_inside.py runs/digits-small-1
      the kernels, how often each unit fires, the sizes of weights and updates; and for the first test image what every
      layer gives, what the towers exchange, and where the net looks
  python scripts/look_inside.py runs/birds-1 garden.jpg robin/*.jpg
      the same for these pictures
"""


class Shown(NamedTuple):
    """What the net is shown. name: for its files. view (C, h, w): as the net takes it. picture: the same for the eye."""

    name: str
    words: str
    view: Array
    picture: Array


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 well, 1 some pictures could not be read, 2 it cannot be done as asked, 130 Ctrl-C."""
    flags = parser().parse_args(arguments)
    return answer(SCRIPT, lambda: look(flags), "there is not enough memory for this net")


def look(flags: argparse.Namespace) -> int:
    """Open, look, draw."""
    if flags.out:
        check_new(flags.out)
    (run,) = open_runs([flags.run], flags.checkpoint, flags.data)
    net = run.net(flags.devices)
    if not all(np.isfinite(w).all() for w in net.state_dict().values()):
        raise Refused(f"{printable(run.name)}: its parameters are no numbers: in its training it had diverged")
    shown, bad = read_all(flags.photos, run) if flags.photos else ([first_test_image(run)], 0)
    if not shown:
        return 2
    sizes = sizes_of(run)
    print(f"run        {printable(run.name)}, {run.weights}: {len(run.classes):,} classes")
    if run.notice:
        print(f"notice     {run.notice}")
    folder = new_folder(flags.out)
    for name, figure in (*of_the_run(run, net, sizes), *(pair for one in shown for pair in of_an_image(run, net, one))):
        save(folder / f"{name}.png", figure)
    print(f"\npictures   {printable(folder)}")
    return 1 if bad else 0


def of_the_run(run: Opened, net: Net, sizes: Sequence[Size]) -> Iterator[tuple[str, Any]]:
    """What is so whatever the image."""
    from minialex import plots  # noqa: PLC0415  matplotlib takes a second

    try:
        yield "kernels", plots.kernels(run.state)
    except ValueError:
        print("kernels    this net has no first convolution")
    test = run.source.dataset.test.images
    images = test[np.arange(min(SHOWN, len(test)))]
    found = units(net, images, run.view)
    for layer in found:
        dead = int(layer.dead.sum())
        print(f"units      {layer.layer:<9} {dead:>5,} of {len(layer.fires):,} fire for none of {len(images):,} test images")
    if found:
        yield "units", plots.busy_units([(one.layer, one.fires) for one in found], len(images))
    if sizes:
        yield "sizes", plots.weight_sizes(sizes, "weights and updates, by layer")
    else:
        print(f"sizes      {SIZES} is not there: the run is older than it, or has not ended an epoch yet")


def sizes_of(run: Opened) -> list[Size]:
    """The rows of the run's sizes.csv."""
    try:
        return read_sizes(Path(run.name) / SIZES)
    except (OSError, ValueError) as error:
        raise Refused(printable(error)) from None


def of_an_image(run: Opened, net: Net, one: Shown) -> Iterator[tuple[str, Any]]:
    """What happens for this image: its activations, what crosses, where the net looks."""
    from minialex import plots  # noqa: PLC0415

    seen = outputs(net, one.view[None])
    p = softmax(net.forward(one.view[None]).astype(np.float64))[0]
    label = int(p.argmax())
    says = f"{plots.short(run.classes[label], 24)}, {p[label]:.1%}"
    print(f"image      {one.words}: the net says {printable(run.classes[label])}, {p[label]:.1%}")
    yield f"{one.name}-activations", plots.activations(seen, one.picture, one.words)
    for crossing in exchanges(net, one.view):
        for t, shares in enumerate(crossing.shares):
            parts = ", ".join(f"{share:.0%} from tower {s}" for s, share in enumerate(shares))
            print(f"exchange   {crossing.reader} in tower {t} hears {parts}")
        if crossing.sent[0].ndim == 3:
            drawn = crossing.sent, crossing.heard, one.picture, crossing.reader, one.words
            yield f"{one.name}-exchange-{crossing.reader}", plots.exchange(*drawn, crossed=crossing.bytes)
    covered, gradient = occlusion(net, one.view, label), pixel_gradient(net, one.view, label)
    yield f"{one.name}-where", plots.where_it_looks(one.picture, covered, gradient, says, one.words)


def read_all(paths: Sequence[str], run: Opened) -> tuple[list[Shown], int]:
    """The pictures that could be read, and how many could not, each of these with a line on stderr."""
    shown, bad, taken = list[Shown](), 0, set[str]()
    for path in paths:
        try:
            query = read_query(path, run.source.dataset)
        except BadPicture as error:
            complain(SCRIPT, str(error), 1)
            bad += 1
            continue
        stem = (
            "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in printable(Path(path).stem))
            or "picture"
        )
        name = next(free for n in range(1, len(paths) + 2) if (free := stem if n == 1 else f"{stem}-{n}").lower() not in taken)
        taken.add(name.lower())
        shown.append(seen_as(name, printable(Path(path).name), query.image, query.picture, run))
    return shown, bad


def first_test_image(run: Opened) -> Shown:
    """The first of the images that the run was tested on."""
    data = run.source.dataset
    image, label = data.test.images[np.arange(1)][0], int(data.test.labels[0])
    picture = image
    if data.name == "digits":
        picture = 255 - image.astype(np.float64) * (255 / 16)
    return seen_as("test-0", f"test image 0, {printable(data.classes[label])}", image, picture, run)


def seen_as(name: str, words: str, image: Array, picture: Array, run: Opened) -> Shown:
    """The image as the net takes it, and the same window of it for the eye."""
    view = run.view(image[None])[0]
    (top, left), (h, w) = run.view.centre, run.view.crop
    window = picture[:, top : top + h, left : left + w] if picture.shape[1:] == image.shape[1:] else picture
    return Shown(name, words, view, window)


def new_folder(asked: str | None) -> Path:
    """A folder that was not there."""
    path = Path(asked) if asked else numbered(FOLDER)
    try:
        path.mkdir()
    except OSError as error:
        raise Refused(f"{printable(path)} cannot be made: {error.strerror or error}") from None
    return path


def save(path: Path, figure: Any) -> None:
    """The figure as a PNG, and a line about it."""
    file = BytesIO()
    figure.savefig(file, format="png", facecolor="white")
    write_new(path, file.getvalue())
    print(f"           {printable(path)}")


def parser() -> Parser:
    """The flags."""
    top = Parser(
        prog="look_inside.py",
        description="Pictures of what a run's net has learned, and of what it does with an image, layer by layer.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("run", metavar="RUN", help="the folder of a run, as train.py left it")
    top.add_argument("photos", nargs="*", metavar="PICTURE", help="JPEG, PNG, GIF, BMP or WebP (default: the first test image)")
    top.add_argument(
        "--out", metavar="FOLDER", help=f"a new folder for the PNGs (default: {FOLDER}, or -2, -3, ... where taken)"
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
