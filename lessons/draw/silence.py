"""Pictures of dropout: the thinned nets, what all masks give together, and learning by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from minialex.arrays import Array
from minialex.plots import BLUE, GREY, INK, ORANGE

__all__ = ["by_heart", "spread", "thinned"]

FAINT = "#E2E2E2"


def thinned(inputs: int, masks: Array, outputs: int) -> Figure:
    """A net of inputs, hidden and output neurons for each row of masks (images, hidden): who is silent, what that cuts."""
    figure = Figure(figsize=(2.7 * len(masks), 2.5), dpi=60, layout="constrained")
    for n, (axes, mask) in enumerate(zip(figure.subplots(1, len(masks), squeeze=False)[0], masks, strict=True)):
        axes.set(xlim=(-0.3, 2.3), ylim=(-0.6, masks.shape[1] - 0.4))
        axes.set_axis_off()
        axes.set_title(f"image {n}", fontsize=10, color=INK)
        columns = [np.ones(inputs, bool), np.asarray(mask, bool), np.ones(outputs, bool)]
        heights = [np.linspace(0, masks.shape[1] - 1, len(alive) + 2)[1:-1] for alive in columns]
        heights[1] = np.arange(masks.shape[1], dtype=float)
        for layer in (0, 1):
            for a, y in zip(columns[layer], heights[layer], strict=True):
                for b, z in zip(columns[layer + 1], heights[layer + 1], strict=True):
                    speaks = bool(a and b)
                    colour, width = (GREY, 0.9) if speaks else (FAINT, 0.5)
                    axes.plot([layer, layer + 1], [y, z], color=colour, linewidth=width, zorder=speaks)
        for layer, (alive, ys) in enumerate(zip(columns, heights, strict=True)):
            for speaks, y in zip(alive, ys, strict=True):
                face, edge = (BLUE, BLUE) if speaks else ("white", FAINT)
                axes.scatter(layer, y, s=170, facecolor=face, edgecolor=edge, linewidth=1.5, zorder=3)
    return figure


def spread(values: Array, chance: Array, mean: float, test: float) -> Figure:
    """What is received under every mask, each with its chance; a line at the mean, another at what the test pass gives."""
    figure = Figure(figsize=(6.4, 2.3), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.hist(values, bins=40, weights=100 * chance, color="#C9DDEE", edgecolor="white")
    axes.axvline(mean, color=BLUE, linewidth=5, alpha=0.5, label=f"mean over all masks: {mean:.3f}")
    axes.axvline(test, color=ORANGE, linewidth=1.8, label=f"the test pass: {test:.3f}")
    axes.set(xlabel="what the neuron above receives", ylabel="chance, %")
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    _quiet(axes)
    return figure


def by_heart(epochs: Sequence[int], runs: Mapping[str, Sequence[tuple[Array, Array]]], wrong: float) -> Figure:
    """For each kind of net its runs' errors (in training, in the test), by epoch; a line where the wrong labels are."""
    figure = Figure(figsize=(9, 3.2), dpi=80, layout="constrained")
    colours = dict(zip(runs, (ORANGE, BLUE), strict=False))
    titles = "error on the 400 it learns from", "error on digits it has not seen"
    for part, (axes, title) in enumerate(zip(figure.subplots(1, 2, sharey=True), titles, strict=True)):
        for name, curves in runs.items():
            for n, curve in enumerate(curves):
                axes.plot(epochs, 100 * curve[part], color=colours[name], linewidth=1.6, label=name if n == 0 else None)
        axes.set_title(title, fontsize=11, color=INK, loc="left")
        axes.set(xlabel="epoch", ylim=(0, None))
        _quiet(axes)
        if part == 0:
            axes.axhline(100 * wrong, color=INK, linestyle="--", linewidth=1)
            says: dict[str, Any] = {"fontsize": 9, "color": INK, "ha": "right", "va": "bottom"}
            axes.text(epochs[-1], 100 * wrong + 0.7, f"{wrong:.0%} of the labels are wrong", **says)
            axes.set_ylabel("%")
        else:
            axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def _quiet(axes: Any) -> None:
    axes.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
