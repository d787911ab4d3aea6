"""The timeline as a picture: a lane for each device; above one whole step, below a closer look at the exchange before conv3.

It is section 4.2's arrangement as it happens: two towers side by side, which meet only where an exchange stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from minialex.trace import HOST, Span

# Okabe and Ito's colours, which colour-blind people can tell apart; waiting is hatched besides.
COLOURS = {
    "forward": "#56B4E9",
    "again": "#BFE1F6",
    "backward": "#E69F00",
    "exchange": "#CC0000",
    "return": "#882255",
    "copy": "#CC0000",
    "update": "#009E73",
    "loader": "#CC79A7",
    "waiting": "#FFFFFF",
}
WORDS = {
    "forward": "forward",
    "backward": "backward",
    "again": "forward once more, for backward",
    "exchange": "exchange: maps go to the other tower",
    "return": "exchange: gradients come back",
    "update": "update",
    "loader": "next batch",
    "waiting": "waiting",
}
INK, GREY = "#262626", "#8C8C8C"
LETTER = 0.0055  # the share of the picture's width that a letter takes: what is too short for its name gets none


def timeline(spans: Sequence[Span], title: str = "") -> Figure:
    """A Figure of the first whole step among the spans. `title` stands above it."""
    spans = first_step(spans)
    lanes = [lane for lane in sorted({span.lane for span in spans}) if lane != HOST]
    figure = Figure(figsize=(13, 1.6 + 1.15 * len(lanes) * 2), dpi=150, layout="constrained")
    whole, close = figure.subplots(2, 1)
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    _draw(whole, spans, lanes, start, end)
    whole.set_title(title or f"one training step, {1e3 * (end - start):,.0f} ms", loc="left", fontsize=11, color=INK, pad=16)
    meeting = [span for span in spans if span.kind == "exchange" and span.lane != HOST and "conv3" in span.stage]
    meeting = meeting or [span for span in spans if span.kind == "exchange" and span.lane != HOST]
    if meeting:
        first, last = min(span.start for span in meeting), max(span.end for span in meeting)
        margin = max(2.5 * (last - first), 0.01 * (end - start))
        low, high = max(start, first - margin), min(end, last + margin)
        _draw(close, spans, lanes, low, high, start)
        close.set_title(f"closer: the {meeting[0].stage}, {1e3 * (last - first):,.1f} ms", loc="left", fontsize=11, color=INK)
        place = (1e3 * ((first + last) / 2 - start), len(lanes) - 0.42)
        whole.annotate(meeting[0].stage, place, (0, 2), textcoords="offset points", ha="center", fontsize=8, color=INK)
        whole.axvspan(1e3 * (low - start), 1e3 * (high - start), color=GREY, alpha=0.25, zorder=0)
    else:
        close.set_visible(False)
    shown = {span.kind for span in spans}
    keys = [_key(kind) for kind in WORDS if kind in shown]
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def first_step(spans: Sequence[Span]) -> list[Span]:
    """The spans up to the end of the first update; all of them where there is none."""
    ends = [span.end for span in spans if span.kind == "update" and span.lane == HOST]
    return [span for span in spans if not ends or span.start < min(ends)]


def _draw(axes: Axes, spans: Sequence[Span], lanes: Sequence[str], low: float, high: float, zero: float | None = None) -> None:
    """The spans between two moments. The lower part of a lane shows stages, the upper part the layers inside them."""
    zero = low if zero is None else zero
    for span in spans:
        if span.lane not in lanes or span.end < low or span.start > high:
            continue
        y = len(lanes) - 1 - lanes.index(span.lane)
        left, right = max(span.start, low), min(span.end, high)
        inner = span.depth > 0
        bottom, height = (y + 0.05, 0.42) if inner else (y - 0.40, 0.42)
        style: dict[str, Any] = {"hatch": "////", "edgecolor": GREY} if span.kind == "waiting" else {"edgecolor": "none"}
        axes.broken_barh(
            [(1e3 * (left - zero), 1e3 * (right - left))], (bottom, height), facecolor=COLOURS[span.kind], linewidth=0, **style
        )
        name = span.name.rsplit(".", 1)[0] if inner and span.kind != "copy" else span.name
        if right - left > LETTER * (len(name) + 1) * (high - low):
            middle = 1e3 * ((left + right) / 2 - zero)
            axes.text(middle, bottom + height / 2, name, ha="center", va="center", fontsize=7, color=INK, clip_on=True)
    axes.set_xlim(1e3 * (low - zero), 1e3 * (high - zero))
    axes.set_ylim(-0.55, len(lanes) - 0.4)
    axes.set_yticks(range(len(lanes)), list(reversed(lanes)))
    axes.set_xlabel("ms", fontsize=9)
    axes.tick_params(labelsize=9, length=0, axis="y")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _key(kind: str) -> Patch:
    hatch = "////" if kind == "waiting" else None
    return Patch(facecolor=COLOURS[kind], edgecolor=GREY if hatch else "none", hatch=hatch, label=WORDS[kind])
