r"""The mean image and the principal colours of a training set, exact whatever the order in which pictures are counted.

Over all n pixels x_i = (R, G, B) of the set, on 0..255 (paper, sections 2 and 4.1):

    mean colour  m = (1/n) \sum_i x_i          covariance  C = (1/n) \sum_i x_i x_i^T - m m^T

All sums are sums of whole numbers, kept as whole numbers: \sum x_i by pixel of the image, and \sum x_i x_i^T. The latter is a
matrix product in float64 over few pixels at a time, which stays below 2^53 and so is exact, however BLAS orders it. Hence
the result has the same bits for any number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minialex.arrays import Array

AT_A_TIME = 1 << 19  # pixels in one product: 255^2 2^19 < 2^53


@dataclass(frozen=True)
class Colours:
    """Of a training set: mean_image float32 (3, H, W), mean_colour (3,), covariance (3, 3); float64 where nothing is said.

    eigenvalues (3,), the largest first, and eigenvectors (3, 3): column k belongs to eigenvalue k, has length 1, and its
    largest component is positive.
    """

    mean_image: Array
    mean_colour: Array
    covariance: Array
    eigenvalues: Array
    eigenvectors: Array


class Sums:
    """What has been counted so far: pictures, the sum of each pixel (H, W, 3), and the sum of products of colours (3, 3)."""

    def __init__(self, height: int, width: int) -> None:
        self.count = 0
        self.pixels = np.zeros((height, width, 3), np.int64)
        self.products = np.zeros((3, 3), dtype=object)  # Python's whole numbers: no overflow, ever

    def add(self, images: Array) -> None:
        """Counts uint8 images (n, H, W, 3)."""
        self.count += len(images)
        for start in range(0, len(images), 256):
            self.pixels += images[start : start + 256].sum(axis=0, dtype=np.uint32)
        flat = images.reshape(-1, 3)
        for start in range(0, len(flat), AT_A_TIME):
            x = flat[start : start + AT_A_TIME].astype(np.float64)
            self.products += (x.T @ x).astype(np.int64).astype(object)

    def merge(self, other: Sums) -> None:
        """Counts all that `other` has counted."""
        self.count += other.count
        self.pixels += other.pixels
        self.products += other.products

    def colours(self, count: int | None = None) -> Colours:
        """The statistics; count: the number of pictures, where some of those counted were blank and are none."""
        N = self.count if count is None else count
        n = N * self.pixels.shape[0] * self.pixels.shape[1]
        sums = [int(s) for s in self.pixels.sum(axis=(0, 1))]
        covariance = np.array([[(n * self.products[a, b] - sums[a] * sums[b]) / n**2 for b in range(3)] for a in range(3)])
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = values[::-1].clip(min=0.0), vectors[:, ::-1]
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(3)])
        mean_image = (self.pixels / N).transpose(2, 0, 1).astype(np.float32)
        return Colours(np.ascontiguousarray(mean_image), np.array([s / n for s in sums]), covariance, values, vectors)
