"""Is a PNG, GIF, WebP or BMP file whole? And what is a file that is none of them nor a JPEG?"""

from __future__ import annotations

import zlib
from collections.abc import Callable

CUT = "cut short: bytes are missing at its end"
DAMAGED = "damaged: a checksum in it is wrong"


def check(format: str, data: bytes) -> None:
    """Raises ValueError with the reason unless the container is whole. format as Pillow names it."""
    CHECKS[format](data)


def _png(data: bytes) -> None:
    """Every chunk up to IEND: length, type, body, CRC-32 of type and body (PNG specification, section 5)."""
    at = 8
    while True:
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        if end > len(data):
            raise ValueError(CUT)
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ValueError(DAMAGED)
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end


def _gif(data: bytes) -> None:
    """Every block up to the end of the first picture: its data come in pieces of 1..255 bytes, and an empty one ends them."""
    at = 13 + _gif_colours(data[10:11])
    while True:
        kind = data[at : at + 1]
        if kind == b"\x2c":
            at = _gif_pieces(data, at + 11 + _gif_colours(data[at + 9 : at + 10]))
            return
        if kind != b"\x21":
            raise ValueError(CUT if not kind else "damaged: it has no picture where one must be")
        at = _gif_pieces(data, at + 2)


def _gif_colours(flags: bytes) -> int:
    """The bytes of the colour table that these flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _gif_pieces(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    if at >= len(data):
        raise ValueError(CUT)
    return at + 1


def _webp(data: bytes) -> None:
    if 8 + int.from_bytes(data[4:8], "little") > len(data):
        raise ValueError(CUT)


def _bmp(data: bytes) -> None:
    if int.from_bytes(data[2:6], "little") > len(data):
        raise ValueError(CUT)


CHECKS: dict[str, Callable[[bytes], None]] = {"PNG": _png, "GIF": _gif, "WEBP": _webp, "BMP": _bmp}


def what_else(data: bytes) -> str:
    """Why this file is not a picture, as far as its first bytes tell."""
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<svg")):
        return "it is a web page or XML, not a picture"
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF or a film: save it as JPEG or PNG"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF or a camera's raw file: save it as JPEG or PNG"
    if data[:4] == b"%PDF":
        return "it is a PDF, not a picture"
    if not any(data[:512]):
        return "it begins with nothing but zeros"
    return "it is not a JPEG, PNG, GIF, BMP or WebP, or its header is damaged"
