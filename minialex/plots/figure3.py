"""The kernels of a first layer, as the paper's figure 3 shows them."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, sqrt

import numpy as np
from matplotlib.figure import Figure

from minialex.arrays import Array
from minialex.plots.style import DPI, GROUND, INK


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


def tile(weight: Array, columns: int | None = None) -> Array:
    """Kernels (out, in, kH, kW) side by side: (H, W, 3) where in is 3, else (H, W, 1) with out x in tiles; nan around them.

    columns: how many stand beside each other (by default 8, 12 or 16 where they divide evenly).
    """
    kernels = np.asarray(weight, np.float64)
    kernels = kernels if kernels.shape[1] == 3 else kernels.reshape(-1, 1, *kernels.shape[2:])
    count, channels, kH, kW = kernels.shape
    columns = min(count, columns or next((c for c in (16, 12, 8) if count % c == 0), ceil(sqrt(2 * count))))
    rows, gap = ceil(count / columns), max(1, kH // 6)
    picture = np.full((gap + rows * (kH + gap), gap + columns * (kW + gap), channels), np.nan)
    for n, kernel in enumerate(kernels):
        top, left = gap + (n // columns) * (kH + gap), gap + (n % columns) * (kW + gap)
        picture[top : top + kH, left : left + kW] = kernel.transpose(1, 2, 0)
    return picture
