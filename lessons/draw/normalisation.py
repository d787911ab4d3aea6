"""Pictures of response normalisation: the channels of one pixel before and after, and which checks see which mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from lessons.draw.pages import flipbook
from minialex.arrays import Array
from minialex.layers import LocalResponseNorm
from minialex.plots import BLUE, BLUE_TINT, GREY, INK, ORANGE_TINT

__all__ = ["competition", "seen_by"]


def competition(x: Sequence[float], alphas: Sequence[float], size: int = 5, beta: float = 0.75, k: float = 1.0) -> flipbook:
    """The channels of one pixel as bars, before and after normalisation, with a slider over alpha."""
    values = np.asarray(x, np.float64)
    pixel = values[None, :, None, None]
    figures = [_bars(values, LocalResponseNorm(size, alpha, beta, k).forward(pixel).ravel()) for alpha in alphas]
    return flipbook(figures, [f"alpha = {alpha:g}" for alpha in alphas], start=len(alphas) // 2)


def _bars(x: Array, y: Array) -> Figure:
    figure = Figure(figsize=(6.8, 2.4), dpi=72, layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(x)), x, width=0.8, color="#E3E3E3", edgecolor=GREY, linewidth=0.6, label="x: what the kernels answer")
    axes.bar(range(len(y)), y, width=0.5, color=BLUE, label="y: after normalisation")
    axes.set(xticks=range(len(x)), xlabel="channel", ylim=(0, 1.28 * x.max()))
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.legend(loc="upper right", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def seen_by(errors: Array, rows: Sequence[str], columns: Sequence[str], loose: float = 1e-3, strict: float = 1e-6) -> Figure:
    """How far each wrong gradient (a row) is from the right one in each setting (a column), and which tolerance notices."""
    R, C = errors.shape
    figure = Figure(figsize=(2.9 + 1.05 * C, 0.95 + 0.42 * R), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.5, C - 0.5), ylim=(R - 0.5, -0.5), xticks=range(C), yticks=range(R))
    axes.set_xticklabels(columns, fontsize=10, color=INK)
    axes.set_yticklabels(rows, fontsize=10, color=INK)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    for r in range(R):
        for c in range(C):
            error = float(errors[r, c])
            colour = ORANGE_TINT if error > loose else BLUE_TINT if error > strict else "#F4F4F4"
            axes.add_patch(Rectangle((c - 0.48, r - 0.46), 0.96, 0.92, facecolor=colour, edgecolor="none"))
            axes.text(c, r, f"{error:.0e}".replace("e-0", "e-"), ha="center", va="center", fontsize=10, color=INK)
    key: list[Any] = [
        Patch(color=ORANGE_TINT, label=f"caught by a check that allows {loose:g}"),
        Patch(color=BLUE_TINT, label=f"caught only if it allows {strict:f}"),
        Patch(color="#F4F4F4", label="caught by neither"),
    ]
    figure.legend(handles=key, loc="outside lower center", ncols=3, frameon=False, fontsize=9, labelcolor=INK)
    return figure
