r"""The checkpoint file: a first line, a header, and the bytes of the arrays, back to back.

    minialex checkpoint 1 <SHA-256 of the header> <bytes of the header>\n
    {"arrays": [{"dtype": "<f4", "name": ..., "sha256": ..., "shape": [...]}, ...], "generators": ..., "meta": ..., ...}\n
    <array 0><array 1>...

The first line vouches for the header, the header for each array and for the length of the file. So one byte that is wrong,
missing or too many is found before anything is used, wherever it is; and as nothing is pickled, packed or compressed,
reading a file from elsewhere runs no code and takes no more memory than the file has bytes. The arrays are in the order of
their names and the header's keys are sorted: equal states make equal files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minialex import __version__
from minialex.arrays import Array, Shape
from minialex.checkpoint.disk import CheckpointError, explained, written

FORMAT = 1
FIRST_LINE = re.compile(rb"minialex checkpoint ([1-9]\d{0,8}) ([0-9a-f]{64}) ([1-9]\d{0,8})\n")
LONGEST_HEADER = 1 << 26  # bytes: a history of a million rows; a file that claims more is not read
CHUNK = 1 << 20  # bytes read and hashed at a time: they are hashed while they are still in the cache
DTYPES = {
    np.dtype(order + kind).str: np.dtype(order + kind)
    for order in "<>"
    for kind in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
}


@dataclass
class State:
    """All that a run needs to go on.

    arrays: host arrays of numbers or booleans, by name ("params/conv2.0.weight", "velocity/fc8.bias").
    generators: the `bit_generator.state` of each random generator, by name; those of default_rng (PCG64). Their 128-bit
        integers survive exactly.
    meta: whatever else the run must remember, as JSON has it: dicts with string keys, lists, strings, ints of any size, floats
        (nan and infinity too), booleans, None. A tuple comes back as a list.
    version: the minialex that wrote it. path: the file that it was loaded from.
    """

    arrays: dict[str, Array]
    generators: dict[str, dict[str, Any]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    version: str = __version__
    path: Path | None = field(default=None, compare=False)

    def expect(self, *keys: str) -> None:
        """Raise CheckpointError unless these are the keys of `meta`, all of them and no other."""
        missing, unknown = sorted(set(keys) - self.meta.keys()), sorted(self.meta.keys() - set(keys))
        if missing or unknown:
            raise CheckpointError(self.path, f"is of another kind of run: meta misses {missing}, and has unknown {unknown}")


def save(path: str | Path, state: State) -> None:
    """Write the state so that `path` is at every moment the old file or the new one, whole; and on the disk when this returns.

    CheckpointError where it cannot be written: the old file is still whole, and nothing else is left behind. TypeError or
    ValueError for a state that no file can hold (an array of objects, meta that is not JSON): nothing has been written.
    """
    path = Path(path)
    with writing(path, state) as new:
        os.replace(new, path)


def load(path: str | Path) -> State:
    """The state in this file, every byte of it verified; else CheckpointError."""
    with _opened(Path(path)) as content:
        arrays = dict(content.arrays())
    return State(arrays, content.generators, content.meta, content.version, Path(path))


def verify(path: str | Path) -> None:
    """As `load`, but keeps nothing: no more than one array is in memory at a time."""
    with _opened(Path(path)) as content:
        for _ in content.arrays():
            pass


@contextmanager
def writing(path: Path, state: State) -> Iterator[Path]:
    """The state, whole and on the disk, in a file beside `path`: the caller renames it. See `disk.written`."""
    names = sorted(state.arrays)
    head = _head(state, names)
    size = len(head) + sum(state.arrays[name].nbytes for name in names)
    parts = (_flat(state.arrays[name]) for name in names)
    with written(path, size, head, parts) as new:
        yield new


def _head(state: State, names: list[str]) -> bytes:
    """The first line and the header."""
    arrays = []
    for name in names:
        array = state.arrays[name]
        if array.dtype.str not in DTYPES:
            raise TypeError(f"a checkpoint holds numbers and booleans of at most 8 bytes; {name} is {array.dtype}")
        digest = hashlib.sha256(_flat(array).data).hexdigest()
        arrays.append({"name": name, "dtype": array.dtype.str, "shape": list(array.shape), "sha256": digest})
    content = {"arrays": arrays, "generators": state.generators, "meta": state.meta, "version": state.version}
    _check_keys(content)
    header = json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"
    if len(header) > LONGEST_HEADER:
        raise ValueError(f"meta is too long for a checkpoint: {len(header):,} bytes, at most {LONGEST_HEADER:,}")
    return b"minialex checkpoint %d %s %d\n" % (FORMAT, hashlib.sha256(header).hexdigest().encode(), len(header)) + header


def _check_keys(value: object) -> None:
    """json.dumps would quietly make the key 1 a "1"."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a checkpoint's meta has only strings for keys, got {key!r}")
            _check_keys(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            _check_keys(inside)


def _flat(array: Array) -> Array:
    """The array's bytes in C order, of shape (nbytes,): a view where the memory allows it."""
    return np.asarray(array, order="C").reshape(-1).view(np.uint8)


class _Row(NamedTuple):
    """What the header says of one array."""

    name: str
    dtype: np.dtype[Any]
    shape: Shape
    sha256: str

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass
class _Content:
    """An open checkpoint whose header has been verified."""

    path: Path
    file: BufferedReader
    rows: list[_Row]
    generators: dict[str, dict[str, Any]]
    meta: dict[str, Any]
    version: str

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Each array and its name, once its bytes are what the header says."""
        for row in self.rows:
            flat, digest = np.empty(row.nbytes, np.uint8), hashlib.sha256()
            for start in range(0, row.nbytes, CHUNK):
                chunk = flat[start : start + CHUNK]
                if self.file.readinto(chunk.data) != len(chunk):
                    raise CheckpointError(self.path, f"is damaged: it ends within {row.name}")
                digest.update(chunk.data)
            if digest.hexdigest() != row.sha256:
                raise CheckpointError(self.path, f"is damaged: the bytes of {row.name} are not those that were saved")
            yield row.name, flat.view(row.dtype).reshape(row.shape)


@contextmanager
def _opened(path: Path) -> Iterator[_Content]:
    try:
        with explained(path, "cannot be read"):
            kind = path.stat().st_mode
            if not stat.S_ISREG(kind):
                what = "a folder" if stat.S_ISDIR(kind) else "not a regular file"
                raise CheckpointError(path, f"is {what}, not a checkpoint")
            with path.open("rb") as file:
                yield _content(path, file)
    except MemoryError:
        raise CheckpointError(path, "does not fit into this machine's memory") from None


def _content(path: Path, file: BufferedReader) -> _Content:
    """Read and verify the first line and the header, and that the file has the length that they say."""
    size, line = os.fstat(file.fileno()).st_size, file.readline(128)
    first = FIRST_LINE.fullmatch(line)
    if not line:
        raise CheckpointError(path, "is empty")
    if newer := re.match(rb"minialex checkpoint ([1-9]\d{0,8}) ", line):
        if int(newer[1]) != FORMAT:
            raise CheckpointError(path, f"has format {int(newer[1])}; this minialex ({__version__}) reads format {FORMAT}")
    elif not line.startswith(b"minialex checkpoint"):
        raise CheckpointError(path, f"is not a minialex checkpoint: it starts with {line[:20]!r}")
    if not first:
        raise CheckpointError(path, "is damaged: its first line is cut or changed")
    length = int(first[3])
    if length > min(LONGEST_HEADER, size - len(line)):
        raise CheckpointError(path, f"is damaged: {size:,} bytes are too few for its header of {length:,}")
    header = file.read(length)
    if hashlib.sha256(header).hexdigest().encode() != first[2]:
        raise CheckpointError(path, "is damaged: the header is not the one that was saved")
    try:
        content = _Content(path, file, *_parse(header))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(path, f"has a header that this minialex cannot read: {error}") from None
    whole = len(line) + length + sum(row.nbytes for row in content.rows)
    if size != whole:
        raise CheckpointError(path, f"is damaged: it has {size:,} bytes instead of {whole:,}")
    return content


def _parse(header: bytes) -> tuple[list[_Row], dict[str, dict[str, Any]], dict[str, Any], str]:
    match json.loads(header):
        case {"arrays": list(rows), "generators": dict(generators), "meta": dict(meta), "version": str(version), **others}:
            if others:
                raise ValueError(f"unknown entry {min(map(str, others))!r}")
        case _:
            raise ValueError("arrays, generators, meta or version is missing or of another kind")
    parsed = [_row(row) for row in rows]
    if len({row.name for row in parsed}) != len(parsed):
        raise ValueError("two arrays have the same name")
    if not all(isinstance(state, dict) for state in generators.values()):
        raise ValueError("the state of a generator is of another kind")
    return parsed, generators, meta, version


def _row(row: object) -> _Row:
    match row:
        case {"name": str(name), "dtype": str(dtype), "shape": list(shape), "sha256": str(sha256), **others} if not others:
            sizes = all(type(size) is int and size >= 0 for size in shape) and len(shape) <= 64
            # NumPy's own limit, which takes an axis of 0 as 1
            if dtype in DTYPES and sizes and math.prod(size or 1 for size in shape) * DTYPES[dtype].itemsize < 1 << 63:
                return _Row(name, DTYPES[dtype], tuple(shape), sha256)
    raise ValueError(f"{str(row)[:100]} describes no array")
