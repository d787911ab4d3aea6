"""Damaged pictures by the thousand: which are found, by format and by kind of damage.

    python -m tests.fuzz_pictures                                      # 2,000, made of generated pictures
    python -m tests.fuzz_pictures --photos flowers --count 12600       # of your own JPEGs; docs/data.md has this table

A row is a format, a column a kind of damage. Counted are the damaged files that matter: those that Pillow refuses, or of which
it makes a picture visibly changed, by half a grey level on average or more. "97 (4)" means: minialex left out 97% of them,
and Pillow alone would have refused 4%. Every file, whether it matters or not, must give a picture or one line with the
reason; with a SHA256SUMS beside the photos every one must be found; PNGs, and files cut short, must be found without one. The
command ends with 1 at the first file for which that is not so.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from minialex.data.errors import BadPicture
from minialex.data.pictures import CHANGED, decode, read_picture

Rng = np.random.Generator
Array = np.ndarray[Any, Any]
VISIBLE = 0.5  # grey levels, on average over the picture

# ---- formats ---------------------------------------------------------------------------------------------------------


def saved(format: str, **options: Any) -> Callable[[Image.Image, bytes], bytes]:
    """(a picture, the file that it came from) -> a file of this format."""

    def save(picture: Image.Image, file: bytes) -> bytes:
        data = io.BytesIO()
        (picture.quantize(256) if format == "GIF" else picture).save(data, format, **options)
        return data.getvalue()

    return save


FORMATS: dict[str, Callable[[Image.Image, bytes], bytes]] = {
    "JPEG, sequential": lambda picture, file: file or saved("JPEG")(picture, file),  # a photo as it is
    "JPEG, progressive": saved("JPEG", progressive=True),
    "JPEG, with restarts": saved("JPEG", restart_marker_rows=1),
    "PNG": saved("PNG", compress_level=1),
    "GIF": saved("GIF"),
    "WebP": saved("WEBP", method=0),
    "BMP": saved("BMP"),
}
# ---- damage ----------------------------------------------------------------------------------------------------------


def cut(data: bytes, rng: Rng) -> bytes:
    """As a broken download leaves it."""
    return data[: rng.integers(len(data))]


def closed(data: bytes, rng: Rng) -> bytes:
    """Cut, and then made to look whole: with the format's own end, or a header with the new length."""
    left = bytearray(cut(data, rng))
    if data.startswith(b"\xff\xd8"):
        return bytes(left) + b"\xff\xd9"
    if data.startswith(b"\x89PNG"):
        return bytes(left) + data[-12:]
    if data.startswith(b"GIF"):
        return bytes(left) + b"\0;"
    if data.startswith(b"RIFF"):
        left[4:8] = max(0, len(left) - 8).to_bytes(4, "little")
    else:
        left[2:6] = len(left).to_bytes(4, "little")
    return bytes(left)


def lost(data: bytes, rng: Rng) -> bytes:
    """Up to 4096 bytes in the middle are not there."""
    start = rng.integers(len(data))
    return data[:start] + data[start + rng.integers(1, 4097) :]


def zeros(data: bytes, rng: Rng) -> bytes:
    """4096 bytes are zeros, as a disk leaves them after a power cut."""
    start = int(rng.integers(len(data)))
    return data[:start] + bytes(min(4096, len(data) - start)) + data[start + 4096 :]


def four_bytes(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for at in rng.choice(len(data), 4, replace=False):
        changed[at] ^= int(rng.integers(1, 256))
    return bytes(changed)


def one_byte(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    changed[rng.integers(len(data))] ^= int(rng.integers(1, 256))
    return bytes(changed)


def one_bit(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    changed[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


DAMAGES: dict[str, Callable[[bytes, Rng], bytes]] = {
    "cut short": cut,
    "cut and closed": closed,
    "bytes lost": lost,
    "4096 zeros": zeros,
    "4 bytes": four_bytes,
    "1 byte": one_byte,
    "1 bit": one_bit,
}
MUST_BE_FOUND = {("cut short", format) for format in FORMATS} | {(damage, "PNG") for damage in DAMAGES}


# ---- the judge -------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """Of one format and one kind of damage: how many files there were, how many mattered, and who noticed these."""

    files: int = 0
    matter: int = 0
    noticed: int = 0
    pillow: int = 0

    def __str__(self) -> str:
        if not self.matter:
            return "-"
        return f"{100 * self.noticed / self.matter:.0f} ({100 * self.pillow / self.matter:.0f})"


class Wrong(AssertionError):
    """A damaged file that did what none may."""


def by_pillow(data: bytes) -> Array | None:
    """What Pillow alone makes of it, as RGB; None where it refuses."""
    try:
        with warnings.catch_warnings(category=Warning, action="ignore"):
            return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except Exception:
        return None


def by_minialex(data: bytes) -> bool:
    """Whether it is left out. Raises Wrong where it ends otherwise than with a picture or one line."""
    try:
        picture = decode(data)
    except BadPicture as error:
        if not error.reason or "\n" in error.reason:
            raise Wrong(f"its reason is no line: {error.reason!r}") from None
        return True
    except Exception as error:
        raise Wrong(f"{type(error).__name__}: {error}") from error
    if picture.mode != "RGB":
        raise Wrong(f"a picture in mode {picture.mode}")
    return False


def visibly(sound: Array, damaged: Array) -> bool:
    if sound.shape != damaged.shape:
        return True
    return bool(np.abs(sound.astype(np.int16) - damaged).mean() >= VISIBLE)


def look(tally: Tally, sound: Array, damaged: bytes, must: bool) -> None:
    """One damaged file. Raises Wrong."""
    tally.files += 1
    left_out, alone = by_minialex(damaged), by_pillow(damaged)
    if alone is None or visibly(sound, alone):
        tally.matter += 1
        tally.noticed += left_out
        tally.pillow += alone is None
        if must and not left_out:
            raise Wrong("it was taken for a whole picture")


def against_its_checksum(path: Path, whole: bytes, damaged: bytes) -> None:
    """With a SHA256SUMS nothing that differs in one bit is taken. Raises Wrong."""
    path.write_bytes(damaged)
    try:
        read_picture(path, hashlib.sha256(whole).hexdigest())
    except BadPicture as error:
        if error.reason != CHANGED:
            raise Wrong(f"not its checksum, but: {error.reason}") from None
        return
    if damaged != whole:
        raise Wrong("its checksum was not looked at")


def pictures(photos: Path | None, rng: Rng) -> Iterator[tuple[Image.Image, bytes]]:
    """Photos from the folder, with their files, or generated ones, without end."""
    files = sorted(photos.rglob("*.jp*g")) if photos is not None else []
    if photos is not None and not files:
        raise SystemExit(f"{photos}: there are no JPEGs in it")
    while True:
        if files:
            data = files[rng.integers(len(files))].read_bytes()
            yield Image.open(io.BytesIO(data)).convert("RGB"), data
        else:
            yield generated(*map(int, rng.integers(60, 160, 2)), rng), b""


def generated(width: int, height: int, rng: Rng) -> Image.Image:
    """Like a photo to an encoder: slopes, edges and noise."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    waves = 120 + 100 * np.sin(rng.uniform(3, 12) * x + rng.uniform(3, 12) * y)
    base = np.stack([200 * x, 255 * y, waves], axis=-1) + 60 * (x > y * rng.uniform(0.5, 2))[..., None]
    return Image.fromarray((base + rng.normal(0, 6, base.shape)).clip(0, 255).astype(np.uint8))


def fuzz(count: int, seed: int = 0, photos: Path | None = None) -> dict[tuple[str, str], Tally]:
    """(damage, format) -> what came of about `count` damaged files in all. Raises Wrong, with the number of the file."""
    cells = [(damage, format) for format in FORMATS for damage in DAMAGES]
    tallies = {cell: Tally() for cell in cells}
    source = pictures(photos, np.random.default_rng([seed, 0]))
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        while number < count:
            picture, file = next(source)
            for format, encode in FORMATS.items():
                whole = encode(picture, file)
                sound = by_pillow(whole)
                if sound is None or by_minialex(whole):
                    raise Wrong(f"a sound {format} is refused (seed {seed}, before file {number})")
                for damage, spoil in DAMAGES.items():
                    damaged = spoil(whole, np.random.default_rng([seed, 1, number]))
                    try:
                        look(tallies[damage, format], sound, damaged, (damage, format) in MUST_BE_FOUND)
                        against_its_checksum(Path(folder) / "x", whole, damaged)
                    except Wrong as error:
                        raise Wrong(f"file {number}, seed {seed}: {format}, {damage}: {error}") from error
                    number += 1
    return tallies


def table(tallies: dict[tuple[str, str], Tally]) -> str:
    """Markdown: a row a format, a column a kind of damage."""
    heading = ["% left out (by Pillow alone)", *DAMAGES]
    rows = [[format, *(str(tallies[damage, format]) for damage in DAMAGES)] for format in FORMATS]
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = [heading, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Damage pictures, and count which are found.")
    parser.add_argument("--count", type=int, default=2_000, help="damaged files, at least (default: 2000)")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="JPEGs to be damaged (default: generated pictures)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        tallies = fuzz(options.count, options.seed, options.photos)
    except Wrong as error:
        print(f"FAILED: {error}")
        return 1
    files, matter, noticed = (
        sum(getattr(tally, name) for tally in tallies.values()) for name in ("files", "matter", "noticed")
    )
    print(table(tallies))
    print(
        f"\n{files:,} damaged files, none ended otherwise than with a picture or one line; {matter:,} were visibly changed or"
    )
    print(f"refused by Pillow, and {noticed:,} of these were left out; with SHA256SUMS beside them, all {files:,} were")
    return 0


if __name__ == "__main__":
    sys.exit(main())
