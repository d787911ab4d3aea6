"""Where in an image a net looks: the picture, what covering a place costs, and the gradient by pixel."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from minialex.arrays import Array
from minialex.plots.maps import show_picture
from minialex.plots.style import AMOUNT, DPI, INK, SIGNED, plain


def where_it_looks(picture: Array, occlusion: Array, gradient: Array, asked: str, title: str = "") -> Figure:
    """picture: what the net was shown, (C, h, w), 0..255, without what is cut off. asked: the class in words, with its share.

    occlusion (h, w): how far the class's probability falls when the pixel is covered (inside.occlusion). gradient (C, h, w):
    d logit / d pixel (inside.pixel_gradient); what is drawn is the largest of a pixel's channels, without its sign.
    """
    figure = Figure(figsize=(11.4, 4.0), dpi=DPI, layout="constrained")
    first, second, third = figure.subplots(1, 3)
    show_picture(first, picture)
    plain(first, f"the net says {asked}", 10)

    largest = float(np.abs(occlusion).max()) or 1.0
    image = second.imshow(occlusion, cmap=SIGNED, vmin=-largest, vmax=largest, interpolation="nearest")
    plain(second, "how much less sure, if this is covered", 10)
    bar = figure.colorbar(image, ax=second, shrink=0.75, format=lambda share, _: f"{100 * share:+.3g}")
    bar.set_label("percentage points", color=INK, fontsize=8.5)
    bar.ax.tick_params(labelsize=8, colors=INK)

    strength = np.abs(gradient).max(axis=0)
    top = float(np.quantile(strength, 0.995)) or float(strength.max()) or 1.0  # a few pixels would hide the others
    image = third.imshow(strength, cmap=AMOUNT, vmin=0, vmax=top, interpolation="nearest")
    plain(third, "how much a pixel moves the logit", 10)
    bar = figure.colorbar(image, ax=third, shrink=0.75, extend="max")
    bar.set_label("|d logit / d pixel|, as the net takes it", color=INK, fontsize=8.5)
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    return figure
