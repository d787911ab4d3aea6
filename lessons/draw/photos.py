"""Pictures for the lesson on data: photos in a row, the colours of their pixels as a cloud of points, and its axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from lessons.draw.start import plain_axes
from minialex.arrays import Array
from minialex.data.pictures import square
from minialex.plots import GREEN, GREY, INK, ORANGE

__all__ = ["colour_axes", "colour_cloud", "photo_row", "photo_windows", "two_photos"]

DPI = 75
AXES = (INK, GREEN, ORANGE)  # of the first, second and third axis


@cache
def _two_photos(size: int) -> Array:
    from sklearn.datasets import load_sample_images  # noqa: PLC0415  a second that only some lessons need

    made = np.stack([square(Image.fromarray(photo), size) for photo in load_sample_images().images])
    made.setflags(write=False)
    return made


def two_photos(size: int = 256) -> Array:
    """scikit-learn's two photos, a temple and a flower, prepared as minialex prepares a folder: uint8 (2, 3, size, size)."""
    return _two_photos(size).copy()


class Photographic:
    """A figure full of photos: shown as JPEG, a tenth of a PNG's bytes. `figure` is the Figure itself."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def _repr_jpeg_(self) -> bytes:
        held = BytesIO()
        self.figure.savefig(held, format="jpeg", pil_kwargs={"quality": 68})
        return held.getvalue()

    def __repr__(self) -> str:
        return "photos"


def photo_row(
    photos: Sequence[Array] | Array, titles: Sequence[str] = (), *, columns: int = 6, size: float = 1.7
) -> Photographic:
    """Photos (3, H, W), 0..255 of any dtype (what lies outside is cut off), in rows."""
    return Photographic(_row(photos, titles, columns, size))


def _row(photos: Sequence[Array] | Array, titles: Sequence[str], columns: int, size: float) -> Figure:
    columns = min(columns, len(photos))
    rows = -(-len(photos) // columns)
    figure = Figure(figsize=(size * columns, (size + (0.28 if len(titles) else 0.04)) * rows), dpi=DPI, layout="constrained")
    for n, axes in enumerate(np.atleast_1d(figure.subplots(rows, columns)).flat):
        axes.set_axis_off()
        if n < len(photos):
            axes.imshow(np.clip(np.asarray(photos[n]).transpose(1, 2, 0), 0, 255).astype(np.uint8))
            if n < len(titles):
                axes.set_title(titles[n], color=INK, fontsize=9, pad=3)
    return figure


def photo_windows(photo: Array, places: Sequence[tuple[int, int]], side: int, titles: Sequence[str] = ()) -> Photographic:
    """One photo (3, H, W) with a frame for each place (top, left), and beside it what stands in each frame."""
    views = [photo[:, top : top + side, left : left + side] for top, left in places]
    figure = _row([photo, *views], ["the photo", *(titles or (f"top {t}, left {w}" for t, w in places))], columns=6, size=1.7)
    for n, (top, left) in enumerate(places):
        _frame(figure.axes[0], top, left, side, AXES[n % 3])
        for spine in figure.axes[n + 1].spines.values():
            spine.set(color=AXES[n % 3], linewidth=2, visible=True)
        figure.axes[n + 1].set_axis_on()
        figure.axes[n + 1].set(xticks=[], yticks=[])
    return Photographic(figure)


def _frame(axes: Any, top: int, left: int, side: int, colour: str = ORANGE) -> None:
    axes.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, facecolor="none", edgecolor=colour, linewidth=1.8))


def colour_cloud(
    pixels: Array,
    mean: Array | None = None,
    eigenvalues: Array | None = None,
    eigenvectors: Array | None = None,
    shown: int = 1500,
) -> Photographic:
    """Pixels (n, 3), 0..255, as points in their own colours: red against green, red against blue, green against blue.

    With the rest: an arrow from the mean for each axis k, one standard deviation, sqrt(eigenvalue k), long.
    """
    some = np.asarray(pixels)[np.random.default_rng(0).permutation(len(pixels))[:shown]]
    figure = Figure(figsize=(9.6, 3.4), dpi=DPI, layout="constrained")
    names = ("red", "green", "blue")
    for axes, (a, b) in zip(figure.subplots(1, 3), ((0, 1), (0, 2), (1, 2)), strict=True):
        axes.scatter(some[:, a], some[:, b], c=np.clip(some, 0, 255) / 255, s=9, linewidths=0)
        plain_axes(axes, names[a], names[b])
        axes.set(xlim=(-10, 265), ylim=(-10, 265), xticks=(0, 128, 255), yticks=(0, 128, 255), facecolor="#D9D9D9")
        axes.grid(False)
        axes.set_aspect("equal")
        if mean is None or eigenvalues is None or eigenvectors is None:
            continue
        for k in range(3):
            along = np.sqrt(eigenvalues[k]) * eigenvectors[:, k]
            seen = along[[a, b]]
            style: dict[str, Any] = {"arrowstyle": "-|>", "color": AXES[k], "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (mean[a] + along[a], mean[b] + along[b]), (mean[a], mean[b]), arrowprops=style)
            at = mean[[a, b]] + seen * (1 + 15 / max(1.0, float(np.hypot(*seen))))
            halo = [withStroke(linewidth=3, foreground="white")]
            words: dict[str, Any] = {"fontsize": 10, "fontweight": "bold", "ha": "center", "va": "center", "path_effects": halo}
            axes.text(*at, f"p{k + 1}", color=AXES[k], **words)
    return Photographic(figure)


def colour_axes(
    photo: Array, eigenvalues: Array, eigenvectors: Array, alphas: Sequence[float] = (-0.6, -0.3, 0.0, 0.3, 0.6)
) -> Photographic:
    """A photo (3, H, W) with alpha sqrt(eigenvalue k) p_k added to every pixel: a row for each k, a column for each alpha."""
    figure = Figure(figsize=(1.3 * len(alphas) + 0.6, 1.35 * 3 + 0.3), dpi=DPI, layout="constrained")
    grid = figure.subplots(3, len(alphas))
    for k in range(3):
        for axes, alpha in zip(grid[k], alphas, strict=True):
            moved = photo + (alpha * np.sqrt(eigenvalues[k]) * eigenvectors[:, k])[:, None, None]
            axes.imshow(np.clip(moved.transpose(1, 2, 0), 0, 255).astype(np.uint8))
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_color(GREY)
            if k == 0:
                axes.set_title(f"alpha = {alpha:+.1f}" if alpha else "as it is", color=INK, fontsize=9, pad=3)
        grid[k][0].set_ylabel(f"along p{k + 1}", color=AXES[k], fontsize=10)
    return Photographic(figure)
