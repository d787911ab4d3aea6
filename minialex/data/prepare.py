"""The preparation: a set of photos -> a folder that training reads (shards.py says what is in it).

Each picture has a slot of its own from the start, so that blocks of pictures can be made in any order, by any number of
processes, and the bytes come out the same. A block is written to its place and synced, and only then entered in a journal;
killed at any moment, the preparation goes on from the journal, and what was half written is written again. When all blocks
are there, the files are read back once, for their SHA-256 and the sums behind the mean image and the colours' covariance.
The manifest comes last: a folder that has one is finished.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
from PIL import features

from minialex.arrays import Array
from minialex.data import pictures, shards
from minialex.data.checksums import SUMS, read_sums
from minialex.data.colours import Sums
from minialex.data.crew import Crew, crew
from minialex.data.errors import BadPicture, DataError, printable
from minialex.data.files import disk_errors, lock, write_aside
from minialex.data.journal import Journal
from minialex.data.photos import SUFFIXES, Part, Photos
from minialex.data.progress import Progress, amount

BLOCK = 64  # pictures between two entries in the journal
SPARE = 1 << 24  # bytes for all that is not pixels or paths


def prepare(
    photos: Photos,
    out: str | os.PathLike[str],
    *,
    size: int = 256,
    workers: int | None = None,
    max_bad: str = "1%",
    say: Callable[[str], None] = print,
    per_file: int = shards.SLOTS,
    block: int = BLOCK,
) -> Path:
    """Prepares all the photos into the folder `out`, or goes on where an earlier call ended. Returns `out`.

    size: of the square that is kept of each picture, in pixels. workers: processes; None: one for each core; 0: none but
    this one. max_bad: how many pictures may be left out, a number or a percentage; one more, and it ends. per_file, block:
    pictures in a file and in a block; block divides per_file.

    Raises DataError for all that a person can mend. Ends its processes whatever happens to this one.
    """
    if block < 1 or per_file % block:
        raise ValueError(f"block must divide per_file, got {block} and {per_file}")
    work = Work(photos, Path(out), size, per_file, block)
    allowed = Allowance(max_bad, work.total)
    if shards.is_prepared(work.out):
        if shards.open_prepared(work.out).manifest["plan"] != work.plan:
            raise DataError(f"{printable(out)}: holds other prepared pictures; choose another folder, or remove this one")
        shutil.rmtree(work.unfinished, ignore_errors=True)
        say(f"{printable(out)}: already prepared, nothing to do")
        return work.out
    work.begin(say)
    if work.sums is not None:
        say(work.checksums())
    refusal = f"{printable(out)}: another process is preparing this folder now"
    with (
        lock(work.unfinished / "lock", refusal),
        Journal(work.unfinished / "journal.jsonl", shards.PARTS) as journal,
        crew(workers) as workforce,
    ):
        work.reserve(journal)
        work.make_blocks(journal, workforce, allowed)
        work.finish(journal, workforce)
    shutil.rmtree(work.unfinished)
    left_out = allowed.count(journal)
    say(f"{printable(out)}: {work.total - left_out:,} pictures prepared, {left_out:,} left out{' (bad.csv)' * (left_out > 0)}")
    return work.out


class Block(NamedTuple):
    """What a worker does at a time: pictures of a part, from slot `start` on, which begin at a byte of a file.

    sums: the SHA-256 that each must have, where that is known.
    """

    part: str
    start: int
    file: str
    byte: int
    paths: tuple[str, ...]
    sums: tuple[str | None, ...]
    root: str
    size: int


def make_block(block: Block) -> list[tuple[int, str]]:
    """In a worker: reads the pictures, writes and syncs the pixels. Returns slot and reason of those that are bad."""
    pixels = np.zeros((len(block.paths), block.size, block.size, 3), np.uint8)
    bad = []
    for row, (path, sha256) in enumerate(zip(block.paths, block.sums, strict=True)):
        try:
            square = pictures.read_square(os.path.join(block.root, path), block.size, sha256)
            pixels[row] = square.transpose(1, 2, 0)
        except BadPicture as error:
            bad.append((block.start + row, error.reason))
    with disk_errors(block.file), open(block.file, "r+b") as file:
        file.seek(block.byte)
        file.write(pixels.data)
        file.flush()
        os.fsync(file.fileno())
    return bad


def read_back(task: tuple[str, int]) -> tuple[str, Sums]:
    """In a worker: (a file's path, size) -> its SHA-256, and the sums over its pictures. Empty slots are black: they add 0."""
    path, size = task
    digest, sums = hashlib.sha256(), Sums(size, size)
    images = np.memmap(path, np.uint8, mode="r").reshape(-1, size, size, 3)
    for start in range(0, len(images), BLOCK):
        piece = np.asarray(images[start : start + BLOCK])
        digest.update(piece.data)
        sums.add(piece)
    return digest.hexdigest(), sums


class Allowance:
    """max_bad: a number of pictures, or a percentage of the total, rounded up."""

    def __init__(self, max_bad: str, total: int) -> None:
        self.text, self.total = max_bad.strip(), total
        try:
            allowed = float(self.text[:-1]) * total / 100 if self.text.endswith("%") else int(self.text)
            self.limit = math.ceil(allowed)
        except (ValueError, OverflowError):
            allowed = -1
        if allowed < 0:
            raise DataError(f"max-bad must be a number of pictures, or a percentage such as 1%, got {max_bad!r}")

    def count(self, journal: Journal) -> int:
        return sum(map(len, journal.bad.values()))

    def check(self, journal: Journal, table: Path) -> None:
        """Raises DataError if more pictures are bad than is allowed."""
        if self.count(journal) > self.limit:
            raise DataError(
                f"{self.count(journal):,} pictures cannot be read, and --max-bad {self.text} allows {self.limit:,} of "
                f"{self.total:,}; {printable(table)} names them, with the reasons. Mend or remove them, or allow more and go on"
            )


@dataclass
class Work:
    """One preparation: from which photos to which folder. plan: all that decides what bytes come out."""

    photos: Photos
    out: Path
    size: int
    per_file: int
    block: int
    plan: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.parts: dict[str, Part] = {part: getattr(self.photos, part) for part in shards.PARTS}
        self.total = sum(map(len, self.parts.values()))
        self.unfinished = self.out / "unfinished"  # plan, journal and lock, until all is done
        self.picture = self.size * self.size * 3  # bytes
        self.sums = read_sums(self.photos.root)
        self.plan = {
            "name": printable(self.photos.name),
            "classes": [printable(name) for name in self.photos.classes],
            "keys": [printable(key) for key in self.photos.keys],
            "size": self.size,
            "slots_per_file": self.per_file,
            "slots": {part: len(files) for part, files in self.parts.items()},
            "files_sha256": self._listing(),
            "resample": "Pillow, bilinear",
            "background": list(pictures.BACKGROUND),
            "decoders": {
                "Pillow": PIL.__version__,
                "libjpeg-turbo": features.version("libjpeg_turbo"),
                "libwebp": features.version("webp"),
            },
        }
        if self.sums is not None:
            known = "".join(f"{digest}  {path}\n" for path, digest in sorted(self.sums.items()))
            self.plan["checksums_sha256"] = hashlib.sha256(os.fsencode(known)).hexdigest()

    def _listing(self) -> str:
        listing = hashlib.sha256()
        for part, files in self.parts.items():
            for path, label in zip(files.paths, files.labels.tolist(), strict=True):
                listing.update(f"{part}\0{path}\0{label}\n".encode("utf-8", "surrogateescape"))
        return listing.hexdigest()

    def checksums(self) -> str:
        """How many pictures are held against SHA256SUMS, for a person."""
        here = {path for files in self.parts.values() for path in files.paths}
        known = self.sums.keys() if self.sums is not None else set()
        words = f"{SUMS}: {len(here & known):,} of {self.total:,} pictures are held against it"
        absent = [path for path in known - here if os.path.splitext(path)[1].lower() in SUFFIXES]
        return words + (f"; {len(absent):,} that it names are not here" if absent else "")

    def begin(self, say: Callable[[str], None]) -> None:
        """Makes sure that `out` is ours to write to and has room, and says how much is needed. Raises DataError."""
        root, inside, name = self.photos.root.resolve(), self.out.resolve(), printable(self.out)
        if root == inside or root in inside.parents:
            raise DataError(f"{name}: lies in the folder with the photos; choose one outside of it")
        plan = self.unfinished / "plan.json"
        with disk_errors(self.out):
            self.unfinished.mkdir(parents=True, exist_ok=True)
            if plan.exists():
                if json.loads(plan.read_text(encoding="utf-8")) != self.plan:
                    raise DataError(
                        f"{name}: holds an unfinished preparation of other pictures, or with another size or Pillow; "
                        "choose another folder, or remove this one"
                    )
            elif any(entry != self.unfinished for entry in self.out.iterdir()):
                raise DataError(f"{name}: is not empty; choose a new folder")
            pixels, there = (
                self.total * self.picture,
                sum(getattr(file.stat(), "st_blocks", 0) * 512 for file in self.out.glob("*.u8")),
            )
            need = max(0, pixels - there) + SPARE + sum(len(path) + 17 for files in self.parts.values() for path in files.paths)
            free = shutil.disk_usage(self.out).free
            say(
                f"{len(self.photos.train):,} + {len(self.photos.val):,} pictures of {len(self.photos.classes):,} classes: "
                f"{amount(need, 'B')} are needed in {name}{' to go on' if there else ''}, {amount(free, 'B')} are free"
            )
            if free < need:
                raise DataError(f"{name}: {amount(need - free, 'B')} more must be free on this disk")
            write_aside(plan, json.dumps(self.plan).encode())

    def reserve(self, journal: Journal) -> None:
        """Gives every file of pixels its whole length, so that the disk cannot become full half way."""
        for path, slots in self.pixel_files():
            if journal.done and not (path.is_file() and path.stat().st_size == slots * self.picture):
                raise DataError(
                    f"{printable(path)}: was changed or lost half way; remove {printable(self.out)} and begin again"
                )
            with disk_errors(path), path.open("ab") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, slots * self.picture)
                file.truncate(slots * self.picture)

    def pixel_files(self) -> list[tuple[Path, int]]:
        """The files of pixels, and how many slots each has."""
        return [
            (self.out / name, min(self.per_file, len(files) - number * self.per_file))
            for part, files in self.parts.items()
            for number, name in enumerate(shards.shard_names(part, len(files), self.per_file))
        ]

    def make_blocks(self, journal: Journal, workforce: Crew, allowed: Allowance) -> None:
        """All blocks that the journal has not. Raises DataError as soon as too many pictures are bad."""
        todo = [block for block in self.blocks() if (block.part, block.start, len(block.paths)) not in journal.done]
        table = self.out / "bad.csv"
        with Progress("pictures", self.total, " pictures", self.total - sum(len(block.paths) for block in todo)) as progress:
            try:
                allowed.check(journal, table)
                for block, bad in workforce.each(make_block, todo):
                    journal.add(block.part, block.start, len(block.paths), bad)
                    progress.advance(len(block.paths))
                    allowed.check(journal, table)
            finally:
                write_aside(table, self.bad_table(journal))

    def blocks(self) -> Iterator[Block]:
        for part, files in self.parts.items():
            names = shards.shard_names(part, len(files), self.per_file)
            for start in range(0, len(files), self.block):
                file, byte = str(self.out / names[start // self.per_file]), start % self.per_file * self.picture
                paths = files.paths[start : start + self.block]
                sums = tuple(self.sums.get(path) if self.sums is not None else None for path in paths)
                yield Block(part, start, file, byte, paths, sums, str(self.photos.root), self.size)

    def finish(self, journal: Journal, workforce: Crew) -> None:
        """Reads the pixels back, and writes all the rest; the manifest last."""
        good = {
            part: np.array([slot for slot in range(len(files)) if slot not in journal.bad[part]], dtype=np.int64)
            for part, files in self.parts.items()
        }
        for part, slots in good.items():
            if not len(slots):
                raise DataError(f"{part}: not one picture could be read; {printable(self.out / 'bad.csv')} says why")
        written: dict[str, dict[str, Any]] = {}
        total = self._read_back(workforce, written)
        colours = total.colours(len(good["train"]))

        def write(name: str, data: bytes) -> None:
            write_aside(self.out / name, data)
            written[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

        for part, files in self.parts.items():
            write(f"{part}-labels.npy", npy(files.labels[good[part]]))
            write(f"{part}-slots.npy", npy(good[part]))
            write(f"{part}-paths.txt", "\n".join(printable(files.paths[slot]) for slot in good[part]).encode())
        write("mean-image.npy", npy(colours.mean_image))
        write("bad.csv", self.bad_table(journal))
        measured = ("mean_colour", "covariance", "eigenvalues", "eigenvectors")
        manifest = {
            "schema": shards.SCHEMA,
            "plan": self.plan,
            "pictures": {part: len(slots) for part, slots in good.items()},
            "colours": {key: getattr(colours, key).tolist() for key in measured},
            "files": dict(sorted(written.items())),
        }
        text = json.dumps({**manifest, "sha256": shards.seal(manifest)}, indent=1)
        write_aside(self.out / shards.MANIFEST, text.encode() + b"\n")

    def _read_back(self, workforce: Crew, written: dict[str, dict[str, Any]]) -> Sums:
        total = Sums(self.size, self.size)
        lengths = {str(path): slots * self.picture for path, slots in self.pixel_files()}
        with Progress("reading back", sum(lengths.values()), "B") as progress:
            for (path, _), (digest, sums) in workforce.each(read_back, ((path, self.size) for path in lengths)):
                name = os.path.basename(path)
                written[name] = {"bytes": lengths[path], "sha256": digest}
                if name.startswith("train-"):
                    total.merge(sums)
                progress.advance(lengths[path])
        return total

    def bad_table(self, journal: Journal) -> bytes:
        """bad.csv: part, path and reason of each picture that was left out, in the order of the slots."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("part", "path", "reason"))
        for part, files in self.parts.items():
            bad = sorted(journal.bad[part].items())
            table.writerows((part, printable(files.paths[slot]), printable(reason)) for slot, reason in bad)
        return text.getvalue().encode()


def npy(array: Array) -> bytes:
    """An array as the bytes of a .npy file."""
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()
