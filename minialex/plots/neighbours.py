"""Images and those most like them, by the net's vectors and by their pixels: the right side of the paper's figure 4, twice."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from minialex.arrays import Array
from minialex.plots.figure4 import short
from minialex.plots.maps import show_picture
from minialex.plots.style import GREY, INK, ORANGE

SIDE = 0.82  # inches of a picture
DPI = 110  # as small as it may be: there are many pictures in it


def neighbours(
    queries: Sequence[Array],
    labels: Sequence[int],
    classes: Sequence[str],
    columns: Sequence[tuple[str, Sequence[Sequence[Array]], Sequence[Sequence[int]]]],
    title: str = "",
) -> Figure:
    """A row for each query: the image (C, H, W), 0..255, and to its right for each of the `columns` its nearest images.

    columns: (heading, the nearest images of each query, their labels). Images of the query's own class have an orange frame.
    """
    wide = [len(pictures[0]) for _, pictures, _ in columns]
    widths = [1.15, *(width for count in wide for width in (0.25, *[1.0] * count))]
    size = SIDE * sum(widths), SIDE * 1.02 * len(queries) + 0.9
    figure = Figure(figsize=size, dpi=DPI)
    low, high = 0.28 / size[1], 1 - 0.62 / size[1]
    grid = figure.add_gridspec(
        len(queries), len(widths), width_ratios=widths, left=0.01, right=0.99, bottom=low, top=high, wspace=0.06, hspace=0.06
    )
    for row, (query, label) in enumerate(zip(queries, labels, strict=True)):
        axes = figure.add_subplot(grid[row, 0])
        _picture(axes, query, GREY, 0.8)
        axes.set_ylabel(short(classes[label], 12), fontsize=8, color=INK, parse_math=False, labelpad=2)
        place = 2
        for _, pictures, known in columns:
            for picture, other in zip(pictures[row], known[row], strict=True):
                same = other == label
                _picture(figure.add_subplot(grid[row, place]), picture, ORANGE if same else GREY, 2.6 if same else 0.6)
                place += 1
            place += 1
    left = 1.15 + 0.25
    for (heading, _, _), count in zip(columns, wide, strict=True):
        where = 0.01 + 0.98 * left / sum(widths)
        figure.text(where, high + 0.06 / size[1], heading, fontsize=9.5, color=INK, ha="left", va="bottom")
        left += count + 0.25
    figure.text(0.01, high + 0.06 / size[1], "query", fontsize=9.5, color=INK, ha="left", va="bottom")
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, y=1 - 0.06 / size[1], ha="left", va="top")
    key = Patch(facecolor="none", edgecolor=ORANGE, linewidth=2, label="of the query's class")
    figure.legend(handles=[key], loc="lower right", frameon=False, fontsize=8.5, labelcolor=INK, borderaxespad=0.1)
    return figure


def _picture(axes: Axes, picture: Array, colour: str, width: float) -> None:
    show_picture(axes, picture)
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=colour, linewidth=width)
