"""Why a net learns nothing: the loss of the first steps, the rates that its start allows, and what its layers carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from minialex.plots.style import BLUE, BOX, DPI, GREEN, INK, NOTE, ORANGE, frame

COLOURS = (ORANGE, BLUE, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
Profile = Mapping[str, Sequence[float]]  # "active", "spread", "gradient": a number for each layer


def first_steps(
    losses: Mapping[str, Sequence[Sequence[float]]],
    rates: Mapping[str, tuple[float, float]],
    before: Mapping[str, Profile],
    after: Mapping[str, Profile],
    layers: Sequence[str],
    classes: int,
    title: str = "",
) -> Figure:
    """Settings compared, each with its colour: "biases 1, lr 0.01" and so on, the keys of all four mappings.

    losses: the loss of every step, a run for each seed. rates: the rate used, and the largest that the start allows
    (inside.sharpness). before, after: what each of the `layers` carried before the first step and after the last: the share of
    units that are active, the part of the output that the image decides, and the gradient (inside.signals).
    """
    figure = Figure(figsize=(11.5, 8.0), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(2, 6, height_ratios=[1.15, 1.0])
    colours = dict(zip(losses, COLOURS, strict=False))
    _losses(figure.add_subplot(grid[0, :4]), losses, colours, classes)
    _rates(figure.add_subplot(grid[0, 4:]), rates, colours)
    panels = (
        ("active", "units above 0 (share)", False),
        ("spread", "what the image decides (0: nothing)", False),
        ("gradient", "gradient of one image's loss (rms)", True),
    )
    for n, (key, words, logarithmic) in enumerate(panels):
        axes = figure.add_subplot(grid[1, 2 * n : 2 * n + 2])
        for name, colour in colours.items():
            axes.plot(before[name][key], color=colour, linewidth=1.2, linestyle=":")
            values = np.asarray(after[name][key], float)
            known = np.where(values > 0, values, np.nan) if logarithmic else values
            axes.plot(known, color=colour, linewidth=1.9, marker="o", markersize=3)
            if logarithmic and (nothing := np.flatnonzero(values == 0)).size:
                foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": colour, "clip_on": False}
                axes.plot(nothing, np.full(nothing.size, 0.02), "x", markersize=7, markeredgewidth=2, **foot)
                axes.text(nothing[0], 0.05, "none at all", fontsize=8, va="bottom", **foot)
        if logarithmic:
            axes.set_yscale("log")
        else:
            axes.set_ylim(-0.03, 1.03)
        frame(axes, words, "", "")
        axes.title.set_fontsize(10)
        axes.set_xticks(range(len(layers)), layers, rotation=60, fontsize=8)
    key_axes = figure.axes[2]
    key_axes.plot([], [], color=INK, linestyle=":", label="before the first step")
    key_axes.plot([], [], color=INK, marker="o", markersize=3, label="after the last")
    key_axes.legend(loc="lower left", **{**BOX, "fontsize": 8})
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    return figure


def _losses(axes: Axes, losses: Mapping[str, Sequence[Sequence[float]]], colours: Mapping[str, str], classes: int) -> None:
    nothing = log(classes)
    for name, runs in losses.items():
        for n, run in enumerate(runs):
            line: dict[str, Any] = {"color": colours[name], "linewidth": 1.4 if n == 0 else 0.7, "alpha": 1 if n == 0 else 0.5}
            axes.plot(range(1, len(run) + 1), _smooth(run), label=name if n == 0 else None, **line)
    axes.axhline(nothing, color=INK, linestyle="--", linewidth=1)
    words: dict[str, Any] = NOTE | {"va": "top", "bbox": {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}}
    axes.text(
        0.99, 0.93 * nothing, f"ln({classes}) = {nothing:.3f}: knows nothing", transform=axes.get_yaxis_transform(), **words
    )
    axes.set_ylim(0, min(4 * nothing, 1.1 * max(max(_smooth(run)) for runs in losses.values() for run in runs)))
    frame(axes, "loss of the first steps (mean of five)", "nats", "step")
    axes.legend(loc="upper right", **BOX)


def _rates(axes: Axes, rates: Mapping[str, tuple[float, float]], colours: Mapping[str, str]) -> None:
    """For each setting the rate used, a mark, and all those that its start allows, a bar up to the largest."""
    low = 0.4 * min(min(pair) for pair in rates.values())
    for place, (name, (used, largest)) in enumerate(rates.items()):
        axes.barh(place, largest - low, left=low, height=0.45, color=colours[name], alpha=0.35)
        axes.plot([used], [place], marker="D", markersize=8, color=colours[name], markeredgecolor=INK)
        words = f"{name}: lr {used:g}, {'too high: at most' if used > largest else 'at most'} {largest:.2g}"
        axes.text(low * 1.03, place - 0.36, words, fontsize=8, color=INK, va="center")
    axes.set_xscale("log")
    axes.set(ylim=(len(rates) - 0.5, -0.75), yticks=[], xlim=(low, 2.5 * max(max(pair) for pair in rates.values())))
    frame(axes, "rates that the start allows", "", "learning rate; the diamond is the one used")
    axes.xaxis.set_major_locator(LogLocator())
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)


def _smooth(run: Sequence[float], width: int = 5) -> list[float]:
    return [float(np.mean(run[max(0, n - width + 1) : n + 1])) for n in range(len(run))]
