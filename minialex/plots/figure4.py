"""Pictures with their likeliest classes below them, as on the left of the paper's figure 4."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minialex.arrays import Array
from minialex.plots.style import BLUE_TINT, DPI, GREY, INK, ORANGE_TINT


def predictions(
    pictures: Sequence[Array],
    probabilities: Array,
    classes: Sequence[str],
    labels: Sequence[int | None] | None = None,
    names: Sequence[str] | None = None,
    top: int = 5,
) -> Figure:
    """Pictures, and below each the classes that a net finds likeliest, as on the left of the paper's figure 4.

    pictures: N of (3, H, W), or (1, H, W) in grey, with values 0..255. probabilities (N, len(classes)): a full bar is 1.
    labels: each picture's right class, or None; it stands below the picture, and has a bar of another colour. names: what
    stands there where the class is not known, such as the file's name.
    """
    N, shown = len(pictures), min(top, len(classes))
    if N == 0 or np.shape(probabilities) != (N, len(classes)):
        raise ValueError(f"predictions: {N} pictures need probabilities ({N}, {len(classes)}), got {np.shape(probabilities)}")
    labels, names = labels or [None] * N, names or [""] * N
    columns = min(N, 4 if N < 9 else 5)
    grid = Grid(columns, ceil(N / columns), legend=any(label is not None for label in labels), bars=shown)
    for n, (picture, p, label, name) in enumerate(zip(pictures, probabilities, labels, names, strict=True)):
        above, below = grid.cell(n)
        image = np.moveaxis(np.asarray(picture), 0, -1)
        # few pixels stay squares; many are smoothed
        above.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if len(image) < 64 else "antialiased")
        known = label is not None
        caption = classes[label] if label is not None else name
        style: dict[str, Any] = {"fontsize": 9.5 if known else 8.5, "fontweight": "bold" if known else "normal"}
        below.set_title(short(caption, 27), color=INK, pad=5, parse_math=False, **style)
        order = np.argsort(-p, kind="stable")[:shown]
        right = [int(c) == label for c in order]
        below.barh(range(shown), p[order], height=0.8, color=[ORANGE_TINT if is_right else BLUE_TINT for is_right in right])
        for y, (c, is_right) in enumerate(zip(order, right, strict=True)):
            text: dict[str, Any] = {"va": "center_baseline", "color": INK, "fontweight": "bold" if is_right else "normal"}
            below.text(0.02, y, short(classes[c], 24), fontsize=8.5, parse_math=False, **text)
            below.text(0.98, y, f"{p[c]:.1%}", fontsize=7.5, ha="right", **text)
    return grid.figure


def short(name: str, longest: int) -> str:
    """A class's first name ("tench, Tinca tinca" has two), at most so many letters, and nothing that is not printable."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name.partition(",")[0].strip() or name)
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


class Grid:
    """Places for pictures with bars below them, measured in inches, so that they are as large however many there are."""

    SIDE, GAP, MARGIN, TITLE, BAR, LEGEND = 2.2, 0.22, 0.15, 0.3, 0.2, 0.3

    def __init__(self, columns: int, rows: int, legend: bool, bars: int) -> None:
        self.columns, self.bars = columns, bars * self.BAR + 0.06
        self.row = self.SIDE + self.TITLE + self.bars + self.GAP
        self.width = 2 * self.MARGIN + columns * self.SIDE + (columns - 1) * self.GAP
        self.height = 2 * self.MARGIN + rows * self.row - self.GAP + (self.LEGEND if legend else 0)
        self.figure = Figure(figsize=(self.width, self.height), dpi=DPI)
        if legend:
            key = self.figure.add_axes((0, 0, 1, (self.MARGIN + self.LEGEND - 0.05) / self.height))
            key.set_axis_off()
            bar = key.barh([0], [0], color=ORANGE_TINT)
            place: dict[str, Any] = {"loc": "center", "frameon": False, "fontsize": 8.5, "labelcolor": INK}
            key.legend([bar], ["the right class"], **place)

    def cell(self, n: int) -> tuple[Axes, Axes]:
        """The axes for picture n, and those for its bars."""
        row, column = divmod(n, self.columns)
        left = self.MARGIN + column * (self.SIDE + self.GAP)
        top = self.height - self.MARGIN - row * self.row
        above = self._axes(left, top - self.SIDE, self.SIDE)
        below = self._axes(left, top - self.SIDE - self.TITLE - self.bars, self.bars)
        above.set(xticks=[], yticks=[])
        below.set(xlim=(0, 1), ylim=(below.bbox.height / DPI / self.BAR - 0.65, -0.65), xticks=[], yticks=[])
        for side in (*above.spines.values(), *below.spines.values()):
            side.set(color=GREY, linewidth=0.8)
        return above, below

    def _axes(self, left: float, bottom: float, height: float) -> Axes:
        return self.figure.add_axes((left / self.width, bottom / self.height, self.SIDE / self.width, height / self.height))
