"""Figure 4, right: the six training images whose vectors in the last hidden layer are nearest to a test image's.

Beside them stand the six nearest by their pixels, which is what the paper says they are not like. The pictures show the first
test image of each of five classes; the numbers are over QUERIES test images: how many of the six are of the query's class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minialex.arrays import Array
from minialex.claims.ablation import results
from minialex.claims.base import SMALL_ALEXNET, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.fig4_left import for_the_eye
from minialex.claims.judge import difference
from minialex.claims.rows import Row, column, markdown, mean_and_spread
from minialex.inside.activations import features
from minialex.inside.neighbours import nearest
from minialex.plots.neighbours import neighbours
from minialex.seeds import generator

TITLE = "test images, and the training images nearest to them"
NEAREST, ROWS, QUERIES = 6, 5, 1000
VECTORS, PIXELS = "last hidden layer", "pixels"


def run(bench: Bench) -> str:
    """Both kinds of neighbours, for every seed's net; the pixels' own are the same for all."""
    data = bench.source.dataset
    train, test = (np.asarray(split.images[np.arange(len(split))]) for split in (data.train, data.test))
    some = np.sort(generator(0, "queries").permutation(len(test))[:QUERIES])
    by_pixels, _ = nearest(test[some], train, NEAREST)
    for seed in bench.seeds:
        learned = bench.learn(sized(bench, SMALL_ALEXNET), seed)
        known, asked = (features(learned.net, images, learned.view) for images in (train, test[some]))
        by_vector, _ = nearest(asked, known, NEAREST)
        for name, found in ((VECTORS, by_vector), (PIXELS, by_pixels)):
            same = data.train.labels[found] == data.test.labels[some][:, None]
            bench.row(variant=name, seed=seed, images=learned.images, queries=len(some), same_class=float(same.mean()))
        if seed == bench.seeds[0]:
            rows = one_of_each(data.test.labels)
            found, _ = nearest(features(learned.net, test[rows], learned.view), known, NEAREST)
            picture(bench, train, test, found, rows)
    return conclude(results(bench.folder))


def one_of_each(labels: Array) -> Array:
    """The first test image of each of the first classes."""
    return np.array([int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)[:ROWS]])


def picture(bench: Bench, train: Array, test: Array, by_vector: Array, rows: Array) -> None:
    """A row for each of these test images."""
    data = bench.source.dataset
    by_pixels, _ = nearest(test[rows], train, NEAREST)
    columns = [
        (
            heading,
            [list(for_the_eye(data.name, train[one])) for one in found],
            [data.train.labels[one].tolist() for one in found],
        )
        for heading, found in ((f"nearest in the {VECTORS}", by_vector), ("nearest by pixels", by_pixels))
    ]
    labels = [int(label) for label in data.test.labels[rows]]
    bench.figure(neighbours(list(for_the_eye(data.name, test[rows])), labels, data.classes, columns, TITLE), "fig4-right")


def conclude(rows: Sequence[Row]) -> str:
    """How many neighbours are of the query's class, and whether the vectors find more."""
    vectors, pixels = (column(rows, "same_class", variant=name) for name in (VECTORS, PIXELS))
    found = difference(pixels, vectors)
    outcome = "nothing is concluded" if not found.seen else f"the {'effect' if found.mean > 0 else 'opposite'} is seen"
    by_vector, by_pixels = (mean_and_spread(values.values()) for values in (vectors, pixels))
    return (
        f"Of the six nearest training images {by_vector} are of the query's class in the last hidden layer, {by_pixels} by "
        f"pixels: {found.interval()}, {outcome}."
    )


def report(rows: Sequence[Row]) -> str:
    """A line for each distance."""
    lines = []
    for name in (VECTORS, PIXELS):
        mine = column(rows, "same_class", variant=name)
        lines.append([name, mean_and_spread(mine.values()), len(mine)])
    return markdown(["nearest by", "of the six, of the query's class", "seeds"], lines)


CLAIM = Claim(
    name="fig4-right",
    says="Images whose vectors in the last hidden layer are near are alike in what they show; by pixels they need not be near "
    "(section 6.1, figure 4 right).",
    paper="five test images, each with its six nearest training images; no number is given",
    cost="under a minute, where the nets of the other claims are there; else about 10 min on two cores",
    run=run,
    report=report,
)
