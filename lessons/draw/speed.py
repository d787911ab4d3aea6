"""Pictures for speed: the roofline, where a patch lies in memory, and Winograd's four multiplications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from minialex.arrays import Array
from minialex.plots import BLUE, BLUE_TINT, GREY, INK, ORANGE, ORANGE_TINT

__all__ = ["memory_strips", "roofline", "winograd"]


def roofline(peak: float, bandwidth: float, points: Mapping[str, tuple[float, float]]) -> Figure:
    """What a core can reach (peak operations and bytes a second), and what layers do reach.

    points: for each name (operations for each byte that must at least be moved, operations a second).
    """
    figure = Figure(figsize=(7.6, 4.4), dpi=80, layout="constrained")
    axes = figure.subplots()
    ridge = peak / bandwidth
    left = min(0.06, 0.6 * min(intensity for intensity, _ in points.values()))
    right = max(4 * ridge, 2.5 * max(intensity for intensity, _ in points.values()))
    axes.loglog([left, ridge, right], [left * bandwidth / 1e9, peak / 1e9, peak / 1e9], color=INK, linewidth=1.8)
    axes.axvline(ridge, color=GREY, linewidth=0.8, linestyle=":")
    axes.text(1.15 * ridge, peak / 1e9 * 1.15, "as fast as it can multiply", fontsize=9, color=INK, va="bottom")
    for intensity, rate in points.values():
        roof = min(peak, intensity * bandwidth)
        axes.plot([intensity, intensity], [rate / 1e9, roof / 1e9], color=ORANGE_TINT, linewidth=1.2, zorder=1)
        axes.plot(intensity, rate / 1e9, "o", color=ORANGE, markersize=7)
    lowest = min(rate for _, rate in points.values()) / 1e9
    for name, (intensity, rate) in points.items():
        crowded = any(1 < other / intensity < 2.5 and 0.5 < r / rate < 2 for other, r in points.values())
        side: dict[str, Any] = {"ha": "right" if crowded else "left", "xytext": (-7 if crowded else 7, -4)}
        axes.annotate(name, (intensity, rate / 1e9), fontsize=9, color=INK, textcoords="offset points", va="top", **side)
    axes.set_xlim(left, right * 3)
    axes.set_ylim(min(lowest, left * bandwidth / 1e9) / 2.5, 3 * peak / 1e9)
    axes.set_xlabel("operations for each byte that must be moved", color=INK)
    axes.set_ylabel("thousand million operations a second", color=INK)
    axes.set_title("the roof of one core, and what its layers reach", loc="left", fontsize=11, color=INK)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    figure.draw_without_rendering()  # so that the slope's angle on the paper is known
    (x0, y0), (x1, y1) = axes.transData.transform([(left, left * bandwidth / 1e9), (ridge, peak / 1e9)])
    along: dict[str, Any] = {"rotation": np.degrees(np.arctan2(y1 - y0, x1 - x0)), "rotation_mode": "anchor", "va": "bottom"}
    shown: dict[str, Any] = {"xytext": (4, 5), "textcoords": "offset points", "fontsize": 9, "color": INK}
    axes.annotate("as fast as numbers arrive", (left, left * bandwidth / 1e9), **shown, **along)
    return figure


def memory_strips(places: Mapping[str, tuple[int, Array]]) -> Figure:
    """Memory as a strip, address after address, for each name (how long, the addresses that are wanted)."""
    figure = Figure(figsize=(9.6, 0.85 * len(places) + 0.2), dpi=80, layout="constrained")
    for axes, (name, (length, wanted)) in zip(np.atleast_1d(figure.subplots(len(places), 1)), places.items(), strict=True):
        hit = np.zeros(length)
        hit[np.asarray(wanted).ravel()] = 1
        for at in range(length):
            colour = ORANGE if hit[at] else "#ECECEC"
            axes.add_patch(Rectangle((at, 0), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.3))
        axes.set(xlim=(0, length), ylim=(0, 1))
        axes.set_axis_off()
        axes.set_title(name, loc="left", fontsize=10, color=INK)
    return figure


def winograd() -> Figure:
    """Two outputs of a filter of three taps: six multiplications, and Winograd's four. Minus is orange and dashed."""
    figure = Figure(figsize=(10.4, 3.7), dpi=80, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    direct = [(0, "g0"), (1, "g1"), (2, "g2"), (1, "g0"), (2, "g1"), (3, "g2")]
    spread = np.linspace(0.1, 4.9, 6)
    _chain(
        left,
        "direct: 6 multiplications",
        [(x, [(d, 1)], g) for x, (d, g) in zip(spread, direct, strict=True)],
        [[(n, 1) for n in range(3)], [(n, 1) for n in range(3, 6)]],
    )
    taps = ("g0", "(g0 + g1 + g2) / 2", "(g0 − g1 + g2) / 2", "g2")
    sums: list[list[tuple[int, int]]] = [[(0, 1), (2, -1)], [(1, 1), (2, 1)], [(2, 1), (1, -1)], [(1, 1), (3, -1)]]
    _chain(
        right,
        "Winograd: 4 multiplications",
        [(x, s, g) for x, s, g in zip((-0.4, 1.3, 3.7, 6.1), sums, taps, strict=True)],
        [[(0, 1), (1, 1), (2, 1)], [(1, 1), (2, -1), (3, -1)]],
    )
    return figure


def _chain(
    axes: Axes,
    title: str,
    products: Sequence[tuple[float, Sequence[tuple[int, int]], str]],
    outputs: Sequence[Sequence[tuple[int, int]]],
) -> None:
    """d0..d3 above, the products in the middle, y0 and y1 below; a line for each term of a sum."""
    wide = products[-1][0] - products[0][0]
    inputs = [products[0][0] + wide * n / 3 for n in range(4)]
    ends = [products[0][0] + wide * share for share in (0.25, 0.75)]
    for x, terms, _ in products:
        for d, sign in terms:
            _line(axes, inputs[d], 3.0, x, 1.75, sign)
    for y, terms in zip(ends, outputs, strict=True):
        for n, sign in terms:
            _line(axes, products[n][0], 1.5, y, 0.1, sign)
    for n, x in enumerate(inputs):
        _box(axes, x, 3.15, f"d{n}", BLUE_TINT)
    for n, x in enumerate(ends):
        _box(axes, x, -0.05, f"y{n}", "#DDDDDD")
    for x, _, g in products:
        axes.add_patch(Circle((x, 1.62), 0.2, facecolor="white", edgecolor=INK, linewidth=1.4, zorder=3))
        axes.text(x, 1.61, "×", ha="center", va="center", fontsize=14, color=INK, zorder=4)
        short = g.replace(" / 2", "\n/ 2")
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(x + 0.26, 1.62, short, ha="left", va="center", fontsize=8, color=INK, zorder=4, bbox=box)
    axes.set(xlim=(inputs[0] - 0.35, inputs[-1] + 0.7), ylim=(-0.4, 3.5), aspect="equal")
    axes.set_axis_off()
    axes.set_title(title, loc="left", fontsize=11, color=INK)


def _box(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    axes.add_patch(Rectangle((x - 0.26, y - 0.2), 0.52, 0.4, facecolor=colour, edgecolor=GREY, linewidth=0.8, zorder=3))
    axes.text(x, y - 0.01, text, ha="center", va="center", fontsize=10, color=INK, zorder=4)


def _line(axes: Axes, x0: float, y0: float, x1: float, y1: float, sign: int) -> None:
    style: dict[str, Any] = {"color": BLUE} if sign > 0 else {"color": ORANGE, "linestyle": "--"}
    axes.plot([x0, x1], [y0, y1], linewidth=1.4, zorder=2, **style)
