"""SHA256SUMS: a list of checksums beside the photos, as `sha256sum` writes it. Every picture that it names is held against it.

    cd photos && find . -type f ! -name SHA256SUMS -exec sha256sum {} + > SHA256SUMS

Most formats of pictures have no checksum of their own, and after a wrong bit a decoder may go on as if nothing were wrong. This
list finds every change since it was made, and nothing that was wrong before.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from minialex.data.errors import DataError, printable

SUMS = "SHA256SUMS"
LINE = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")  # a backslash first: the name is written with \\ and \n
ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


def read_sums(root: Path) -> dict[str, str] | None:
    """Path from the root -> SHA-256 in lower-case hexadecimal; None where there is no list. Raises DataError."""
    path = root / SUMS
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read: {error.strerror}") from None
    found: dict[str, str] = {}
    for number, raw in enumerate(lines, start=1):
        text = os.fsdecode(raw.removesuffix(b"\r"))
        if not text.strip() or text.startswith("#"):
            continue
        line = LINE.fullmatch(text)
        if line is None:
            raise DataError(f"{printable(path)}: line {number} is not a SHA-256, two spaces and a name, as sha256sum writes it")
        escaped, digest, name = line.groups()
        if escaped:
            name = re.sub(r"\\[\\nr]", lambda pair: ESCAPES[pair[0]], name)
        name, digest = os.path.normpath(name), digest.lower()
        if found.setdefault(name, digest) != digest:
            raise DataError(f"{printable(path)}: line {number} has another SHA-256 for {printable(name)} than a line before")
    return found
