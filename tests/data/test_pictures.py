"""Every odd file becomes the right pixels, or one reason; never half a picture, and never another exception."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minialex.data import jpeg
from minialex.data.errors import BadPicture
from minialex.data.pictures import BACKGROUND, MAX_PIXELS, decode, read_picture, read_square, square


def photo(width: int = 90, height: int = 60, seed: int = 0) -> Image.Image:
    """Like a photo to an encoder: slopes, edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(width, height)
    base = np.stack([200 * x, 255 * y, 120 + 100 * np.sin(9 * x + 5 * y)], axis=-1) + 60 * (x > y)[..., None]
    return Image.fromarray((base + rng.normal(0, 6, base.shape)).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def pixels(data: bytes) -> np.ndarray:
    picture = decode(data)
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def reason(data: bytes) -> str:
    with pytest.raises(BadPicture) as error:
        decode(data)
    assert "\n" not in error.value.reason
    assert error.value.reason
    return error.value.reason


RGB = np.asarray(photo()).astype(int)


@pytest.mark.parametrize("format", ["PNG", "BMP"])
def test_lossless_formats_come_back_bit_for_bit(format: str) -> None:
    assert np.array_equal(pixels(encoded(photo(), format)), RGB)


def test_webp_and_gif_are_read() -> None:
    assert np.array_equal(pixels(encoded(photo(), "WEBP", lossless=True)), RGB)
    palette = photo().quantize(256)
    assert np.array_equal(pixels(encoded(palette, "GIF")), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("name", ["a.jpg", "b.JPEG", "c.gif", "d"])
def test_the_content_decides_and_not_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encoded(photo(), "PNG"))
    assert np.array_equal(np.asarray(read_picture(tmp_path / name)), RGB)


def test_greyscale_becomes_three_equal_channels() -> None:
    grey = photo().convert("L")
    for image in (grey, grey.convert("1")):
        got = pixels(encoded(image, "PNG"))
        assert np.array_equal(got, np.repeat(np.asarray(image.convert("L"))[..., None], 3, axis=2))
    assert np.ptp(pixels(encoded(grey, "JPEG")), axis=2).max() == 0


def without_adobe_marker(data: bytes) -> bytes:
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]


def test_cmyk_with_adobes_marker_is_inverted_and_without_it_is_not() -> None:
    """Both files mean the same inks; the second says it as the JPEG standard does, uninverted."""
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 0], inks[..., 3] = 200, 40  # much cyan, some black: a dark blue-green
    wanted = [(255 - ink) * (255 - 40) / 255 for ink in (200, 0, 0)]
    adobe = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=98)
    plain = without_adobe_marker(encoded(Image.fromarray(255 - inks, "CMYK"), "JPEG", quality=98))
    for data in (adobe, plain):
        assert np.abs(pixels(data) - wanted).max() <= 4


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    got = pixels(encoded(Image.fromarray(deep), "PNG"))
    assert np.array_equal(got, np.repeat(np.round(deep / 257).astype(int)[..., None], 3, axis=2))


def png(depth: int, colour_type: int, rows: bytes, width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bit_colour() -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (5, 7, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    assert np.abs(pixels(png(16, 2, rows, 7, 5)) - deep / 257).max() <= 1


def test_transparent_pixels_show_the_background() -> None:
    image = photo().convert("RGBA")
    alpha = np.full((60, 90), 255, np.uint8)
    alpha[:30], alpha[30:40] = 0, 128
    image.putalpha(Image.fromarray(alpha))
    got = pixels(encoded(image, "PNG"))
    assert (got[:30] == BACKGROUND).all()
    assert np.array_equal(got[40:], RGB[40:])
    assert np.abs(got[30:40] - (RGB[30:40] * 128 + 255 * 127) / 255).max() <= 1
    palette = photo().quantize(8)
    clear = np.asarray(palette) == 3
    got = pixels(encoded(palette, "GIF", transparency=3))
    assert clear.any()
    assert (got[clear] == BACKGROUND).all()
    grey_and_alpha = Image.merge("LA", (photo().convert("L"), Image.fromarray(alpha)))
    assert (pixels(encoded(grey_and_alpha, "PNG"))[:30] == BACKGROUND).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    """What a viewer shows: row 0 and column 0 of the file are at these sides (EXIF 2.3, tag 0x0112)."""
    undone: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(pixels(encoded(photo(), "PNG", exif=exif)), undone[orientation](RGB))
    assert pixels(encoded(photo(), "JPEG", exif=exif)).shape == undone[orientation](RGB).shape


@pytest.mark.filterwarnings("ignore")
def test_damaged_exif_harms_no_pixel() -> None:
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(range(40)))
    assert np.array_equal(pixels(data), pixels(encoded(photo(), "JPEG")))


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (1, 1), (3, 256), (500, 33), (257, 256)])
def test_any_shape_becomes_a_square(size: tuple[int, int]) -> None:
    assert square(photo(*size), 64).shape == (3, 64, 64)


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (41, 97), (64, 64), (64, 101), (300, 199)])
def test_the_square_is_the_centre_of_the_scaled_picture(size: tuple[int, int]) -> None:
    """The definition: scale the whole picture, then cut. (Only rounding of the filter's weights differs.)"""
    image = photo(*size)
    W, H = (round(64 * side / min(size)) for side in size)
    left, top = (W - 64) // 2, (H - 64) // 2
    whole = np.asarray(image.resize((W, H), Image.Resampling.BILINEAR))[top : top + 64, left : left + 64].transpose(2, 0, 1)
    assert np.abs(square(image, 64).astype(int) - whole).max() <= 1
    assert square(image, 64).dtype == np.uint8


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "web page"),
        (b"\n\n<html>", "web page"),
        (bytes(5000), "zeros"),
        (b"hello", "not a JPEG"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "HEIC"),
        (b"II*\0" + bytes(50), "TIFF"),
        (b"%PDF-1.7", "PDF"),
        (b"\xff\xd8\xff", "header is damaged"),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(data: bytes, words: str) -> None:
    assert words in reason(data)


@pytest.mark.filterwarnings("ignore")
def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    for width, height in ((60_000, 60_000), (12_000, 12_000)):
        assert f"{MAX_PIXELS:,}" in reason(png(8, 2, b"", width, height))


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, words in {
        "x.jpg": "folder",
        "nowhere.jpg": "leads nowhere",
        "round.jpg": "cannot be read",
        "pipe.jpg": "not a file",
        "none.jpg": "no such file",
        "nul\0l.jpg": "cannot be read",
    }.items():
        with pytest.raises(BadPicture, match=words) as error:
            read_square(tmp_path / name)
        assert str(error.value).count(str(tmp_path)) == 1
        assert "\n" not in str(error.value)


ENCODERS: dict[str, dict[str, Any]] = {
    "sequential": {},
    "optimised": {"optimize": True, "quality": 95},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "4:4:4": {"subsampling": 0},
}


@pytest.mark.parametrize("options", ENCODERS.values(), ids=ENCODERS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_cut_short_is_always_found(mode: str, options: dict[str, Any]) -> None:
    """As it breaks off, and closed with an end-of-image marker, after which a decoder would say nothing."""
    data = encoded(photo().convert(mode), "JPEG", **options)
    whole = pixels(data)
    for at in random.Random(0).sample(range(2, len(data) - 2), 40):
        reason(data[:at])
        try:
            got = pixels(data[:at] + b"\xff\xd9")
        except BadPicture:
            continue
        assert at > len(data) - 12, f"cut at {at} of {len(data)}"  # the very last block, whose bits may be guessed right
        assert np.abs(got - whole).mean() < 1


def test_a_decoder_alone_would_paint_grey() -> None:
    """What the check is for: without it, this test's picture is accepted with its lower half grey."""
    data = encoded(photo(), "JPEG")
    half = data[: len(data) * 2 // 3] + b"\xff\xd9"
    grey = np.asarray(Image.open(io.BytesIO(half)))
    assert (grey[-8:] == 128).all()
    assert reason(half) == jpeg.GREY


def test_changed_bits_that_leave_bits_over_are_found() -> None:
    """One byte put in among the bits: the blocks come to their end before the bits do."""
    data = encoded(photo(200, 150), "JPEG")
    start, end = jpeg.read_structure(data).runs[0]
    longer = data[: (start + end) // 2] + data[start : start + 40].replace(b"\xff", b"\xfe") + data[(start + end) // 2 :]
    assert reason(longer) in (jpeg.LEFT_OVER, jpeg.GREY)


def test_a_progressive_jpeg_without_its_last_scan() -> None:
    data = encoded(photo(), "JPEG", progressive=True)
    assert "last scan" in reason(data[: data.rindex(b"\xff\xda")] + b"\xff\xd9")


def test_what_follows_the_end_of_a_jpeg_is_left_alone() -> None:
    data = encoded(photo(), "JPEG")
    assert np.array_equal(pixels(data + b"\xff\xd8 a phone's second picture"), pixels(data))


def jpegs(seed: int, count: int) -> Iterator[bytes]:
    """Sound files of every kind an encoder may write, with the plain, grey and noisy ones that are hard to judge."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        H, W = rng.integers(1, 90, 2)
        slope = np.add.outer(np.linspace(0, rng.integers(256), H), np.linspace(0, rng.integers(1, 200), W))
        slopes = np.stack([slope, slope[::-1], slope[:, ::-1]], axis=-1) % 256
        kinds = (
            slopes,
            slopes * 0 + rng.integers(0, 256, 3),
            slopes * 0 + 128,
            rng.integers(0, 256, (H, W, 3)),
            slopes + rng.normal(0, 8, slopes.shape),
        )
        image = Image.fromarray(kinds[rng.integers(5)].clip(0, 255).astype(np.uint8)).convert(rng.choice(["RGB", "L", "CMYK"]))
        options: dict[str, Any] = {"quality": int(rng.integers(1, 101)), "optimize": bool(rng.integers(2))}
        options["progressive"] = bool(rng.integers(2))
        if image.mode == "RGB":
            options["subsampling"] = int(rng.integers(3))
        if rng.integers(3) == 0:
            options["restart_marker_blocks"] = int(rng.integers(1, 20))
        yield encoded(image, "JPEG", **options)


def test_no_sound_jpeg_is_refused() -> None:
    for data in jpegs(0, 400):
        decode(data)


def test_nor_one_whose_last_bits_belong_to_what_lies_beyond_the_edge() -> None:
    """Its blocks reach to 48 x 32, the picture to 33 x 17: in some, no change to the last bytes shows anywhere in it."""
    for seed in range(60):
        image = np.asarray(photo(33, 17, seed)).copy()
        image[-16:, -16:] = np.random.default_rng(seed).normal(90, 1.5, (16, 16, 1))
        decode(encoded(Image.fromarray(image), "JPEG", quality=75))


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "WEBP"])
def test_other_formats_cut_short_are_found(format: str) -> None:
    image = photo().quantize(64) if format == "GIF" else photo()
    data = encoded(image, format)
    for at in random.Random(1).sample(range(1, len(data) - 1), 60):
        reason(data[:at])


def test_every_changed_byte_of_a_png_is_found() -> None:
    data = encoded(photo(40, 30), "PNG")
    for at in range(len(data)):
        reason(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
