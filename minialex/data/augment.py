r"""Augmentation (paper, section 4.1): the training images, never twice the same.

One view of each image is drawn for each epoch: a window's place, uniform over all places; a mirror image or not, each with
probability 1/2; and one colour that is added to all its pixels,

    colour = sum_k alpha_k s_k p_k,        alpha_k ~ N(0, 0.1^2),

where p_k are the eigenvectors of the 3 x 3 covariance of the training pixels' RGB values. The paper's text has their
eigenvalues for s_k, s_k = lambda_k; the 2012 code has the standard deviations, s_k = sqrt(lambda_k). docs/augmentation.md
says what either does to a picture.

What image number i gets in an epoch is row i of a table drawn from generators that the seed and the epoch name. NumPy fills
a table row by row, so row i does not depend on how many rows follow, and no batch size, order, worker or resume can matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from minialex.arrays import Array, Shape
from minialex.data.views import CentreCrop, Draws
from minialex.seeds import generator


@dataclass(frozen=True)
class ColourNoise:
    """Random multiples of the principal colours of the training set.

    eigenvalues (C,) and eigenvectors (C, C), column k belonging to eigenvalue k, of the covariance of the colours, in the
    units of the images (0..255). std: the standard deviation of alpha. strength: "code2012", alpha sqrt(lambda), or
    "paper", alpha lambda.
    """

    eigenvalues: Array
    eigenvectors: Array
    std: float = 0.1
    strength: Literal["code2012", "paper"] = "code2012"

    def __post_init__(self) -> None:
        values, vectors = np.asarray(self.eigenvalues), np.asarray(self.eigenvectors)
        if values.ndim != 1 or vectors.shape != (len(values), len(values)):
            raise ValueError(f"ColourNoise: (C,) eigenvalues need (C, C) eigenvectors, got {values.shape} and {vectors.shape}")
        if not (np.isfinite(values).all() and np.isfinite(vectors).all() and (values >= 0).all()):
            raise ValueError(f"ColourNoise: eigenvalues of a covariance are finite and not negative, got {values}")
        if self.strength not in ("code2012", "paper"):
            raise ValueError(f'ColourNoise: strength must be "code2012" or "paper", got {self.strength!r}')
        if not 0 <= self.std < np.inf:
            raise ValueError(f"ColourNoise: std must not be negative, got {self.std}")

    @property
    def axes(self) -> Array:
        """(C, C) float64: column k is the colour that alpha_k, when it is one standard deviation, adds."""
        values = np.asarray(self.eigenvalues, np.float64)
        strengths = values if self.strength == "paper" else np.sqrt(values)
        return np.asarray(self.eigenvectors, np.float64) * (self.std * strengths)

    def colours(self, normal: Array) -> Array:
        """Standard normal draws (n, C) -> colours (n, C) float32.

        Summed axis by axis: a matrix product may round a row differently when the number of rows is another.
        """
        colours = np.empty(normal.shape, np.float32)
        alphas = np.ascontiguousarray(normal.T)
        for c, weights in enumerate(self.axes.astype(np.float32)):
            colours[:, c] = sum(weight * alpha for weight, alpha in zip(weights, alphas, strict=True))
        return colours


IMAGENET = ColourNoise(  # of its training pixels, on 0..255, as published with the 2012 code (there as standard deviations)
    eigenvalues=np.array([19.721, 37.094, 121.780]) ** 2,
    eigenvectors=np.array([[0.418, -0.713, -0.564], [-0.817, -0.024, -0.576], [0.397, 0.701, -0.592]]),
)


def strengths_table() -> str:
    """What the readings of the paper's formula add to a picture of ImageNet: a table, in grey levels of 0..255."""
    in_units = replace(IMAGENET, eigenvalues=IMAGENET.eigenvalues / 255**2, strength="paper")  # pixels from 0 to 1
    readings = {
        "alpha sqrt(lambda)": IMAGENET.axes,
        "alpha lambda": replace(IMAGENET, strength="paper").axes,
        "alpha lambda, pixels 0..1": 255 * in_units.axes,
    }
    lines = [f"{'reading':<27}{'axis 1':>9}{'axis 2':>9}{'axis 3':>9}{'red':>9}{'green':>9}{'blue':>9}"]
    for name, axes in readings.items():
        figures = (*np.linalg.norm(axes, axis=0)[::-1], *np.linalg.norm(axes, axis=1))
        lines.append(f"{name:<27}" + "".join(f"{figure:>9.2f}" for figure in figures))
    return "\n".join(lines)


class Augmentation(CentreCrop):
    """Random windows, mirror images and colours. As CentreCrop, and:

    mirror: whether half of the images are mirrored (not where left and right have a meaning, as in digits). colour: the
    noise, or None. shrink: what a training view is divided by in the end. The 2012 code divides by 1 + std = 1.1 when it adds
    colours, since they make the numbers larger than those of a test, where none are added; the paper does not say so.
    """

    def __init__(
        self,
        image_shape: Shape,
        crop: int | tuple[int, int] | None = None,
        *,
        mirror: bool = True,
        colour: ColourNoise | None = None,
        shrink: float = 1.0,
        mean: Array | float = 0.0,
        mean_at: Literal["centre", "pixel"] = "centre",
        scale: float = 1.0,
    ) -> None:
        super().__init__(image_shape, crop, mean=mean, mean_at=mean_at, scale=scale)
        if colour is not None and len(colour.eigenvalues) != self.image_shape[0]:
            raise ValueError(f"images of {self.image_shape[0]} channels cannot get noise of {len(colour.eigenvalues)} colours")
        if not 0 < shrink < np.inf:
            raise ValueError(f"shrink must be a positive number, got {shrink}")
        self.mirror, self.colour, self.shrink = mirror, colour, shrink
        self.divisor = self.scale * shrink

    def draw(self, seed: int, epoch: int, count: int) -> Draws:
        """The views of images 0..count-1 in this epoch; row i is the same for every count."""

        def named(what: str) -> np.random.Generator:
            return generator(seed, f"{what} of epoch {epoch}")

        tops, lefts = (
            named(what).integers(0, margin, count, dtype=np.int32, endpoint=True)
            for what, margin in zip(("tops", "lefts"), self.margins, strict=True)
        )
        mirrored = named("mirrors").random(count, dtype=np.float32) < 0.5 if self.mirror else np.zeros(count, bool)
        if self.colour is None:
            return Draws(tops, lefts, mirrored)
        normal = named("colours").standard_normal((count, self.image_shape[0]), dtype=np.float32)
        return Draws(tops, lefts, mirrored, self.colour.colours(normal))

    def at_test(self) -> CentreCrop:
        """The same without chance: the central window, nothing added, not shrunk."""
        return CentreCrop(self.image_shape, self.crop, mean=self.mean, mean_at=self.mean_at, scale=self.scale)
