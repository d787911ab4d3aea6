"""How often each unit fires, layer by layer: a line for each ReLU, from the laziest unit to the busiest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from minialex.arrays import Array
from minialex.plots.style import BOX, DPI, INK, TOWERS, frame


def busy_units(layers: Sequence[tuple[str, Array]], images: int, title: str = "") -> Figure:
    """layers: ("relu1.0", the share of the images for which each of its units fires), as inside.units gives them.

    A plot for each layer, a line for each tower; at the very left the dead ones, which fire for none of the `images`.
    """
    names = list(dict.fromkeys(name.split(".")[0] for name, _ in layers))
    if not names:
        raise ValueError("busy_units: the net has no ReLU whose units could be dead")
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(2.9 * columns + 0.4, 2.5 * rows + 0.7), dpi=DPI, layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    for axes, layer in zip(grid, names, strict=False):
        towers = [(name, fires) for name, fires in layers if name.split(".")[0] == layer]
        for name, fires in towers:
            tower = int(name.split(".")[1]) if "." in name else 0
            dead = int((fires == 0).sum())
            where = f"tower {tower}" if len(towers) > 1 else "all units"
            along = np.linspace(0, 1, len(fires)) if len(fires) > 1 else np.zeros(1)
            words = f"{where}: {dead} of {len(fires)} dead"
            axes.plot(
                along,
                np.sort(fires),
                color=TOWERS[tower % 3],
                linewidth=1.8,
                linestyle="-" if tower == 0 else "--",
                label=words,
            )
        frame(axes, layer, "", "")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.04, 1.04))
        axes.set_xticks([0, 1], ["laziest", "busiest"])
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(loc="best", **{**BOX, "fontsize": 7.5})
    figure.supylabel("share of the images", color=INK, fontsize=10)
    figure.suptitle(
        f"{title}{title and ': '}for how many of {images:,} images each unit fires", color=INK, fontsize=12, x=0.01, ha="left"
    )
    return figure
