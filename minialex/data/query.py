"""A picture file from anywhere -> an image such as a data set has it, for a net that has learned from that set.

Photos become what preparation makes of them (pictures.py): the shorter side scaled, the central square kept. A digit must look
as the 8 x 8 ones do, which were cut out, scaled to one height and averaged down, and whose pixels count ink.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from minialex.arrays import Array
from minialex.data.dataset import Dataset
from minialex.data.errors import BadPicture, DataError
from minialex.data.pictures import read_picture, square

INK = 16  # the most that a pixel of the digits can hold


@dataclass(frozen=True)
class Query:
    """image (C, H, W): as the data set stores its own. picture (C, h, w) uint8: the same for the eye. done: what was done."""

    image: Array
    picture: Array
    done: str


def read_query(path: str | os.PathLike[str], data: Dataset) -> Query:
    """The file's picture as an image of this data set. Raises BadPicture, with the path and the reason."""
    C, H, W = data.image_shape
    if H != W or C not in (1, 3):
        raise DataError(f"{data.name}: its images are {C} x {H} x {W}, and no picture file can be made one of them")
    picture = read_picture(path)
    try:
        return _digit(picture, H) if data.name == "digits" else _photo(picture, C, H)
    except BadPicture as error:
        raise BadPicture(os.fspath(path), error.reason) from None


def _photo(picture: Image.Image, channels: int, size: int) -> Query:
    W, H = picture.size
    done = f"{W} x {H} pixels"
    if picture.size != (size, size):
        done += f", shorter side scaled {'up' if min(W, H) < size else 'down'} to {size}" if min(W, H) != size else ""
        done += f", central {size} x {size} kept" if W != H else ""
    image = square(picture, size)
    if channels == 1:
        image = np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L"))[None]
        done += ", colours made grey"
    return Query(image, image, done)


def _digit(picture: Image.Image, size: int) -> Query:
    """Ink is what is not as the border is: dark on light paper, or light on dark."""
    W, H = picture.size
    if min(W, H) < size:
        raise BadPicture("", f"{W} x {H} pixels are too few for a digit; it needs {size} x {size}")
    grey = np.asarray(picture.convert("L"), np.float64)
    low, high = grey.min(), grey.max()
    if low == high:
        raise BadPicture("", "there is no digit on it, only one grey")
    ink = (grey - low) / (high - low)
    border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    dark_on_light = np.median(border) > 0.5
    ink = 1 - ink if dark_on_light else ink
    done = f"{W} x {H} pixels, {'dark ink on light' if dark_on_light else 'light ink on dark'}"
    if picture.size != (size, size):
        ink = _cut_out(ink, size)
        done += f", the digit cut out and scaled down to {size} x {size}"
    image = np.rint(INK * ink / ink.max()).astype(np.uint8)[None]
    return Query(image, (255 - image * (255 / INK)).astype(np.uint8), f"{done}, grey made ink 0..{INK}")


def _cut_out(ink: Array, size: int) -> Array:
    """The inked part in the middle of a square as wide as it is high or wide, averaged down to (size, size)."""
    rows, columns = (np.flatnonzero((ink > 0.5).any(axis=axis)) for axis in (1, 0))
    part = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(part.shape)
    top, left = ((side - length) // 2 for length in part.shape)
    canvas = np.zeros((side, side), np.float32)
    canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
    return np.asarray(Image.fromarray(canvas).resize((size, size), Image.Resampling.BOX), np.float64)
