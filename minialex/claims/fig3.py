"""Figure 3: what the first layer's kernels look like, tower by tower, while they learn and at the end.

The paper (section 6.1) sees one tower's kernels turn out largely colour-agnostic and the other's colour-specific, in every run,
whichever way they start. Measured here: the saturation of each tower's kernels (inside/colour.py), before the first step and
after each epoch; and how often the same kernels, dealt to the two towers at random, differ by as much.

With --quick, digits have no colours; they are given ink of one of two colours, and the class is the digit and its ink.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from minialex.arrays import Array
from minialex.claims.base import SMALL_ALEXNET, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.learn import limited
from minialex.claims.rows import Row, markdown, number, read_rows
from minialex.data import Source
from minialex.data.dataset import Dataset, Split
from minialex.inside.colour import NOISE, chance, saturation
from minialex.net import Net
from minialex.plots.colour import film, kernels_by_tower, saturations
from minialex.seeds import generator

# Kernels that begin large stay the noise that they began as. As in the paper, conv1's begin small and its pixels are large: the
# net computes at first what SMALL_ALEXNET does, and its kernels move GENTLE squared times as far for their size.
GENTLE = 4.0
VARIANT = SMALL_ALEXNET.but("kernels", options={"maps": (16, 16, 24, 24, 16)}, epochs=8, scale=64.0 / GENTLE)
INKS = np.array([[1.0, 0.45, 0.1], [0.1, 0.45, 1.0]])  # orange and blue


def run(bench: Bench) -> str:
    """Train from every seed, keep conv1 after each epoch, measure, draw the first seed's film."""
    source = coloured(bench.source) if bench.quick else bench.source
    variant = sized(bench, VARIANT)
    if bench.quick:
        variant = variant.but(variant.name, scale=source.dataset.scale / GENTLE)
    curves, chances = [], []
    for seed in bench.seeds:
        learned = bench.learn(variant, seed, source=source, watch=first_layer, begin=small_kernels)
        moments = [list(one.values()) for one in learned.watched]
        curve = np.array([[saturation(w) for w in towers] for towers in moments])
        curves.append(curve)
        first, second = moments[-1]
        chances.append(chance(first, second, generator(seed, "dealt at random")))
        bench.row(
            variant="small AlexNet", seed=seed, images=len(source.dataset.train), tower0=curve[-1, 0], tower1=curve[-1, 1],
            difference=abs(curve[-1, 0] - curve[-1, 1]), difference_before=abs(curve[0, 0] - curve[0, 1]),
            chance=chances[-1], test_error=learned.test_error,
        )  # fmt: skip
        for epoch, pair in enumerate(curve):
            bench.row("saturation", seed=seed, epoch=epoch, tower0=pair[0], tower1=pair[1])
        bench.say(f"seed {seed}: saturation {curve[-1, 0]:.2f} and {curve[-1, 1]:.2f}; by chance {chances[-1]:.0%}")
        if seed == bench.seeds[0]:
            draw(bench, moments, curve)
    bench.figure(saturations(curves, chances, NOISE, "how colourful the first layer's kernels are"), "fig3-colour")
    return conclude(read_rows(bench.folder / "results.csv"))


def first_layer(net: Net) -> dict[str, Array]:
    """conv1's kernels, tower by tower."""
    return {name: w for name, w in net.state_dict().items() if name.startswith("conv1.") and name.endswith(".weight")}


def small_kernels(net: Net) -> None:
    """conv1's kernels over GENTLE."""
    net.load_state_dict(net.state_dict() | {name: w / np.float32(GENTLE) for name, w in first_layer(net).items()})


def draw(bench: Bench, moments: Sequence[Sequence[Array]], curve: Array) -> None:
    """fig3.gif, the film; fig3.png, its end."""
    every = [kernels_by_tower(moments, at, curve, NOISE, "conv1") for at in range(len(moments))]
    (bench.folder / "fig3.gif").write_bytes(film(every))
    bench.figure(every[-1], "fig3")


def coloured(source: Source) -> Source:
    """Digits in orange or blue ink: (3, 8, 8), the class is the digit, and 10 more for the second ink."""
    data, rng = source.dataset, generator(0, "inks")

    def dyed(split: Split) -> Split:
        which = rng.integers(0, 2, len(split))
        images = np.rint(np.asarray(split.images) * INKS[which][:, :, None, None]).astype(np.uint8)
        return Split(images, split.labels + 10 * which)

    classes = tuple(f"{name} {ink}" for ink in ("orange", "blue") for name in data.classes)
    dyed_data = Dataset("coloured digits", classes, dyed(data.train), dyed(data.test), 0.0, data.scale)
    return limited(replace(source, dataset=dyed_data), None, None)


def conclude(rows: Sequence[Row]) -> str:
    """Whether one tower is more colourful than chance makes it, in every run."""
    gaps, unlikely = [number(row, "difference") for row in rows], sum(number(row, "chance") < 0.05 for row in rows)
    before = fmean(number(row, "difference_before") for row in rows)
    said = (
        f"Of {len(rows)} runs, {unlikely} end with towers that differ in saturation by more than kernels dealt at random would "
        f"(5% level); the difference is {min(gaps):.2f} to {max(gaps):.2f}, before the first step {before:.2f} on average."
    )
    if unlikely == len(rows) and len(rows) > 1:
        return f"{said} The specialisation is seen in every run."
    return f"{said} The paper's specialisation in every run is not seen at this size."


def report(rows: Sequence[Row]) -> str:
    """A line a seed."""
    lines = [
        [
            row["seed"],
            *(f"{number(row, name):.2f}" for name in ("tower0", "tower1", "difference_before", "difference")),
            f"{number(row, 'chance'):.1%}",
            f"{number(row, 'test_error'):.1%}",
        ]
        for row in rows
    ]
    heading = ["seed", "saturation of tower 0", "of tower 1", "difference before", "at the end", "by chance", "test error"]
    return markdown(heading, lines)


CLAIM = Claim(
    name="fig3",
    says="The first layer learns edges and colours, and the towers share them out: one becomes largely colour-agnostic, the "
    "other colour-specific, in every run (section 6.1, figure 3).",
    paper="two blocks of kernels, 48 grey and 48 coloured ones; no number is given",
    cost="about 15 min on two cores",
    run=run,
    report=report,
)
