"""Small grey pictures in rows: neighbours of a picture, favourites of a neuron; and all pictures as points in the plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lessons.draw.pages import png
from minialex.arrays import Array
from minialex.plots import BLUE, GREEN, GREY, INK, ORANGE

__all__ = ["clouds", "gallery", "neighbours", "smaller"]

COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C8C8C", "#A6761D", "#6A3D9A")


def gallery(rows: Mapping[str, Sequence[Array]], wrong: Mapping[str, Sequence[bool]] | None = None) -> Figure:
    """Pictures (H, W) in rows, each with its name on the left; those that are `wrong` have an orange frame."""
    columns = max(map(len, rows.values()))
    figure, axes = _sheet(columns, len(rows), left=1.9)
    for r, (name, pictures) in enumerate(rows.items()):
        axes.text(-0.15, r + 0.46, name, ha="right", va="center", fontsize=10, color=INK)
        for c, picture in enumerate(pictures):
            _picture(axes, picture, c, r, bool(wrong and wrong[name][c]))
    return figure


def neighbours(queries: Array, found: Mapping[str, Array], pictures: Array, wrong: Mapping[str, Array]) -> Figure:
    """A row for each query (H, W): itself, and for each way to measure its nearest pictures[found[way][row]].

    wrong[way] (rows, k): True where a neighbour is of another class than the query; it has an orange frame.
    """
    k = next(iter(found.values())).shape[1]
    starts = [1.6 + n * (k + 0.6) for n in range(len(found))]
    figure, axes = _sheet(starts[-1] + k, len(queries), top=0.35)
    axes.text(0.46, -0.12, "asked", ha="center", fontsize=10, color=INK)
    for start, way in zip(starts, found, strict=True):
        axes.text(start, -0.12, f"nearest {way}", fontsize=10, color=INK)
    for r, query in enumerate(queries):
        _picture(axes, query, 0, r, False)
        for start, (way, indices) in zip(starts, found.items(), strict=True):
            for n, index in enumerate(indices[r]):
                _picture(axes, pictures[index], start + n, r, bool(wrong[way][r, n]))
    return figure


def clouds(points: Mapping[str, Array], labels: Array) -> Figure:
    """Points (N, 2) in a plot for each name, every one written as its label, 0..9."""
    figure = Figure(figsize=(4.6 * len(points), 4.4), dpi=80, layout="constrained")
    for axes, (name, where) in zip(figure.subplots(1, len(points), squeeze=False)[0], points.items(), strict=True):
        for label in np.unique(labels):
            mine = where[labels == label]
            axes.scatter(*mine.T, marker=f"${label}$", s=34, linewidths=0.3, color=COLOURS[int(label)])
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=11, color=INK, loc="left")
        for side in axes.spines.values():
            side.set(color=GREY, linewidth=0.8)
    return figure


def _sheet(columns: float, rows: int, left: float = 0.0, top: float = 0.0) -> tuple[Figure, Axes]:
    """Axes in which one unit is one picture; `left` and `top` units are for words."""
    size = 0.62
    width, height = columns + left, rows + top
    figure = Figure(figsize=(size * width + 0.1, size * height + 0.1), dpi=80)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-left - 0.05, columns + 0.05), ylim=(rows + 0.02, -top - 0.05), autoscale_on=False)
    axes.set_axis_off()
    return figure, axes


def _picture(axes: Axes, picture: Array, x: float, y: float, wrong: bool) -> None:
    axes.imshow(picture, extent=(x, x + 0.92, y + 0.92, y), cmap="gray_r", interpolation="nearest", aspect="auto")
    frame: dict[str, Any] = {"edgecolor": ORANGE, "linewidth": 2.4} if wrong else {"edgecolor": "#CFCFCF", "linewidth": 0.7}
    axes.add_patch(Rectangle((x, y), 0.92, 0.92, facecolor="none", **frame))


class smaller:
    """A figure as a picture with fewer pixels: minialex.plots draws for paper, a notebook should stay light."""

    def __init__(self, figure: Figure, dpi: int = 72) -> None:
        self.figure, self.dpi = figure, dpi

    def _repr_png_(self) -> bytes:
        return png(self.figure, self.dpi)

    def __repr__(self) -> str:
        return "a picture"
