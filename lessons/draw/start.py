"""Pictures for the first lessons: digits with what a net says of them, a net's two towers, how a loss fell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minialex import diagram
from minialex.arrays import Array
from minialex.net import Net
from minialex.plots import BLUE, GREEN, GREY, INK, ORANGE

__all__ = ["COLOURS", "guesses", "lines", "pictures", "plain_axes", "towers"]

DPI = 80
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7")


def pictures(
    images: Array, captions: Sequence[Any] = (), *, columns: int = 10, signed: bool = False, size: float = 0.95
) -> Figure:
    """Small grey pictures (N, H, W) or (N, 1, H, W) in rows. signed: blue is below zero, white zero, orange above."""
    images = np.asarray(images)
    images = images[:, 0] if images.ndim == 4 else images
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(size * columns, (size + (0.25 if len(captions) else 0)) * rows), dpi=DPI, layout="constrained")
    top = float(np.abs(images).max()) or 1.0
    ink: dict[str, Any] = {"cmap": "gray_r", "vmin": 0} if not signed else {"cmap": blue_to_orange(), "vmin": -top, "vmax": top}
    for n, axes in enumerate(np.atleast_1d(figure.subplots(rows, columns)).flat):
        axes.set_axis_off()
        if n < len(images):
            axes.imshow(images[n], interpolation="nearest", **ink)
            if n < len(captions):
                axes.set_title(str(captions[n]), color=INK, fontsize=11, pad=3)
    return figure


def guesses(images: Array, probabilities: Array, labels: Array, columns: int = 6) -> Figure:
    """Digits, and beside each how likely a net finds every class; the right one's bar is orange."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.95 * columns, 1.25 * rows), dpi=DPI, layout="constrained")
    grid = np.asarray(figure.subplots(rows, 2 * columns, width_ratios=[1.2, 1] * columns)).reshape(rows, -1)
    for n in range(rows * columns):
        left, right = grid[n // columns, 2 * (n % columns)], grid[n // columns, 2 * (n % columns) + 1]
        left.set_axis_off()
        right.set_axis_off()
        if n < len(images):
            left.imshow(np.asarray(images[n])[0], cmap="gray_r", interpolation="nearest")
            p = probabilities[n]
            right.barh(range(len(p)), p, color=[ORANGE if c == labels[n] else BLUE for c in range(len(p))], height=0.75)
            right.set(xlim=(0, 1), ylim=(len(p) - 0.4, -0.6))
            for c in range(len(p)):
                right.text(-0.08, c, str(c), fontsize=6.5, color=INK, ha="right", va="center")
    return figure


def towers(net: Net, batch_size: int = 128) -> Figure:
    """The net as the paper's figure 2, drawn from the net itself: a column for each tower, an arrow where maps cross."""
    return diagram.draw(net, batch_size)


def lines(
    curves: Mapping[str, Any],
    *,
    x: Sequence[float] | Array | None = None,
    across: str = "step",
    up: str = "",
    title: str = "",
    level: tuple[float, str] | None = None,
    log: str = "",
    size: tuple[float, float] = (7.0, 3.4),
    top: float | None = None,
) -> Figure:
    """Curves by name; `level` is a dashed line with its words; log: "x", "y" or "xy" for logarithmic axes."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for n, (name, values) in enumerate(curves.items()):
        places = np.arange(1, len(values) + 1) if x is None else x
        marker = "o" if len(values) <= 24 else ""
        axes.plot(places, values, color=COLOURS[n % 4], linewidth=1.8, marker=marker, markersize=4, label=name)
    if level is not None:
        axes.axhline(level[0], color=INK, linestyle="--", linewidth=1)
        place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "bottom"}
        axes.text(0.995, level[0], level[1], color=INK, fontsize=9, **place)
    plain_axes(axes, across, up, title)
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, top)
    if len(curves) > 1 or next(iter(curves)):
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def plain_axes(axes: Axes, across: str = "", up: str = "", title: str = "") -> None:
    """The lessons' axes: a light grid, no box."""
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(up, color=INK)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)


def blue_to_orange() -> Any:
    """Negative blue, zero white, positive orange."""
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415  only signed pictures need it

    return LinearSegmentedColormap.from_list("blue to orange", [BLUE, "#FFFFFF", ORANGE])
