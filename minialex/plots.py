"""Every picture that minialex draws, in one style. Each function returns a matplotlib Figure.

The figures never touch pyplot or matplotlib's settings: they can be made on a machine without a screen, in any thread, and
leave a notebook's own plots alone. The colours are those of Okabe and Ito, which colour-blind people can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isfinite, log, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minialex.arrays import Array
from minialex.training import Epoch, Step

BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8C8C8C", "#262626"
BLUE_TINT, ORANGE_TINT = "#A6CDE6", "#F2B27F"  # light enough for text to stand on
GROUND = (0.80, 0.87, 0.95)  # between kernels: neither black, grey nor white
NOTE: dict[str, Any] = {"color": INK, "fontsize": 9, "ha": "right", "va": "bottom"}
DPI = 150


def curves(epochs: Sequence[Epoch], steps: Sequence[Step], classes: int, title: str = "") -> Figure:
    """How learning went. Left the loss, of every step and of every epoch, in training and in the test; right the test errors.

    The dashed line at ln(classes) is the loss of a net that knows nothing; dotted lines are where the learning rate fell.
    """
    figure = Figure(figsize=(10, 4.2), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    places = {step.step: step.progress for step in steps}
    ends = [places.get(e.step, float(e.epoch)) for e in epochs]  # where each epoch ended: the last may have been cut short
    line: dict[str, Any] = {"linewidth": 1.8, "markersize": 4, "marker": "o" if len(epochs) <= 30 else ""}

    nothing = log(classes)
    top = 1.15 * max([nothing, *(e.train_loss for e in epochs), *(step.loss for step in steps[:1])])
    each: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.4, "marker": "o" if len(steps) <= 20 else "", "markersize": 3}
    left.plot(list(places.values()), [step.loss for step in steps], color=BLUE, label="training, each step", **each)
    left.plot(ends, [e.train_loss for e in epochs], color=BLUE, label="training, mean of an epoch", **line)
    left.plot(ends, [e.test_loss for e in epochs], color=ORANGE, label="test, after the epoch", **line)
    left.axhline(nothing, color=INK, linestyle="--", linewidth=1)
    left.text(0.99, nothing / top + 0.01, f"ln({classes}) = {nothing:.3f}: knows nothing", transform=left.transAxes, **NOTE)
    left.set_ylim(0, top)
    _style(left, "loss", "mean cross-entropy, nats")

    for name, errors, colour in (
        ("top-1", [e.top1_error for e in epochs], ORANGE),
        ("top-5", [e.top5_error for e in epochs], GREEN),
    ):
        outcome = f": {errors[-1]:.2%} at the end" if errors else ""
        right.plot(ends, [100 * error for error in errors], color=colour, label=name + outcome, **line)
    right.set_ylim(0, 105 * max([0.05, *(e.top1_error for e in epochs if isfinite(e.top1_error))]))
    _style(right, "test error", "% of the test images")

    falls = [end for end, one, following in zip(ends, epochs, epochs[1:], strict=False) if following.lr < one.lr]
    for axes in (left, right):
        for n, end in enumerate(falls):
            axes.axvline(end, color=GREY, linestyle=":", linewidth=1.2, label="lr lowered" if n == 0 else None, zorder=0)
        axes.set_xlim(0, 1.02 * max([*places.values(), *ends], default=1.0))
    box: dict[str, Any] = {"edgecolor": "none", "framealpha": 0.85, "fontsize": 9, "labelcolor": INK}
    left.legend(loc="upper right", bbox_to_anchor=(1, nothing / top - 0.01), **box)
    fell = len(epochs) > 1 and epochs[-1].top1_error < 0.7 * max(e.top1_error for e in epochs)
    right.legend(loc="upper right" if fell else "center", **box)
    figure.suptitle(title, color=INK, fontsize=12)
    return figure


def kernels(state: Mapping[str, Array], layer: str = "conv1") -> Figure:
    """The kernels that a first layer has learned, a block for each tower, as the paper's figure 3 shows them.

    state: a net's state_dict, with "conv1.0.weight", "conv1.1.weight" (or "conv1.weight"), each (out, in, kH, kW). Kernels
    that read 3 channels are shown as colours, others in grey, channel by channel. All have one scale: middle grey is 0.
    """
    blocks = {name: w for name, w in state.items() if name.split(".")[0] == layer and name.endswith(".weight")}
    if not blocks or any(w.ndim != 4 for w in blocks.values()):
        raise ValueError(f"kernels: the state has no convolution called {layer!r}; it has {', '.join(sorted(state)[:6])}, ...")
    tiles = {name: tile(w) for name, w in sorted(blocks.items())}
    largest = max(float(np.abs(w).max()) for w in blocks.values()) or 1.0
    height = sum(picture.shape[0] / picture.shape[1] for picture in tiles.values())
    figure = Figure(figsize=(7.2, 7.0 * height + 0.42 * len(tiles) + 0.3), dpi=DPI, layout="constrained")
    for axes, (name, picture) in zip(np.atleast_1d(figure.subplots(len(tiles), 1)), tiles.items(), strict=True):
        axes.imshow(np.where(np.isnan(picture), GROUND, 0.5 + picture / (2 * largest)), interpolation="nearest")
        axes.set_axis_off()
        out, channels, kH, kW = blocks[name].shape
        tower = name.split(".")[1:-1]
        where = f"tower {tower[0]}: " if tower else ""
        axes.set_title(f"{where}{out} kernels of {kH} x {kW} x {channels}", color=INK, fontsize=11, loc="left")
    low, high = ("black", "white") if channels != 3 else ("dark", "bright")
    figure.supxlabel(f"{low} is -{largest:.3g}, middle grey 0, {high} {largest:.3g}", color=INK, fontsize=9, x=0.99, ha="right")
    return figure


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
    grid = _Grid(columns, ceil(N / columns), legend=any(label is not None for label in labels), bars=shown)
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


class _Grid:
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


def tile(weight: Array) -> Array:
    """Kernels (out, in, kH, kW) side by side: (H, W, 3) where in is 3, else (H, W, 1) with out x in tiles; nan around them."""
    kernels = np.asarray(weight, np.float64)
    kernels = kernels if kernels.shape[1] == 3 else kernels.reshape(-1, 1, *kernels.shape[2:])
    count, channels, kH, kW = kernels.shape
    columns = min(count, next((c for c in (16, 12, 8) if count % c == 0), ceil(sqrt(2 * count))))
    rows, gap = ceil(count / columns), max(1, kH // 6)
    picture = np.full((gap + rows * (kH + gap), gap + columns * (kW + gap), channels), np.nan)
    for n, kernel in enumerate(kernels):
        top, left = gap + (n // columns) * (kH + gap), gap + (n % columns) * (kW + gap)
        picture[top : top + kH, left : left + kW] = kernel.transpose(1, 2, 0)
    return picture


def _style(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, color=INK, fontsize=12, loc="left")
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel(unit, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
