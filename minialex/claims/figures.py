"""The claims' pictures, in the style of plots.py; each from rows of a CSV, so that they can be drawn again from these alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minialex.claims.rows import Row, column, number, variants
from minialex.plots import BLUE, GREEN, GREY, INK, ORANGE

COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", INK)  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PAGE_DPI = 110  # small files: the documents hold many


def errors(results: Sequence[Row], curves: Sequence[Row], title: str, train: bool = False) -> Figure:
    """Left the test error epoch by epoch (with `train`, dashed the training error), each seed a thin line and their mean a
    thick one; right the errors at the end, a mark for each seed and a bar for the mean."""
    figure = Figure(figsize=(9.5, 3.9), dpi=PAGE_DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    names = variants(results)
    for name, colour in zip(names, _colours(names), strict=True):
        mine = [row for row in curves if row["variant"] == name]
        line(left, mine, "test_error", colour, name)
        if train:
            line(left, mine, "train_error", colour, "", linestyle=(0, (4, 2)))
    style(left, "error, % of the pictures", "epoch")
    left.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if train:
        left.plot([], [], color=GREY, label="test")
        left.plot([], [], color=GREY, linestyle=(0, (4, 2)), label="training")
    legend(left)
    at_the_end(right, results, "test_error", names)
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    return figure


def only_the_end(results: Sequence[Row], title: str, pairs: bool = False) -> Figure:
    """The test errors at the end alone; with `pairs`, a thin line joins what belongs to one seed."""
    figure = Figure(figsize=(5.2, 3.9), dpi=PAGE_DPI, layout="constrained")
    axes = figure.subplots()
    names = variants(results)
    if pairs:
        errors = [column(results, "test_error", variant=name) for name in names]
        for k, seed in enumerate(errors[0]):
            shift = 0.09 * (k - (len(errors[0]) - 1) / 2)
            values = [100 * one.get(seed, float("nan")) for one in errors]
            axes.plot([place + shift for place in range(len(names))], values, color=GREY, linewidth=0.8, zorder=0)
    at_the_end(axes, results, "test_error", names)
    figure.suptitle(title, color=INK, fontsize=11, x=0.01, ha="left")
    return figure


def race(results: Sequence[Row], curves: Sequence[Row], target: float) -> Figure:
    """The paper's figure 1: training error by epochs, the first variant a full line, the second dashed, down to the target."""
    figure = Figure(figsize=(7.0, 4.2), dpi=PAGE_DPI, layout="constrained")
    axes = figure.subplots()
    names = variants(results)
    for name, colour, dash in zip(names, _colours(names), ["-", (0, (4, 2))], strict=False):
        mine = [row for row in curves if row["variant"] == name]
        rate = next((row["lr"] for row in results if row["variant"] == name), "")
        line(axes, mine, "train_error", colour, f"{name}, lr {rate}", linestyle=dash)
        reached = [value for value in column(results, "epochs_to_target", variant=name).values() if isfinite(value)]
        if reached:
            mean = fmean(reached)
            axes.plot([mean], [100 * target], marker="o", color=colour, markersize=8, markeredgecolor="white", zorder=3)
            place: dict[str, Any] = {"textcoords": "offset points", "xytext": (4, -14), "fontsize": 9}
            axes.annotate(f"{mean:.1f} epochs", (mean, 100 * target), color=INK, **place)
    axes.axhline(100 * target, color=INK, linestyle=":", linewidth=1)
    axes.set_ylim(bottom=max(0, 100 * target - 12))
    axes.set_xlim(0, 1.12 * axes.get_xlim()[1])  # room for the words at the end
    style(axes, "training error, %", "epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    legend(axes)
    figure.suptitle("figure 1: the four-layer net with ReLUs and with tanh", color=INK, fontsize=12, x=0.01, ha="left")
    return figure


def ensembles(results: Sequence[Row]) -> Figure:
    """The error by the number of nets whose answers are averaged; the single nets as marks."""
    figure = Figure(figsize=(5.2, 3.9), dpi=PAGE_DPI, layout="constrained")
    axes = figure.subplots()
    single = [100 * value for value in column(results, "test_error", variant="one net").values()]
    averages = [(number(row, "nets"), 100 * number(row, "test_error")) for row in results if row["seed"] == "all"]
    axes.plot([1] * len(single), single, "o", color=ORANGE, alpha=0.75, markeredgecolor="white", label="each net alone")
    axes.plot(*zip(*averages, strict=True), marker="s", color=BLUE, linewidth=2, label="mean over all choices of so many nets")
    for nets, error in averages:
        place: dict[str, Any] = {"textcoords": "offset points", "xytext": (6, 5), "fontsize": 9}
        axes.annotate(f"{error:.1f}", (nets, error), color=INK, **place)
    style(axes, "test error, %", "nets whose answers are averaged")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.12, y=0.2)
    legend(axes)
    figure.suptitle("one net, and the average of several", color=INK, fontsize=12, x=0.01, ha="left")
    return figure


def by_bytes(results: Sequence[Row], title: str) -> Figure:
    """Test error against what crosses between the towers in a step; a mark for each seed."""
    figure = Figure(figsize=(6.2, 3.9), dpi=PAGE_DPI, layout="constrained")
    axes = figure.subplots()
    names = variants(results)
    for place, (name, colour) in enumerate(colour_of(names).items()):
        mine = [row for row in results if row["variant"] == name]
        bytes_each = [number(row, "all_bytes") / 1e6 for row in mine]
        values = [100 * number(row, "test_error") for row in mine]
        look: dict[str, Any] = {"color": colour, "markersize": 6, "markeredgecolor": "white", "alpha": 0.8}
        axes.plot(bytes_each, values, MARKERS[place], label=f"conv3 sees {name}", **look)
        axes.plot(bytes_each[:1], [fmean(values)], "_", color=colour, markersize=22, markeredgewidth=2)
    style(axes, "test error, %", "MB between the towers, forward and backward")
    axes.set_xlim(left=0)
    axes.margins(x=0.1, y=0.3)
    legend(axes)
    figure.suptitle(title, color=INK, fontsize=11, x=0.01, ha="left")
    return figure


def line(axes: Axes, rows: Sequence[Row], name: str, colour: str, label: str, **look: Any) -> None:
    """A curve over the epochs for each seed, thin, and their mean, thick, over the epochs that all of them have."""
    by_seed: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        by_seed.setdefault(row["seed"], []).append((number(row, "epoch"), 100 * number(row, name)))
    for points in by_seed.values():
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=0.7, alpha=0.45, **look)
    shortest = min(map(len, by_seed.values()), default=0)
    mean = [
        (points[0][0], fmean(p[1] for p in points)) for points in zip(*(p[:shortest] for p in by_seed.values()), strict=True)
    ]
    if mean:
        axes.plot(*zip(*mean, strict=True), color=colour, linewidth=2, label=label or None, **look)


def at_the_end(axes: Axes, results: Sequence[Row], name: str, names: Sequence[str], scale: float = 100) -> None:
    """A column a variant: each seed's value a mark, the mean a bar with its number. The axis does not begin at 0: marks, no
    columns, so that nothing looks larger than it is."""
    for place, (variant, colour) in enumerate(zip(names, _colours(names), strict=True)):
        values = [scale * value for value in column(results, name, variant=variant).values() if isfinite(value)]
        if not values:
            continue
        mean, n = fmean(values), len(values)
        axes.plot([place - 0.28, place + 0.28], [mean, mean], color=colour, linewidth=2.5)
        offsets = [place + 0.09 * (k - (n - 1) / 2) for k in range(n)]
        marker = MARKERS[place % len(MARKERS)]
        axes.plot(offsets, values, marker, color=colour, markersize=5, alpha=0.75, markeredgecolor="white")
        axes.annotate(f"{mean:.1f}", (place + 0.34, mean), color=INK, fontsize=9, va="center")
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names], fontsize=9, color=INK)
    axes.set_xlim(-0.6, len(names) - 0.25)
    axes.margins(y=0.25)
    style(axes, "test error at the end, %, a mark for each seed", "")


def style(axes: Axes, title: str, below: str) -> None:
    """The style of plots.py: the unit as a title at the left, a light grid, no box."""
    axes.set_title(title, color=INK, fontsize=10, loc="left")
    axes.set_xlabel(below, color=INK, fontsize=10)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def legend(axes: Axes, **place: Any) -> None:
    """No frame, small letters, the house's ink."""
    axes.legend(**{"loc": "upper right", "frameon": False, "fontsize": 9, "labelcolor": INK, **place})


def _colours(names: Sequence[str]) -> list[str]:
    return [COLOURS[n % len(COLOURS)] for n in range(len(names))]


def colour_of(names: Sequence[str]) -> Mapping[str, str]:
    """name -> its colour, in order."""
    return dict(zip(names, _colours(names), strict=True))
