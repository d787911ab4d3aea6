"""Section 6.1's suggestion, built: an autoencoder makes short binary codes of the last hidden layer's vectors.

The paper: to compare vectors of 4096 real numbers is slow; codes could be found faster, and better than with an autoencoder
over pixels, which knows no labels. Measured: of the ten nearest training images, how many are of the test image's class
(precision at 10), by Hamming distance of codes, by Euclidean distance of the vectors, by that of the pixels, and by codes made
with random planes; and the time of one query.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median
from time import perf_counter

import numpy as np

from minialex.arrays import Array
from minialex.claims.ablation import results
from minialex.claims.base import SMALL_ALEXNET, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.rows import Row, column, markdown, mean_and_spread, number, variants
from minialex.inside.activations import features
from minialex.inside.codes import Coder, hamming, precision_at, random_codes
from minialex.plots.codes import retrieval
from minialex.seeds import generator

BITS = (16, 32, 64, 128)
NEAREST, QUERIES, TIMED = 10, 1000, 50
VECTORS, PIXELS = "vectors", "pixels"


def run(bench: Bench) -> str:
    """Every seed's net, its vectors, its codes of every length."""
    data = bench.source.dataset
    train, test = (np.asarray(split.images[np.arange(len(split))]) for split in (data.train, data.test))
    some = np.sort(generator(0, "queries").permutation(len(test))[:QUERIES])
    same = data.test.labels[some][:, None] == data.train.labels[None, :]
    for seed in bench.seeds:
        learned = bench.learn(sized(bench, SMALL_ALEXNET), seed)
        known, asked = (features(learned.net, images, learned.view) for images in (train, test[some]))

        def note(name: str, bits: int, distances: Callable[[slice], Array], size: int) -> None:
            row(bench, name, seed, len(train), bits, size, distances, same)  # noqa: B023  used at once

        note(PIXELS, 0, euclidean(test[some].reshape(len(some), -1), train.reshape(len(train), -1)), train[0].nbytes)
        note(VECTORS, 0, euclidean(asked, known), known[0].nbytes)
        for bits in (16, 32) if bench.quick else BITS:
            coder = Coder(known.shape[1], bits, seed=seed)
            losses = coder.fit(known, epochs=bench.epochs(30, 10))
            bench.say(f"{bits} bits, seed {seed}: {1 - 2 * losses[-1]:.0%} of the vectors' variance comes back")
            note("learned", bits, by_bits(coder.encode(asked), coder.encode(known)), bits // 8)
            rng = [generator(seed, f"{bits} random planes") for _ in range(2)]
            codes = [random_codes(part, known, bits, own) for part, own in zip((asked, known), rng, strict=True)]
            note("random planes", bits, by_bits(*codes), bits // 8)
    rows = results(bench.folder)
    bench.figure(picture(rows), "codes")
    return conclude(rows)


def euclidean(queries: Array, vectors: Array) -> Callable[[slice], Array]:
    """Squared Euclidean distances of some of the queries to all vectors."""
    a, b = (part.astype(np.float32) for part in (queries, vectors))
    lengths = np.square(b).sum(axis=1)
    return lambda part: lengths - 2 * (a[part] @ b.T) + np.square(a[part]).sum(axis=1)[:, None]


def by_bits(queries: Array, codes: Array) -> Callable[[slice], Array]:
    """Hamming distances of some of the queries to all codes."""
    return lambda part: hamming(queries[part], codes)


def row(
    bench: Bench, name: str, seed: int, images: int, bits: int, size: int, distances: Callable[[slice], Array], same: Array
) -> None:
    """Measure and note: precision over all queries, the median time of TIMED single ones."""
    parts = [slice(start, start + 100) for start in range(0, len(same), 100)]
    precision = np.concatenate([precision_at(distances(part), same[part], NEAREST) for part in parts])
    times = []
    for n in range(min(TIMED, len(same))):
        start = perf_counter()
        np.argpartition(distances(slice(n, n + 1)), NEAREST - 1, axis=1)
        times.append(perf_counter() - start)
    bench.row(
        variant=f"{name}, {bits} bits" if bits else name, seed=seed, images=images, queries=len(same), bits=bits,
        bytes=size, precision=float(precision.mean()), microseconds=1e6 * median(times),
    )  # fmt: skip


def picture(rows: Sequence[Row]) -> object:
    """From the rows alone."""

    def points(name: str) -> list[tuple[int, list[float]]]:
        mine = [one for one in variants(rows) if one.startswith(name)]
        return [(int(one.split()[-2]), list(column(rows, "precision", variant=one).values())) for one in mine]

    lines = [
        (words, fmean(column(rows, "precision", variant=name).values()))
        for name, words in ((VECTORS, "the vectors themselves"), (PIXELS, "pixels"))
    ]
    times = []
    for name in (VECTORS, *(one for one in variants(rows) if one.startswith("learned"))):
        mine = [row for row in rows if row["variant"] == name]
        words = name.removeprefix("learned, ")
        times.append((words, fmean(number(row, "microseconds") for row in mine), number(mine[0], "bytes")))
    return retrieval(
        points("learned"),
        points("random planes"),
        lines,
        times,
        f"retrieval among {int(number(rows[0], 'images')):,} training images",
    )


def conclude(rows: Sequence[Row]) -> str:
    """The longest codes against the vectors, and against random planes of the same length."""
    longest = [name for name in variants(rows) if name.startswith("learned")][-1]
    random = longest.replace("learned", "random planes")
    shares = [mean_and_spread(column(rows, "precision", variant=name).values()) for name in (longest, random, VECTORS, PIXELS)]
    times = [fmean(column(rows, "microseconds", variant=name).values()) for name in (VECTORS, longest)]
    sizes = [number(next(row for row in rows if row["variant"] == name), "bytes") for name in (VECTORS, longest)]
    return (
        f"Precision at {NEAREST}: {longest} {shares[0]}, random planes of that length {shares[1]}, the vectors {shares[2]}, "
        f"pixels {shares[3]}. A code is {sizes[0] / sizes[1]:.0f} times smaller than a vector, and a query takes "
        f"{times[1] / times[0]:.0%} of the time."
    )


def report(rows: Sequence[Row]) -> str:
    """A line for each way to compare."""
    lines = []
    for name in variants(rows):
        mine = [row for row in rows if row["variant"] == name]
        time = fmean(number(row, "microseconds") for row in mine)
        lines.append(
            [
                name,
                f"{int(number(mine[0], 'bytes')):,}",
                mean_and_spread(column(rows, "precision", variant=name).values()),
                f"{time:,.0f} µs",
                len(mine),
            ]
        )
    return markdown(["compared by", "bytes an image", f"precision at {NEAREST}", "time of a query", "seeds"], lines)


CLAIM = Claim(
    name="codes",
    says="An autoencoder can make short binary codes of the last hidden layer's vectors, which are compared faster than the "
    "vectors and find better than pixels do (section 6.1).",
    paper="a suggestion, without a number",
    cost="about 2 min, where the nets of the other claims are there; else about 10 min more on two cores",
    run=run,
    report=report,
)
