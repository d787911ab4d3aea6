"""Views of an image: the window a net is shown of it, mirrored or not, less the mean image (paper, sections 2 and 4.1).

A picture is kept with 256 x 256 pixels and the net reads 224 x 224. To be trained, it sees a window drawn at random (see
augment.py); to be tested, the central one, or ten: the four corners and the centre, and the mirror images of these five.

    view[y, x, c] = (image[top + y, left + x, c] - mean[y, x, c]) / scale             (mirrored: left + w - 1 - x)
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from minialex.arrays import Array, Shape
from minialex.shown import Layout, Look, Parts, Shown

GROUP = 1 << 18  # numbers that are normalised in one go: they then stay in a core's cache


class Draws(NamedTuple):
    """A view for each of n images: tops, lefts (n,) int; mirrored (n,) bool; colours (n, C) float32, added, or None."""

    tops: Array
    lefts: Array
    mirrored: Array
    colours: Array | None = None

    def rows(self, indices: Any) -> Draws:
        """The draws of these images alone."""
        colours = None if self.colours is None else self.colours[indices]
        return Draws(self.tops[indices], self.lefts[indices], self.mirrored[indices], colours)


class CentreCrop:
    """The central h x w pixels of images of one shape, less the mean: what a net is tested on.

    image_shape (C, H, W); crop: h = w, (h, w), or None for the whole image. What a batch gives is
    (image - mean) / scale, where mean is a number, a colour (C,) or the mean image (C, H, W). Of a mean image,
    mean_at="centre" subtracts the central window from every view, whatever its own place (as the 2012 code did), and
    mean_at="pixel" subtracts from every pixel its own mean (as section 2 reads).
    """

    divisor: float

    def __init__(
        self,
        image_shape: Shape,
        crop: int | tuple[int, int] | None = None,
        *,
        mean: Array | float = 0.0,
        mean_at: Literal["centre", "pixel"] = "centre",
        scale: float = 1.0,
    ) -> None:
        C, H, W = self.image_shape = tuple(map(int, image_shape))
        h, w = (H, W) if crop is None else (crop, crop) if isinstance(crop, int) else crop
        mean = np.asarray(mean, dtype=np.float32)
        if not (1 <= h <= H and 1 <= w <= W):
            raise ValueError(f"a crop of {h} x {w} pixels cannot be cut from images of {H} x {W}; prepare larger images")
        if mean.shape not in ((), (C,), (C, H, W)) or not np.isfinite(mean).all():
            raise ValueError(f"mean must be finite and a number, ({C},) or ({C}, {H}, {W}), got shape {mean.shape}")
        if mean_at not in ("centre", "pixel"):
            raise ValueError(f'mean_at must be "centre" or "pixel", got {mean_at!r}')
        if not 0 < scale < np.inf:
            raise ValueError(f"scale must be a positive number, got {scale}")
        self.crop, self.mean, self.mean_at, self.scale = (h, w), mean, mean_at, scale
        self.divisor = scale
        self.margins = H - h, W - w  # the largest top and the largest left
        self.centre = (H - h) // 2, (W - w) // 2
        planes = mean if mean.ndim == 3 else mean.reshape(-1, 1, 1)
        image = np.ascontiguousarray(np.broadcast_to(planes, (C, H, W)).transpose(1, 2, 0))
        self._means = image, np.ascontiguousarray(image[:, ::-1])  # (H, W, C) as it is, and mirrored
        top, left = self.centre
        self._central_mean = np.ascontiguousarray(image[top : top + h, left : left + w])

    def batch_shape(self, n: int) -> Shape:
        """The shape of what n images become: (n, C, h, w)."""
        return (n, self.image_shape[0], *self.crop)

    def draw(self, seed: int, epoch: int, count: int) -> Draws | None:
        """The views of all `count` images of a set in one epoch; None is the central view of each."""
        return None

    def __call__(self, images: Array, draws: Draws | None = None, out: Array | None = None) -> Array:
        """images (n, C, H, W), uint8 or float, any strides -> their views, float32 (n, C, h, w), written to `out` if given.

        Fastest where both lie channels-last; what is returned without `out` does.
        """
        n = len(images)
        if images.shape[1:] != self.image_shape:
            raise ValueError(f"images of shape (n, {', '.join(map(str, self.image_shape))}) are expected, got {images.shape}")
        if out is None:
            out = channels_first(np.empty(channels_last_shape(self.batch_shape(n)), np.float32))
        elif out.shape != self.batch_shape(n) or out.dtype != np.float32:
            raise ValueError(f"out must be float32 {self.batch_shape(n)}, got {out.dtype} {out.shape}")
        source, target = images.transpose(0, 2, 3, 1), out.transpose(0, 2, 3, 1)
        group = max(1, GROUP // max(1, target[:1].size))
        for start in range(0, n, group):
            part = slice(start, start + group)
            self._view(source[part], draws and draws.rows(part), target[part])
        return out

    def layout(self, n: int) -> Layout:
        """Where the bytes of n images stand, and the numbers of a view for each, for `shown`."""
        return Layout(n, n, self.image_shape)

    def shown(self, memory: Array, n: int, draws: Draws | None = None) -> Shown:
        """The n images whose bytes are in this memory, or soon will be, at their place in `layout(n)`: to be shown as drawn.

        The views' numbers are written beside them. Whoever makes the views makes those that calling this gives.
        """
        layout = self.layout(n)
        parts = layout.parts(memory)
        self._write(draws, parts)
        return Shown(memory, layout, self.look, lambda: self(parts.pixels, draws))

    @property
    def look(self) -> Look:
        """What all views have in common."""
        mean = self._means[0] if self.mean_at == "pixel" else self._central_mean
        return Look(self.crop, mean, self.mean_at, self.divisor)

    def _write(self, draws: Draws | None, parts: Parts) -> None:
        """The views' numbers to their places."""
        top, left = self.centre
        parts.tops[...] = top if draws is None else draws.tops
        parts.lefts[...] = left if draws is None else draws.lefts
        parts.mirrored[...] = 0 if draws is None else draws.mirrored
        parts.colours[...] = 0 if draws is None or draws.colours is None else draws.colours

    def _view(self, source: Array, draws: Draws | None, target: Array) -> None:
        """source (n, H, W, C) -> target (n, h, w, C)."""
        h, w = self.crop
        if draws is None:
            top, left = self.centre
            copy(target, source[:, top : top + h, left : left + w])
        else:
            places = zip(draws.tops.tolist(), draws.lefts.tolist(), draws.mirrored.tolist(), strict=True)
            for image, view, (top, left, mirrored) in zip(source, target, places, strict=True):
                window = image[top : top + h, left : left + w]
                copy(view, window[:, ::-1] if mirrored else window)
                if self.mean_at == "pixel":
                    first = self.margins[1] - left if mirrored else left
                    view -= self._means[mirrored][top : top + h, first : first + w]
        if self.mean.any() and (self.mean_at == "centre" or draws is None):
            target -= self._central_mean
        if draws is not None and draws.colours is not None:
            rows = np.empty((len(target), 1, *target.shape[2:]), np.float32)  # whole rows of one colour: long runs to add
            rows[...] = draws.colours[:, None, None, :]
            target += rows
        if self.divisor != 1:
            target /= np.float32(self.divisor)


class TenViews:
    """Corners, centre, and their mirror images (section 4.1): images (n, C, H, W) -> float32 (10, n, C, h, w).

    View v < 5 is top left, top right, bottom left, bottom right, centre; view v + 5 is its mirror image. The net's
    probabilities for the ten are then averaged (`average`). `crop` says the sizes and what is subtracted.
    """

    def __init__(self, crop: CentreCrop) -> None:
        self.crop, self.image_shape = crop, crop.image_shape
        bottom, right = crop.margins
        self.places = ((0, 0), (0, right), (bottom, 0), (bottom, right), crop.centre)

    def batch_shape(self, n: int) -> Shape:
        return (10, *self.crop.batch_shape(n))

    def draw(self, seed: int, epoch: int, count: int) -> None:
        """Nothing is drawn."""

    def __call__(self, images: Array, draws: Draws | None = None, out: Array | None = None) -> Array:
        n = len(images)
        if out is None:
            out = channels_first(np.empty(channels_last_shape(self.batch_shape(n)), np.float32))
        elif out.shape != self.batch_shape(n):
            raise ValueError(f"out must be float32 {self.batch_shape(n)}, got {out.dtype} {out.shape}")
        for v, same in enumerate(self._draws(n)):
            self.crop(images, same, out[v])
        return out

    def layout(self, n: int) -> Layout:
        """As CentreCrop's: the bytes of n images, and the numbers of 10 n views."""
        return Layout(n, 10 * n, self.image_shape)

    def shown(self, memory: Array, n: int, draws: Draws | None = None) -> Shown:
        """As CentreCrop's. The views are (10 n, C, h, w): first all images' view 0."""
        layout = self.layout(n)
        parts = layout.parts(memory)
        tops, lefts, mirrored = (np.concatenate(each) for each in zip(*(same[:3] for same in self._draws(n)), strict=True))
        self.crop._write(Draws(tops, lefts, mirrored), parts)
        shape = (10 * n, *self.batch_shape(n)[2:])
        return Shown(memory, layout, self.crop.look, lambda: self(parts.pixels).reshape(shape))

    def _draws(self, n: int) -> list[Draws]:
        """For each of the ten, the same view of all n images."""
        places = [(top, left, mirrored) for mirrored in (False, True) for top, left in self.places]
        return [Draws(np.full(n, top), np.full(n, left), np.full(n, mirrored)) for top, left, mirrored in places]


def average(probabilities: Array) -> Array:
    """Probabilities (views, n, classes) -> their mean over the views (n, classes), in the same dtype."""
    if probabilities.ndim != 3 or len(probabilities) == 0:
        raise ValueError(f"probabilities of shape (views, n, classes) are expected, got {probabilities.shape}")
    return probabilities.mean(axis=0, dtype=np.float64).astype(probabilities.dtype)


def channels_last_shape(shape: Shape) -> Shape:
    """(..., C, h, w) -> (..., h, w, C)."""
    return (*shape[:-3], *shape[-2:], shape[-3])


def channels_first(memory: Array) -> Array:
    """A view (..., C, h, w) of memory (..., h, w, C)."""
    return np.moveaxis(memory, -1, -3)


def copy(target: Array, source: Array) -> None:
    """target[...] = source, both (..., C); channel by channel unless whole rows of pixels lie in one piece."""
    C, size = source.shape[-1], source.itemsize
    if source.strides[-2:] == (C * size, size):
        target[...] = source
    else:
        for c in range(C):
            target[..., c] = source[..., c]
