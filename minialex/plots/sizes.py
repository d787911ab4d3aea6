"""How large weights and updates were in each layer, over training (a run's sizes.csv)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure

from minialex.plots.style import BOX, DPI, INK, TOWERS, frame


class Size(Protocol):
    """A row of sizes.csv: at the end of an epoch, of one parameter ("conv2.0.weight"), mean |w| and mean |v|."""

    @property
    def epoch(self) -> int: ...
    @property
    def parameter(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def update(self) -> float: ...


def weight_sizes(rows: Sequence[Size], title: str = "") -> Figure:
    """A plot for each layer's weights: mean |w| drawn through, mean |v| of the last update dashed, a colour for each tower.

    The scale is logarithmic. Under the layer's name stands the ratio of the two at the end.
    """
    weights = [row for row in rows if row.parameter.endswith(".weight")]
    layers = list(dict.fromkeys(row.parameter.split(".")[0] for row in weights))
    if not layers:
        raise ValueError("weight_sizes: there are no rows of weights; a run writes them at the end of each epoch")
    columns = min(4, len(layers))
    lines = -(-len(layers) // columns)
    figure = Figure(figsize=(2.9 * columns + 0.4, 2.6 * lines + 1.0), dpi=DPI, layout="constrained")
    grid = np.atleast_1d(figure.subplots(lines, columns, sharex=True, sharey=True)).ravel()
    for axes in grid[len(layers) :]:
        axes.set_axis_off()
    for axes, layer in zip(grid, layers, strict=False):
        names = list(dict.fromkeys(row.parameter for row in weights if row.parameter.split(".")[0] == layer))
        ratios = []
        for t, name in enumerate(names):
            mine = [row for row in weights if row.parameter == name]
            epochs = [row.epoch for row in mine]
            style: dict[str, Any] = {
                "color": TOWERS[t % 3],
                "linewidth": 1.7,
                "marker": "o" if len(mine) < 3 else "",
                "markersize": 4,
            }
            axes.plot(epochs, [row.weight for row in mine], **style)
            axes.plot(epochs, [row.update or np.nan for row in mine], linestyle="--", **style)
            ratios.append(f"{mine[-1].update / mine[-1].weight:.1e}" if mine[-1].weight else "-")
        axes.set_yscale("log")
        frame(axes, layer, "")
        axes.tick_params(labelbottom=True)
        axes.set_title(f"|v| / |w| at the end: {', '.join(ratios)}", loc="right", fontsize=7, color=INK)
    two = any(row.parameter.count(".") == 2 for row in weights)
    keys = [
        *((f"tower {t}", TOWERS[t], "-") for t in range(2 if two else 1)),
        ("weights, mean |w|", INK, "-"),
        ("last update, mean |v|", INK, "--"),
    ]
    for name, colour, line in keys[0 if two else 1 :]:
        figure.axes[0].plot([], [], color=colour, linestyle=line, linewidth=1.7, label=name)
    figure.legend(loc="outside lower center", ncols=4, **{**BOX, "framealpha": 0})
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    return figure
