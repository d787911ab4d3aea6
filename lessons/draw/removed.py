"""The picture of an ablation: what each removal changed, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lessons.draw.start import plain_axes
from minialex.arrays import Array
from minialex.plots import BLUE, GREY, INK, ORANGE

__all__ = ["ablations", "seeds_of_one"]

DPI = 78


def ablations(differences: Mapping[str, Array], train: Mapping[str, Array], whole: Array, title: str = "") -> Figure:
    """Left, for each removal, its change of the test error: a dot a seed, mean ± 2 standard errors; right the training errors.

    differences: name -> (S,), without - whole; train: name -> (S,) training errors; whole: (S,) the whole net's. All as shares.
    """
    names, seeds = list(differences), len(whole)
    figure = Figure(figsize=(9.8, 0.42 * len(names) + 1.35), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1), sharey=True)
    for row, name in enumerate(names):
        d = 100 * np.asarray(differences[name])
        mean, error = d.mean(), d.std(ddof=1) / np.sqrt(len(d))
        sure = abs(mean) > 2 * error
        left.plot(
            [mean - 2 * error, mean + 2 * error],
            [row, row],
            color=ORANGE if sure else GREY,
            linewidth=6,
            alpha=0.45,
            solid_capstyle="butt",
        )
        left.plot(d, np.full(len(d), row), "o", color=BLUE, markersize=5)
        left.plot([mean], [row], "|", color=INK, markersize=15, markeredgewidth=2)
        right.plot(100 * np.asarray(train[name]), np.full(len(train[name]), row), "o", color=BLUE, markersize=5)
    left.axvline(0, color=INK, linewidth=1)
    right.axvline(100 * float(np.mean(whole)), color=INK, linewidth=1, linestyle="--")
    left.set_ylim(len(names) - 0.4, -0.6)
    left.set_yticks(range(len(names)), [f"without {name}" for name in names], fontsize=9.5, color=INK)
    right.set_xlim(left=-0.3)
    plain_axes(
        left,
        "points: better without  ←  0  →  worse without",
        "",
        title or f"test error less that of the whole net, {seeds} seeds",
    )
    plain_axes(right, "% wrong (dashed: the whole net)", "", "error on the training images")
    for axes in (left, right):
        axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, labelsize=9.5)
    return figure


def seeds_of_one(errors: Array, one_standard_error: float, title: str = "") -> Figure:
    """The test errors of one net from several seeds, each with the ± that its finite test set alone gives it."""
    figure = Figure(figsize=(7, 1.9), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for row, error in enumerate(errors):
        axes.errorbar([100 * error], [row], xerr=[100 * one_standard_error], fmt="o", color=BLUE, ecolor=GREY, capsize=4)
    axes.set_yticks(range(len(errors)), [f"seed {n}" for n in range(len(errors))], fontsize=9, color=INK)
    axes.set_ylim(len(errors) - 0.4, -0.6)
    axes.set_xlim(0, 130 * max(errors))
    plain_axes(axes, "% of the test images wrong", "", title)
    return figure
