"""What a command writes where the user says: a new file, whole, or none; never over another."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from minialex.console import Refused
from minialex.data.errors import printable


def check_new(path: str | Path) -> None:
    """Raises Refused where there is something already, or no folder to write into: best known before the work."""
    path = Path(path)
    if os.path.lexists(path):
        raise Refused(f"{printable(path)} exists already, and nothing is ever overwritten; choose another name")
    if not path.parent.is_dir():
        raise Refused(f"{printable(path)} cannot be written: there is no folder {printable(path.parent)}")


def write_new(path: str | Path, data: bytes) -> None:
    """Writes the file, on to the disk; raises Refused where one has appeared meanwhile, or it cannot be written."""
    path = Path(path)
    made = False
    try:
        with path.open("xb") as file:
            made = True
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        check_new(path)
        raise
    except OSError as error:
        if made:
            with suppress(OSError):
                path.unlink()
        raise Refused(f"{printable(path)} cannot be written: {error.strerror or error}") from None


def numbered(path: str | Path) -> Path:
    """The path, or where it is taken path-2, path-3, ...: predictions.png, predictions-2.png."""
    path = Path(path)
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
