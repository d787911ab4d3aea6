"""scikit-learn's 1797 handwritten digits: real ones, 8 x 8 pixels, and already on the disk of whoever has scikit-learn.

They are the test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998). Each pixel is
the number of inked points, 0..16, in a 4 x 4 square of a scanned digit of 32 x 32.
"""

from __future__ import annotations

import numpy as np

from minialex.data.dataset import Dataset, Split
from minialex.seeds import generator

TEST_SHARE = 0.2


def digits(seed: int = 0) -> Dataset:
    """1438 images to learn from and 359 to be tested on, uint8 (N, 1, 8, 8); the seed decides which are which.

    Each digit gives the same share of its images to the test (a stratified split). scale=8 brings the pixels to -2..2.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415  takes a second to import, and only this room needs it

    pixels, labels = load_digits(return_X_y=True)
    images, labels = pixels.astype(np.uint8).reshape(-1, 1, 8, 8), labels.astype(np.int64)
    is_test = stratified(labels, TEST_SHARE, generator(seed, "split of digits"))
    train = Split(images[~is_test], labels[~is_test])
    mean = images[~is_test].mean(axis=0, dtype=np.float64).astype(np.float32)
    return Dataset("digits", tuple("0123456789"), train, Split(images[is_test], labels[is_test]), mean, scale=8.0)


def stratified(labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A mask (N,) that is True for `share` of the images of each class, rounded to whole images, drawn by rng."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = rng.permutation(np.flatnonzero(labels == label))
        chosen[of_class[: round(share * len(of_class))]] = True
    return chosen
