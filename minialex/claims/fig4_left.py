"""Figure 4, left: test images, what they are, and the five classes that the net finds likeliest, with bars.

The images are not picked: they are the first of the test images in an order drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minialex import plots
from minialex.arrays import Array
from minialex.claims.ablation import results
from minialex.claims.base import SMALL_ALEXNET, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.rows import Row, column, markdown, mean_and_spread
from minialex.evaluation import log_probabilities, score
from minialex.seeds import generator

SHOWN = 8


def run(bench: Bench) -> str:
    """The errors of every seed's net; the picture is the first one's."""
    data = bench.source.dataset
    for seed in bench.seeds:
        learned = bench.learn(sized(bench, SMALL_ALEXNET), seed)
        logs = log_probabilities(learned.net, data.test.images, learned.view)
        scores = score(logs, data.test.labels)
        chosen = generator(seed, "shown test images").permutation(len(data.test))[:SHOWN]
        above = (logs > np.take_along_axis(logs, data.test.labels[:, None], axis=1)).sum(axis=1)[chosen]
        bench.row(
            variant="small AlexNet", seed=seed, images=learned.images, top1_error=scores.top1_error,
            top5_error=scores.top5_error, shown=SHOWN, shown_first=int((above == 0).sum()), shown_five=int((above < 5).sum()),
        )  # fmt: skip
        if seed == bench.seeds[0]:
            pictures = list(for_the_eye(data.name, data.test.images[np.sort(chosen)]))
            labels = [int(label) for label in data.test.labels[np.sort(chosen)]]
            bench.figure(plots.predictions(pictures, np.exp(logs[np.sort(chosen)]), data.classes, labels), "fig4-left")
    return conclude(results(bench.folder))


def for_the_eye(name: str, images: Array) -> Array:
    """Stored images (n, C, H, W) as 0..255; a digit's ink, 0..16, as dark on white."""
    return images if not name.endswith("digits") else 255 - images.astype(np.float64) * (255 / 16)


def conclude(rows: Sequence[Row]) -> str:
    """What the five likeliest classes are worth."""
    first, five = (mean_and_spread(column(rows, name).values()) for name in ("top1_error", "top5_error"))
    return f"The right class is not the likeliest for {first} of all test images, and not among the five likeliest for {five}."


def report(rows: Sequence[Row]) -> str:
    """Top-1 and top-5 error."""
    first, five = (mean_and_spread(column(rows, name).values()) for name in ("top1_error", "top5_error"))
    return markdown(["", "top-1 error", "top-5 error", "seeds"], [["small AlexNet, one view", first, five, len(rows)]])


CLAIM = Claim(
    name="fig4-left",
    says="Most of a net's five likeliest classes make sense, also where the first is wrong (section 6.1, figure 4 left).",
    paper="eight test images with their five likeliest classes; 37.5% top-1 and 17.0% top-5 error, of 1000 classes",
    cost="seconds, where the nets of the other claims are there; else about 10 min on two cores",
    run=run,
    report=report,
)
