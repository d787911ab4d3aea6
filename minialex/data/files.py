"""Files that are whole or not there at all, whatever ends the process that writes them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minialex.data.errors import DataError, printable


def write_aside(path: Path, data: bytes) -> None:
    """Writes beside the path, syncs, and renames: the path never holds half of it. Raises DataError."""
    aside = path.with_name(path.name + ".part")
    with disk_errors(path):
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        move(aside, path)


def move(source: Path, target: Path) -> None:
    """Renames, and syncs the folder, so that the name outlives a power cut."""
    os.replace(source, target)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """What the system refuses inside becomes a DataError that names the path."""
    try:
        yield
    except OSError as error:
        hint = "; make room, and run the same command again" if error.errno == errno.ENOSPC else ""
        raise DataError(f"{printable(path)}: cannot be written: {error.strerror or error}{hint}") from None


@contextmanager
def lock(path: Path, refusal: str) -> Iterator[None]:
    """While this is held, no other process gets it: DataError(refusal). The system frees it when the process ends."""
    with path.open("ab") as file:
        try:
            import fcntl  # noqa: PLC0415  not on Windows

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except OSError:
            raise DataError(refusal) from None
        yield
