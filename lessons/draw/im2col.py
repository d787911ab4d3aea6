"""Pictures of where a kernel may stand, and of what im2col copies: the explorer, its still, and the ruler.

The explorer is one piece of HTML, SVG and JavaScript that asks for nothing from outside, so that it lives in JupyterLab and in
a page of its own alike; where scripts do not run (GitHub, a notebook that is not trusted) the still stays in its place.
"""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from lessons.draw.show import png
from minialex.layers import im2col
from minialex.plots import BLUE_TINT, GREY, INK, ORANGE, ORANGE_TINT

PAGE = Path(__file__).with_name("im2col.html")
CHOICES = {"k": [1, 2, 3, 4], "s": [1, 2, 3], "p": [0, 1, 2], "C": [1, 2]}
IMAGE = np.array([int(digit) for digit in "314159265358979323846264338327271828182845904523536028747135"]).reshape(2, 5, 6)
KERNEL = np.array(
    [
        [[1, 0, -1, 1], [2, 0, -2, 0], [1, 0, -1, 2], [0, -1, 1, 0]],
        [[0, 1, 0, -1], [1, -2, 1, 0], [0, 1, 0, 2], [1, 0, -1, 1]],
    ]
)
BORDER, WEIGHT = "#EDEDED", "#E3F1EC"


__all__ = ["im2col_explorer", "im2col_still", "kernel_places", "readers"]


class im2col_explorer:  # a lesson calls it as it calls the other pictures
    """im2col, to be played with: point at a patch and see its row of the matrix, at a pixel and see its copies.

    kernel 1..4, stride 1..3, padding 0..2 and channels 1..2 are where it starts; the reader may change them. `at` is the place
    (i, j) that it shows first. It shows itself as the last expression of a cell; `html` is what goes into a page.
    """

    def __init__(
        self, kernel: int = 3, stride: int = 1, padding: int = 0, channels: int = 1, at: tuple[int, int] = (1, 2)
    ) -> None:
        for name, value in (("k", kernel), ("s", stride), ("p", padding), ("C", channels)):
            if value not in CHOICES[name]:
                raise ValueError(f"im2col_explorer: {name} must be one of {CHOICES[name]}, got {value}")
        self.figure = im2col_still(kernel, stride, padding, channels, at)
        given: dict[str, Any] = {"x": IMAGE.tolist(), "w": KERNEL.tolist(), "choices": CHOICES, "at": at}
        given |= {"kernel": kernel, "stride": stride, "padding": padding, "channels": channels}
        words = f"im2col: the picture, a kernel of {kernel} x {kernel}, its outputs and the matrix of the patches"
        parts = {"alt": words, "still": base64.b64encode(_few_colours(png(self.figure))).decode(), "data": json.dumps(given)}
        self.html = PAGE.read_text(encoding="utf-8")
        for name, part in parts.items():
            self.html = self.html.replace("{{" + name + "}}", part)

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "the im2col explorer (it needs a notebook or a web page)"


def im2col_still(kernel: int = 3, stride: int = 1, padding: int = 0, channels: int = 1, at: tuple[int, int] = (1, 2)) -> Figure:
    """What the explorer shows, as a picture: the picture and its border, the kernel, the outputs, the matrix; one patch lit."""
    k, s, p, C = kernel, stride, padding, channels
    x, w = IMAGE[:C], KERNEL[:C, :k, :k]
    padded = np.pad(x, ((0, 0), (p, p), (p, p)))
    X = im2col(x[None].astype(float), (k, k), (s, s), (p, p, p, p))[0].astype(int)
    border = im2col(np.ones((1, *x.shape)), (k, k), (s, s), (p, p, p, p))[0] == 0
    oH, oW = X.shape[:2]
    X, border = X.reshape(oH * oW, -1), border.reshape(oH * oW, -1)
    weights = w.transpose(1, 2, 0).ravel()
    i, j = min(at[0], oH - 1), min(at[1], oW - 1)
    row = i * oW + j

    figure = Figure(figsize=(9.6, 4.3 if C == 1 else 5.2), dpi=80)
    axes = figure.add_axes((0.005, 0.005, 0.99, 0.99))
    axes.set_axis_off()
    a, gap = 1.0, 1.3
    for c in range(C):  # left: the picture
        top = c * (padded.shape[1] * a + gap)
        _title(axes, 0, top, ("x" if C == 1 else f"x, channel {c}") + (", padded with zeros" if p else ""))
        for h, v in np.ndindex(padded.shape[1:]):
            lit = i * s <= h < i * s + k and j * s <= v < j * s + k
            real = p <= h < padded.shape[1] - p and p <= v < padded.shape[2] - p
            _cell(axes, v * a, top + h * a, a, a, padded[c, h, v], ORANGE_TINT if lit else "white" if real else BORDER)
        _frame(axes, j * s * a, top + i * s * a, k * a, k * a)
    left = padded.shape[2] * a + gap
    for c in range(C):  # middle: the kernel, and the outputs below
        top = c * (k * a + gap)
        _title(axes, left, top, "w" if C == 1 else f"w, channel {c}")
        for u, v in np.ndindex(k, k):
            _cell(axes, left + v * a, top + u * a, a, a, w[c, u, v], WEIGHT)
    top = C * (k * a + gap)
    _title(axes, left, top, f"y, {oH} × {oW}")
    for n, y in enumerate(X @ weights):
        _cell(axes, left + n % oW * a, top + n // oW * a, a, a, y, ORANGE_TINT if n == row else "white")
    _frame(axes, left + j * a, top + i * a, a, a)
    bottom = max(top + oH * a, C * (padded.shape[1] * a + gap) - gap)
    left += max(oW, k, 3) * a + gap  # right: the matrix
    first, high = 2.1, max(0.25, min(1.0, (max(bottom, 12) - 2.1) / len(X)))
    wide = max(0.3, min(1.1, (27 - left) / (len(weights) + 2)))
    _title(axes, left, 0, "the weights, laid out as (u, v)" if C == 1 else "the weights, laid out as (u, v, c)")
    _title(axes, left, first, f"X, {len(X)} rows × {len(weights)} columns")
    for q, m in enumerate(weights):
        _cell(axes, left + q * wide, 0, wide, 0.8, m, WEIGHT)
    for (n, q), value in np.ndenumerate(X):
        colour = ORANGE_TINT if n == row else BORDER if border[n, q] else "white"
        _cell(axes, left + q * wide, first + n * high, wide, high, value, colour)
    _frame(axes, left, first + row * high, len(weights) * wide, high)
    beside = left + len(weights) * wide + 0.4
    _title(axes, beside, first, "y")
    for n, y in enumerate(X @ weights):
        _cell(axes, beside, first + n * high, 1.1, high, y, ORANGE_TINT if n == row else "white")
    axes.set_xlim(-0.1, beside + 1.3)
    axes.set_ylim(max(bottom, first + len(X) * high) + 0.2, -1.0)
    return figure


def kernel_places(size: int = 11, kernel: int = 3, stride: int = 2, before: int = 0, after: int = 0) -> Figure:
    """One side of a picture as a ruler, and every place that the kernel can take along it; unread pixels are hatched."""
    length, room = before + size + after, before + size + after - kernel
    count = room // stride + 1 if room >= 0 else 0
    figure = Figure(figsize=(8.4, 0.95 + 0.2 * max(count, 1)), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    read = {i * stride + u for i in range(count) for u in range(kernel)}
    for at in range(length):
        real = before <= at < before + size
        axes.add_patch(Rectangle((at, 0), 1, 1, facecolor=BLUE_TINT if real else BORDER, edgecolor="white"))
        if at not in read:
            axes.add_patch(Rectangle((at, 0), 1, 1, facecolor="none", edgecolor=GREY, hatch="////", linewidth=0))
        axes.text(at + 0.5, 0.52, str(at - before) if real else "", ha="center", va="center", fontsize=8, color=INK)
    for i in range(count):
        bar = Rectangle((i * stride + 0.08, 1.3 + 0.8 * i), kernel - 0.16, 0.55, facecolor=ORANGE_TINT, edgecolor=ORANGE)
        axes.add_patch(bar)
        axes.text(i * stride + kernel / 2, 1.56 + 0.8 * i, f"{i}", ha="center", va="center", fontsize=8, color=INK)
    sides = f"{size} + {before} + {after} - {kernel}"
    if count:
        left_over = room - (count - 1) * stride
        words = f"floor(({sides}) / {stride}) + 1 = {count} places" + (f", {left_over} unread at the end" if left_over else "")
    else:
        words = f"{sides} = {room}: the kernel does not fit"
    axes.set_title(words, loc="left", fontsize=11, color=INK)
    axes.set_xlim(-0.1, max(length, kernel) + 0.1)
    axes.set_ylim(1.4 + 0.8 * max(count, 1), -0.1)
    return figure


def readers(numbers: Any, ax: Axes, title: str = "", lit: Any = None) -> None:
    """A map of small whole numbers; the larger (or those where `lit` is 1, if it is given), the bluer."""
    numbers = np.asarray(numbers)
    shades = numbers / max(numbers.max(), 1) if lit is None else np.asarray(lit)
    ax.set_axis_off()
    for (h, v), n in np.ndenumerate(numbers):
        _cell(ax, v, h, 1, 1, n, tuple(1 - shades[h, v] * (1 - part) for part in _rgb(BLUE_TINT)))
    ax.set_xlim(-0.1, numbers.shape[1] + 0.1)
    ax.set_ylim(numbers.shape[0] + 0.1, -0.1)
    ax.set_aspect("equal")
    ax.set_title(title, fontsize=10, color=INK, loc="left")


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))


def _cell(axes: Axes, left: float, top: float, width: float, height: float, value: Any, colour: Any) -> None:
    axes.add_patch(Rectangle((left, top), width, height, facecolor=colour, edgecolor="#C9C9C9", linewidth=0.6))
    size = min(9.5, 11 * height, 26 * width / max(2, len(str(value))))
    if size >= 5:
        text = str(value).replace("-", "−")
        axes.text(left + width / 2, top + height / 2, text, ha="center", va="center_baseline", fontsize=size, color=INK)


def _frame(axes: Axes, left: float, top: float, width: float, height: float) -> None:
    axes.add_patch(Rectangle((left, top), width, height, facecolor="none", edgecolor=ORANGE, linewidth=2, zorder=3))


def _title(axes: Axes, left: float, top: float, text: str) -> None:
    axes.text(left, top - 0.2, text, ha="left", va="bottom", fontsize=9.5, color=INK)


def _few_colours(picture: bytes) -> bytes:
    """The same picture in 64 colours: a third of the bytes."""
    held = BytesIO()
    Image.open(BytesIO(picture)).convert("RGB").quantize(64).save(held, format="png", optimize=True)
    return held.getvalue()
