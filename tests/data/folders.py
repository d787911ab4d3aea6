"""Folders of made-up photos for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 24


def picture(n: int) -> Image.Image:
    """Picture number n: its own colours and its own sides."""
    rng = np.random.default_rng(n)
    width, height = rng.integers(SIZE, 2 * SIZE, 2)
    y, x = np.mgrid[:height, :width] / 2 / SIZE
    base = np.stack([c + d * x + e * y for c, d, e in rng.integers(0, 120, (3, 3))], axis=-1)
    return Image.fromarray((base + rng.normal(0, 4, base.shape)).clip(0, 255).astype(np.uint8))


def photo_folder(root: Path, classes: str = "abc", train: int = 11, val: int = 4) -> Path:
    """train/<class>/00.jpg ... and val/<class>/00.jpg ..."""
    number = 0
    for part, count in (("train", train), ("val", val)):
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for n in range(count):
                picture(number).save(root / part / name / f"{n:02}.{'png' if n % 2 else 'jpg'}")
                number += 1
    return root
