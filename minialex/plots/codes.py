"""How well short codes find, and how fast: precision and time of a query, by what the images are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from minialex.plots.style import BLUE, BOX, DPI, GREEN, GREY, INK, ORANGE, frame


def retrieval(
    learned: Sequence[tuple[int, Sequence[float]]],
    random: Sequence[tuple[int, Sequence[float]]],
    lines: Sequence[tuple[str, float]],
    times: Sequence[tuple[str, float, float]],
    title: str = "",
) -> Figure:
    """learned, random: (bits, the precision at 10 of each seed), of learned codes and of random planes.

    lines: (words, precision) of what they are compared with. times: (what, microseconds for a query, bytes for an image).
    """
    figure = Figure(figsize=(10, 4.0), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    for points, colour, words in ((learned, ORANGE, "learned codes"), (random, BLUE, "random planes")):
        bits = [b for b, _ in points]
        means = [100 * sum(values) / len(values) for _, values in points]
        left.plot(bits, means, color=colour, linewidth=1.9, marker="o", markersize=5, label=words)
        for b, values in points:
            left.plot([b] * len(values), [100 * value for value in values], "o", color=colour, markersize=3, alpha=0.5)
    for (words, precision), colour in zip(lines, (GREEN, GREY), strict=False):
        left.axhline(100 * precision, color=colour, linestyle="--", linewidth=1.4, label=words)
    frame(left, "of the ten nearest, of the query's class", "%", "bits of a code")
    left.set_xscale("log", base=2)
    left.set_xticks([b for b, _ in learned], [str(b) for b, _ in learned])
    left.minorticks_off()
    left.legend(loc="best", **BOX)
    names = [what for what, _, _ in times]
    right.barh(names, [time for _, time, _ in times], color=[ORANGE if "bits" in name else GREEN for name in names], height=0.6)
    look: dict[str, Any] = {"va": "center", "fontsize": 9, "color": INK}
    for row, (_, time, size) in enumerate(times):
        right.text(time, row, f"  {time:,.0f} µs, {size:,.0f} bytes an image", **look)
    frame(right, "time of one query", "", "microseconds")
    right.grid(visible=False)
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.set_xlim(0, 2.1 * max(time for _, time, _ in times))
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    return figure
