"""Pictures of pooling: where the windows stand and who wins in each, how often a pixel is seen, what stays of a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle

from minialex.arrays import Array
from minialex.plots import BLUE, GREEN, GREY, INK, ORANGE

__all__ = ["kink", "maps", "winners"]

PURPLE = "#CC79A7"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
Pair = tuple[int, int]


def winners(x: Array, kernel: Pair, stride: Pair, dy: Array | None = None) -> Figure:
    """An image (H, W) with its windows; each window's winner is marked in the window's colour, and so is its output.

    With dy (oH, oW) the picture is read from right to left: each number of dy goes back along its arrow to the winner.
    """
    (H, W), (kH, kW), (sH, sW) = x.shape, kernel, stride
    oH, oW = (H - kH) // sH + 1, (W - kW) // sW + 1
    windows = list(product(range(oH), range(oW)))
    figure = Figure(figsize=(1.0 + 0.62 * (W + oW + 1.6), 0.62 * H + 0.75), dpi=80, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(W, oW))
    values = {(i, j): x[i * sH : i * sH + kH, j * sW : j * sW + kW] for i, j in windows}
    y = np.array([values[place].max() for place in windows]).reshape(oH, oW)
    _cells(left, x, "x")
    _cells(right, y if dy is None else dy, "y" if dy is None else "dy")
    for n, (i, j) in enumerate(windows):
        colour = COLOURS[n % len(COLOURS)]
        inset = 0.09 + 0.05 * (n % len(COLOURS))  # the frames of overlapping windows lie side by side
        box: dict[str, Any] = {"facecolor": "none", "edgecolor": colour, "linewidth": 2.2}
        left.add_patch(Rectangle((j * sW - 0.5 + inset, i * sH - 0.5 + inset), kW - 2 * inset, kH - 2 * inset, **box))
        right.add_patch(Rectangle((j - 0.42, i - 0.42), 0.84, 0.84, **box))
        u, v = np.unravel_index(int(values[i, j].argmax()), (kH, kW))
        h, w = i * sH + int(u), j * sW + int(v)
        if dy is None:
            left.plot(w + 0.16 * (i - (oH - 1) / 2), h + 0.3, "o", markersize=6, color=colour)
        else:
            arrow: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 13, "connectionstyle": "arc3,rad=0.18"}
            ends = (j - 0.42, i), (w + 0.3, h), right.transData, left.transData
            figure.add_artist(ConnectionPatch(*ends, color=colour, linewidth=1.8, **arrow))
    return figure


def _cells(axes: Axes, a: Array, title: str) -> None:
    H, W = a.shape
    axes.set(xlim=(-0.55, W - 0.45), ylim=(H - 0.45, -0.55), xticks=range(W), yticks=range(H), aspect="equal")
    axes.tick_params(length=0, labelsize=8, colors=GREY)
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    for side in axes.spines.values():
        side.set_visible(False)
    for h, w in product(range(H), range(W)):
        axes.add_patch(Rectangle((w - 0.5, h - 0.5), 1, 1, facecolor="white", edgecolor="#D9D9D9", linewidth=0.8))
        axes.text(w, h, f"{a[h, w]:g}", ha="center", va="center", fontsize=12, color=INK)


def maps(rows: Mapping[str, Sequence[Array]]) -> Figure:
    """Maps (H, W) in rows under a name each, all drawn to one size, white where a map is largest; below each its size."""
    columns = max(map(len, rows.values()))
    figure = Figure(figsize=(2.1 * columns, 2.35 * len(rows) + 0.1), dpi=60, layout="constrained")
    for axes_row, (name, pictures) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items(), strict=True):
        for n, axes in enumerate(axes_row):
            axes.set(xticks=[], yticks=[])
            if n >= len(pictures):
                axes.set_axis_off()
                continue
            axes.imshow(pictures[n], cmap="gray", vmin=0, vmax=np.percentile(pictures[n], 99.5), interpolation="nearest")
            axes.set_xlabel(" × ".join(map(str, pictures[n].shape)), fontsize=9, color=INK)
        axes_row[0].set_title(name, fontsize=10, color=INK, loc="left")
    return figure


def kink(at: float = 2.0, step: float = 0.5) -> Figure:
    """y = max(a, at): its kink, the slopes to either side, and what a central difference measures in between."""
    figure = Figure(figsize=(5.2, 2.9), dpi=80, layout="constrained")
    axes = figure.subplots()
    a = np.array([at - 2, at, at + 2])
    axes.plot(a, np.maximum(a, at), color=BLUE, linewidth=2.6)
    ends = np.array([at - step, at + step])
    axes.plot(ends, np.maximum(ends, at), "o-", color=ORANGE, linewidth=1.8, markersize=6)
    says: dict[str, Any] = {"fontsize": 10, "ha": "center"}
    axes.text(at - 1.3, at + 0.12, "slope 0: b wins", color=BLUE, **says)
    axes.text(at + 1.0, at + 1.5, "slope 1: a wins", color=BLUE, **says)
    axes.text(at + 0.75, at - 0.22, "measured across the kink: slope ½", color=ORANGE, **says)
    axes.set(xlabel="a", ylabel=f"max(a, {at:g})", ylim=(at - 0.5, at + 2.1))
    axes.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
