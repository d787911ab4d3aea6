"""The first layer's kernels while they learn, and how colourful each tower's are: what the paper says of its figure 3."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from minialex.arrays import Array
from minialex.plots.figure3 import tile
from minialex.plots.style import BLUE, BOX, DPI, GROUND, INK, NOTE, ORANGE, TOWERS, frame

FRAME_DPI = 70


def kernels_by_tower(moments: Sequence[Sequence[Array]], at: int, saturation: Array, noise: float, title: str = "") -> Figure:
    """One moment of training: each tower's kernels as colours, and below the saturation of both until then.

    moments[e][t]: the kernels (out, 3, kH, kW) of tower t after epoch e, e = 0 before the first step; all have one scale,
    middle grey is 0. at: which moment. saturation (moments, towers); noise: that of kernels which are noise, a dashed line.
    """
    towers = range(len(moments[0]))
    largest = max(float(np.abs(w).max()) for w in moments[-1]) or 1.0
    tiles = [tile(w, columns=8) for w in moments[at]]
    height = 3.6 * tiles[0].shape[0] / tiles[0].shape[1] + 0.4
    figure = Figure(figsize=(7.6, height + 2.5), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(2, len(tiles), height_ratios=[height, 2.3])
    for t, picture in zip(towers, tiles, strict=True):
        axes = figure.add_subplot(grid[0, t])
        shown = np.clip(0.5 + picture / (2 * largest), 0, 1)
        axes.imshow(np.where(np.isnan(picture), GROUND, shown), interpolation="nearest")
        axes.set_axis_off()
        out, _, kH, kW = moments[at][t].shape
        axes.set_title(f"tower {t}: {out} kernels of {kH} x {kW}", color=TOWERS[t % 3], fontsize=10, loc="left")
    axes = figure.add_subplot(grid[1, :])
    for t in towers:
        axes.plot(range(at + 1), saturation[: at + 1, t], color=TOWERS[t % 3], linewidth=1.9, marker="o", markersize=3)
    _noise(axes, noise)
    axes.set(xlim=(-0.2, max(1, len(moments) - 1) + 0.2), ylim=(0, 1))
    frame(axes, "saturation: 0 sees no colour, 1 nothing but colour", "")
    figure.suptitle(
        f"{title}{', ' if title else ''}{'before the first step' if at == 0 else f'after epoch {at}'}",
        color=INK,
        fontsize=12,
        x=0.01,
        ha="left",
    )
    return figure


def saturations(runs: Sequence[Array], chances: Sequence[float], noise: float, title: str = "") -> Figure:
    """runs: for each seed the saturation (moments, 2) of two towers.

    Left over training, the tower that ends up more colourful in orange, the other in blue; right the difference at the end,
    with how often chance deals one as large.
    """
    figure = Figure(figsize=(9.5, 3.8), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    gaps = []
    for n, run in enumerate(runs):
        order = np.argsort(-run[-1], kind="stable")
        for place, (colour, words) in zip(order, ((ORANGE, "the more colourful tower"), (BLUE, "the other")), strict=False):
            look: dict[str, Any] = {"color": colour, "linewidth": 1.8 if n == 0 else 1.1, "alpha": 1 if n == 0 else 0.6}
            left.plot(range(len(run)), run[:, place], label=words if n == 0 else None, **look)
        gaps.append(float(run[-1].max() - run[-1].min()))
    _noise(left, noise)
    left.set_ylim(0, 1)
    frame(left, "saturation of the kernels, a pair of lines a seed", "")
    left.legend(loc="best", **BOX)
    right.bar(range(len(gaps)), gaps, color=ORANGE, width=0.6)
    for n, (gap, chance) in enumerate(zip(gaps, chances, strict=True)):
        right.annotate(
            f"chance {chance:.0%}" if chance >= 0.01 else "chance < 1%",
            (n, gap),
            ha="center",
            va="bottom",
            fontsize=9,
            color=INK,
        )
    frame(right, "difference at the end", "", "seed")
    right.set_ylim(0, max(0.1, 1.25 * max(gaps)))
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    return figure


def film(figures: Sequence[Figure], seconds: float = 0.5, last: float = 3.0) -> bytes:
    """A GIF of the figures, each shown so long, the last longer, again and again."""
    frames = []
    for figure in figures:
        file = BytesIO()
        figure.savefig(file, format="png", dpi=FRAME_DPI, facecolor="white")
        frames.append(Image.open(file).convert("RGB").quantize(128, dither=Image.Dither.NONE))
    times = [round(1000 * seconds)] * (len(frames) - 1) + [round(1000 * last)]
    out = BytesIO()
    frames[0].save(out, format="GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)
    return out.getvalue()


def _noise(axes: Axes, noise: float) -> None:
    axes.axhline(noise, color=INK, linestyle="--", linewidth=1)
    axes.text(0.99, noise + 0.01, "noise", transform=axes.get_yaxis_transform(), **NOTE)
