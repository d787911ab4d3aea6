"""Pictures of the whole net: where its weights, its work and its numbers lie, and what memory a batch takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from lessons.draw.start import COLOURS, plain_axes
from minialex.plots import BLUE, GREEN, GREY, INK, ORANGE

__all__ = ["memory_bars", "through_the_net", "where_it_lies"]

DPI = 78
LAYERS = (ORANGE, BLUE, GREEN)


def where_it_lies(columns: Mapping[str, Mapping[str, float]]) -> Figure:
    """Bars by layer, a panel for each column, {"weights": {"conv1": 34944, ...}, ...}; each bar says its share of the sum."""
    figure = Figure(figsize=(3.5 * len(columns), 3.1), dpi=DPI, layout="constrained")
    for axes, colour, (title, values) in zip(
        np.atleast_1d(figure.subplots(1, len(columns))), LAYERS, columns.items(), strict=False
    ):
        names, total = list(values), sum(values.values())
        shares = [100 * values[name] / total for name in names]
        axes.barh(range(len(names)), shares, color=colour, height=0.72)
        axes.set_yticks(range(len(names)), names, fontsize=9, color=INK)
        axes.set_ylim(len(names) - 0.4, -0.6)
        for n, share in enumerate(shares):
            axes.text(share + 1, n, f"{share:.0f}%" if share >= 1 else f"{share:.1f}%", va="center", fontsize=8.5, color=INK)
        plain_axes(axes, "% of all", "", f"{title}: {total / 1e6:,.1f} million")
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, max(shares) * 1.18)
        axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
        axes.grid(axis="y", visible=False)
    return figure


def memory_bars(
    batches: Sequence[int], parts: Mapping[str, Sequence[float]], everything: Sequence[float], limit: float
) -> Figure:
    """Stacked bars in MB for each batch size; `everything`: what a net would take that keeps all, a dot; a line at `limit`."""
    figure = Figure(figsize=(7.4, 3.5), dpi=DPI, layout="constrained")
    axes, bottom = figure.subplots(), np.zeros(len(batches))
    for colour, (name, values) in zip((GREY, *COLOURS), parts.items(), strict=False):
        axes.bar(range(len(batches)), values, bottom=bottom, color=colour, width=0.6, label=name)
        bottom += np.asarray(values)
    axes.plot(
        range(len(batches)),
        everything,
        "D",
        color=INK,
        markersize=6,
        label="if every layer's output and its gradient were kept",
    )
    axes.axhline(limit, color=INK, linestyle="--", linewidth=1)
    axes.text(-0.4, limit, "one of the paper's cards: 3 GB", fontsize=9, va="bottom", color=INK)
    plain_axes(axes, "images in a batch", "MB, both towers")
    axes.set_xticks(range(len(batches)), [str(n) for n in batches])
    axes.set_ylim(0, 1.15 * max(limit, *everything, *bottom))
    axes.legend(fontsize=8.5, frameon=False, loc="upper left", bbox_to_anchor=(0, 0.93))
    return figure


def through_the_net(curves: Mapping[str, Mapping[str, float]], up: str, title: str = "") -> Figure:
    """A number for each layer, from the first to the last, on a logarithmic scale: a line for each name."""
    figure = Figure(figsize=(8.4, 3.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for n, (name, values) in enumerate(curves.items()):
        axes.semilogy(
            range(len(values)),
            list(values.values()),
            color=COLOURS[n % 4],
            marker=("o", "s", "D")[n % 3],
            markersize=5,
            label=name,
        )
        axes.set_xticks(range(len(values)), list(values), rotation=45, ha="right", fontsize=8.5)
    plain_axes(axes, "", up, title)
    axes.legend(fontsize=9, frameon=False)
    return figure
