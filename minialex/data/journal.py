"""What is done of a long task: a line for each piece, appended and synced. A last line cut off by a kill is dropped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from minialex.data.files import disk_errors


class Journal:
    """The blocks of pictures that are done, and what was bad in them.

    done: (part, first slot, number of slots) of each; bad: part -> slot -> why the picture there could not be read.
    """

    def __init__(self, path: Path, parts: Iterable[str]) -> None:
        self.done: set[tuple[str, int, int]] = set()
        self.bad: dict[str, dict[int, str]] = {part: {} for part in parts}
        self._path, whole = path, 0
        with disk_errors(path):
            for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
                try:
                    part, start, count, bad = json.loads(line[: line.index(b"\n")])
                except ValueError:
                    break
                self._note(part, start, count, bad)
                whole += len(line)
            self._file = path.open("ab")
            self._file.truncate(whole)

    def add(self, part: str, start: int, count: int, bad: list[tuple[int, str]]) -> None:
        """Notes a block whose pixels are safe on the disk."""
        with disk_errors(self._path):
            self._file.write(json.dumps([part, start, count, bad]).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self._note(part, start, count, bad)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _note(self, part: str, start: int, count: int, bad: Iterable[tuple[int, str]]) -> None:
        self.done.add((part, start, count))
        self.bad[part].update((slot, reason) for slot, reason in bad)
