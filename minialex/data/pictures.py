"""One picture file -> RGB pixels, or the reason why not. Never half a picture, and never an exception of another kind.

The file's content decides what it is, not its name. Only the formats in FORMATS are ever handed to a decoder (each decoder
is a way in for hostile files); a header that asks for more than MAX_PIXELS is refused before anything is decoded.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from minialex.arrays import Array
from minialex.data import containers, jpeg
from minialex.data.checksums import SUMS
from minialex.data.errors import BadPicture

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
MAX_PIXELS = 89_478_485  # Pillow's own limit, above which it suspects a decompression bomb
MAX_BYTES = 1 << 28
CHANGED = f"damaged or changed: {SUMS} has another checksum for it"
BACKGROUND = (255, 255, 255)  # what shows through transparent pixels
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
UPRIGHT = {  # EXIF orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_square(path: str | os.PathLike[str], size: int = 256, sha256: str | None = None) -> Array:
    """The file's picture, its shorter side scaled to `size` and the central square cut out: uint8 (3, size, size).

    sha256: what the file's must be, in hexadecimal, where that is known. Raises BadPicture, with the path and the reason.
    """
    return square(read_picture(path, sha256), size)


def read_picture(path: str | os.PathLike[str], sha256: str | None = None) -> Image.Image:
    """The whole picture in the file, upright, in mode RGB. Raises BadPicture, with the path and the reason."""
    try:
        data = _read_bytes(Path(path))
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise BadPicture("", CHANGED)
        return decode(data)
    except BadPicture as error:
        raise BadPicture(str(path), error.reason) from None


def square(picture: Image.Image, size: int = 256) -> Array:
    """An RGB picture, its shorter side scaled to `size` and the central square cut out: uint8 (3, size, size).

    The longer side becomes round(size * longer / shorter) pixels; where what is cut off is odd, the square lies half a pixel
    to the top or left. Pillow's bilinear filter, which averages when it makes smaller. Only what the square needs is
    computed, so that 1 x 4000 pixels do not become 256 x 1,024,000 on the way.
    """
    W, H = picture.size
    left, right = _central(W, round(size * W / min(W, H)), size)
    top, bottom = _central(H, round(size * H / min(W, H)), size)
    picture = picture.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


def _central(before: int, after: int, size: int) -> tuple[float, float]:
    """The part of a side of `before` pixels which is the central `size` of the `after` that it is scaled to."""
    start = (after - size) // 2
    return start * before / after, min(before, (start + size) * before / after)


def decode(data: bytes) -> Image.Image:
    """The bytes of a picture file -> the picture, upright, in mode RGB. Raises BadPicture with the reason."""
    if not data:
        raise BadPicture("", "the file is empty")
    try:
        picture = _open(data)
        pixels = _whole(picture, data)
        return _rgb(picture, pixels)
    except BadPicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture("", f"its header asks for more than {MAX_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise BadPicture("", containers.what_else(data)) from None
    except MemoryError:
        raise BadPicture("", "there is not enough memory for it") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, IndexError and others
        raise BadPicture("", _one_line(error)) from None


def _open(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data), formats=FORMATS)
    if picture.width * picture.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    if picture.width < 1 or picture.height < 1:
        raise BadPicture("", "it has no pixels")
    return picture


def _whole(picture: Image.Image, data: bytes) -> Array:
    """Loads the picture; raises unless all of it is there."""
    if picture.format in ("JPEG", "MPO"):
        picture.load()
        pixels = np.asarray(picture)
        jpeg.check(data, pixels, lambda changed: np.asarray(_open(changed)))
        return pixels
    containers.check(str(picture.format), data)
    picture.load()
    return np.asarray(picture)


def _rgb(picture: Image.Image, pixels: Array) -> Image.Image:
    """A loaded picture in mode RGB, upright. 16 bits become 8, and transparent pixels show BACKGROUND."""
    orientation = _orientation(picture)
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture, pixels)
    elif picture.mode == "CMYK" and "adobe" not in picture.info:
        # Pillow takes every CMYK JPEG for one with Adobe's inverted inks; without Adobe's marker the inks are as written
        picture = Image.fromarray(255 - pixels, "CMYK")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        above = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", above.size, BACKGROUND), above)
    picture = picture.convert("RGB")
    return picture.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture


def _eight_bits(picture: Image.Image, pixels: Array) -> Image.Image:
    """Grey of 16 bits -> LA of 8. (Pillow's own conversion would cut everything above 255 off.)"""
    grey = ((pixels.astype(np.int64).clip(0, 65535) * 255 + 32767) // 65535).astype(np.uint8)
    clear = picture.info.get("transparency", -1)
    return Image.fromarray(np.stack([grey, np.where(pixels == clear, 0, 255).astype(np.uint8)], axis=-1), "LA")


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF: the pixels are none the worse
        return 1


def _read_bytes(path: Path) -> bytes:
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise BadPicture("", "it is a folder")
        if not stat.S_ISREG(about.st_mode):
            raise BadPicture("", "it is not a file")
        if about.st_size > MAX_BYTES:
            raise BadPicture("", f"it has {about.st_size:,} bytes; the limit is {MAX_BYTES:,}")
        return path.read_bytes()
    except FileNotFoundError:
        raise BadPicture("", "a link that leads nowhere" if path.is_symlink() else "there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null character; BadPicture is one, too
        if isinstance(error, BadPicture):
            raise
        raise BadPicture("", f"it cannot be read: {_one_line(error)}") from None


def _one_line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
