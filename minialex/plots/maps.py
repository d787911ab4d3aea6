"""What the layers give for one image: every map, both towers side by side; and what the towers send each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minialex.arrays import Array
from minialex.plots.style import AMOUNT, DPI, INK, SIGNED, TOWERS, plain

MOST = 48  # maps of a tower that are shown
WIDTH = 4.4  # inches for a tower
STRIP = 0.3  # inches for a line of neurons
GAP = 1  # pixels between maps


def activations(outputs: Mapping[str, Array], picture: Array, title: str = "", layers: Sequence[str] | None = None) -> Figure:
    """A row for each layer: tower 0's maps on the left, tower 1's on the right; a full layer's neurons as a strip.

    outputs: what inside.outputs gives, "conv1.0" and so on, of whose batch the first image is shown. picture: the image for the
    eye, (C, H, W), 0..255. layers: which ("relu1", "pool1"); all but dropout and flatten where None. White is 0; each layer has
    one scale for both towers: blue above 0, orange below.
    """
    names = list(dict.fromkeys(name.split(".")[0] for name in outputs))
    skipped = ("flatten", "dropout")
    shown = [name for name in (layers if layers is not None else names) if not name.startswith(skipped)]
    rows = [[array[0] for full, array in outputs.items() if full.split(".")[0] == name] for name in shown]
    if not rows or not all(rows):
        raise ValueError(f"activations: there are the layers {', '.join(names)}, asked for {', '.join(shown)}")
    towers = max(map(len, rows))
    pictures = [[_picture(part) for part in parts] for parts in rows]
    heights = [
        max(STRIP if part.ndim == 1 else _height(p) for part, p in zip(*both, strict=True)) + 0.3
        for both in zip(rows, pictures, strict=True)
    ]
    first = 1.9
    figure = Figure(figsize=(WIDTH * towers + 0.5, first + sum(heights)), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(1 + len(rows), towers, height_ratios=[first, *heights])
    _original(figure.add_subplot(grid[0, :]), picture, title)
    for n, (name, parts, images) in enumerate(zip(shown, rows, pictures, strict=True)):
        largest = max(float(np.abs(part).max()) for part in parts) or 1.0
        signed = any(float(part.min()) < 0 for part in parts)
        scale: dict[str, Any] = {"vmin": -largest if signed else 0.0, "vmax": largest, "cmap": SIGNED if signed else AMOUNT}
        for t, (part, image) in enumerate(zip(parts, images, strict=True)):
            alone = len(parts) == 1
            axes = figure.add_subplot(grid[1 + n, :] if alone else grid[1 + n, t])
            axes.imshow(image, interpolation="nearest", aspect="auto" if part.ndim == 1 else "equal", **scale)
            plain(axes, f"{name}{'' if alone else f', tower {t}'}: {_words(part)}, up to {float(np.abs(part).max()):.3g}", 8.5)
            axes.set_axis_off()
    figure.supxlabel("white is 0, blue above it, orange below; one scale a layer", color=INK, fontsize=9, x=0.99, ha="right")
    return figure


def exchange(
    sent: Sequence[Array], heard: Array, picture: Array, reader: str, title: str = "", count: int = 32, crossed: int = 0
) -> Figure:
    """What the towers send each other before the layer `reader`, and how much of it each makes use of.

    sent[t]: tower t's maps (C, h, w) or neurons; heard[t, s]: the size of what tower t makes of tower s's (inside.exchanges).
    count: maps shown of each tower, the strongest first. crossed: bytes that went between devices for this image.
    """
    towers = len(sent)
    strongest = [part[np.argsort(-_strength(part), kind="stable")[:count]] for part in sent]
    pictures = [_picture(part) for part in strongest]
    height = max(map(_height, pictures))
    figure = Figure(figsize=(WIDTH * towers + 0.5, 1.9 + height + 2.4), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(3, towers, height_ratios=[1.9, height + 0.4, 2.0])
    _original(figure.add_subplot(grid[0, :]), picture, title)
    largest = max(float(part.max()) for part in sent) or 1.0
    for t, (part, some, image) in enumerate(zip(sent, strongest, pictures, strict=True)):
        axes = figure.add_subplot(grid[1, t])
        axes.imshow(image, cmap=AMOUNT, vmin=0, vmax=largest, interpolation="nearest")
        which = f"the strongest {len(some)} of {len(part)}" if len(some) < len(part) else str(len(part))
        plain(axes, f"tower {t} sends {which} {'maps' if part.ndim == 3 else 'neurons'}", 9.5)
        axes.set_axis_off()
    axes = figure.add_subplot(grid[2, :])
    total = np.where(heard.sum(axis=1) > 0, heard.sum(axis=1), 1)
    left = np.zeros(towers)
    for s in range(towers):
        share = heard[:, s] / total
        bars = axes.barh(range(towers), share, left=left, color=TOWERS[s % 3], height=0.6, label=f"from tower {s}")
        for bar, value in zip(bars, share, strict=True):
            place = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2
            axes.text(*place, f"{value:.0%}" if value > 0.04 else "", color="white", ha="center", va="center", fontsize=10)
        left += share
    axes.set_yticks(range(towers), [f"{reader} in tower {t}" for t in range(towers)], color=INK)
    axes.set(xlim=(0, 1), ylim=(towers - 0.5, -0.5), xticks=[])
    words = f"; {crossed:,} bytes crossed for this image" if crossed else ""
    axes.set_title(f"what {reader} hears from each tower (rms, before its bias){words}", loc="left", fontsize=9.5, color=INK)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=towers, frameon=False, fontsize=9, labelcolor=INK)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _original(axes: Axes, picture: Array, title: str) -> None:
    """The image itself, in the middle."""
    show_picture(axes, picture)
    plain(axes, title, 11)


def show_picture(axes: Axes, picture: Array) -> None:
    """(C, H, W) of 0..255, in colour or in grey; few pixels stay squares, many are smoothed."""
    image = np.moveaxis(np.asarray(picture), 0, -1)
    smooth = "nearest" if len(image) < 64 else "antialiased"
    if image.shape[2] == 3:
        image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation=smooth)


def _picture(part: Array) -> Array:
    """Maps (C, h, w) as tiles, neurons (D,) as a strip of several lines; nan between and behind them."""
    if part.ndim == 1:
        lines = max(1, ceil(len(part) / 128))
        strip = np.full(lines * ceil(len(part) / lines), np.nan)
        strip[: len(part)] = part
        return np.repeat(strip.reshape(lines, -1), 2 if lines == 1 else 1, axis=0)
    maps = part[:MOST].astype(np.float64)
    C, h, w = maps.shape
    columns = next((c for c in (16, 12, 8) if C % c == 0), min(C, ceil(sqrt(2 * C))))
    lines = ceil(C / columns)
    canvas = np.full((lines * (h + GAP) - GAP, columns * (w + GAP) - GAP), np.nan)
    for n, one in enumerate(maps):
        top, left = n // columns * (h + GAP), n % columns * (w + GAP)
        canvas[top : top + h, left : left + w] = one
    return canvas


def _height(picture: Array) -> float:
    """Inches, where it is as wide as a tower."""
    return WIDTH * picture.shape[0] / picture.shape[1]


def _words(part: Array) -> str:
    if part.ndim == 1:
        return f"{len(part)} neurons"
    C, h, w = part.shape
    return f"{f'the first {MOST} of ' if C > MOST else ''}{C} maps of {h} x {w}"


def _strength(part: Array) -> Array:
    return np.abs(part.reshape(len(part), -1)).mean(axis=1)
