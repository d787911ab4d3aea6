"""Writing so that nothing is lost: aside, onto the disk, then renamed; and a failure in words.

A rename is the only moment at which a name changes what it stands for, and it is atomic: whoever is killed, whenever, leaves
under the name the old file or the new one. The data are synced before the rename, so that a power cut cannot leave the new name
with old or no bytes, and the folder after it.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minialex.arrays import Array

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ASIDE = r"\.[0-9a-f]{8}\.tmp"  # what follows the name of a file that is still being made


class CheckpointError(Exception):
    """A file or folder that cannot be used, and why, in one line. Nothing has been changed."""

    def __init__(self, path: str | Path | None, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        line = f"{self.path or 'the state'}: {self.reason}"
        return "".join(letter if letter.isprintable() else "?" for letter in line)


@contextmanager
def explained(path: Path, what: str, needed: int = 0) -> Iterator[None]:
    """Any OSError inside becomes a CheckpointError: `what` ("cannot be read") and why. needed: bytes, if room may be short."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in NO_ROOM:
            free = room(path.parent)
            missing = f", {needed - free:,} are missing" if needed > free else ""
            why = f"{why}: {needed:,} bytes are needed, there is room for {free:,}{missing}; what was saved before is whole"
        elif isinstance(error, FileNotFoundError) and not path.parent.is_dir():
            why = f"there is no folder {path.parent}"
        raise CheckpointError(path, f"{what}: {why}") from error


def room(folder: Path) -> int:
    """How many bytes a file in this folder can have: what is free, or the limit on files where that is less."""
    while not folder.is_dir():  # it is still to be made
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    with suppress(ImportError):
        import resource  # noqa: PLC0415  Unix only

        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        free = free if limit == resource.RLIM_INFINITY else min(free, limit)
    return free


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A free name beside `path` for a file that is still being made; what is left under it at the end is removed."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield new
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


@contextmanager
def written(path: Path, size: int, head: bytes, parts: Iterable[Array]) -> Iterator[Path]:
    """A file of `size` bytes beside `path`, whole and on the disk, for the caller to rename; the folder is synced after that.

    Whatever fails, here or in the caller's block, leaves `path` whole and no other file; an OSError becomes CheckpointError.
    """
    if path.is_dir():
        raise CheckpointError(path, "cannot be written: it is a folder")
    with explained(path, "cannot be written", size), aside(path) as new:
        with new.open("xb") as file:
            file.write(head)
            for part in parts:
                file.write(part.data)
            file.flush()
            os.fsync(file.fileno())
        yield new
        sync_folder(path.parent)


def second_name(source: Path, target: Path) -> None:
    """Let `target` stand for the file that is now `source`, at once, whatever it stood for before.

    A hard link: no time, no room. Where the file system has none, a copy.
    """
    with aside(target) as new:
        try:
            os.link(source, new)
        except OSError:
            shutil.copyfile(source, new)
            with new.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(new, target)


def sync_folder(folder: Path) -> None:
    """The names in this folder, onto the disk; nothing where the system or the file system has no such thing."""
    if os.name != "posix":
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(place)
