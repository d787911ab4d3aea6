"""Reading prepared pictures: as an array would give them, by many threads, and never from files that are not whole."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minialex.data import shards
from minialex.data.errors import DataError
from minialex.data.photos import find_photos
from minialex.data.prepare import prepare
from minialex.data.shards import is_prepared, open_prepared
from tests.data.folders import SIZE, photo_folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = photo_folder(tmp_path_factory.mktemp("photos") / "raw")
    (root / "train/b/05.png").write_bytes(b"")
    out = root.parent / "out"
    return prepare(find_photos(root), out, size=SIZE, per_file=8, block=4, workers=0, max_bad="1", say=lambda line: None)


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "copy"))


@pytest.mark.parametrize(
    "indices",
    [np.array([3]), np.array([31, 0, 7, 8, 7]), np.array([-1, -32]), slice(None, None, -5), [1, 2], np.array([], int)],
)
def test_it_reads_as_an_array_does(prepared: Path, indices: Any) -> None:
    images = open_prepared(prepared).dataset.train.images
    every = images[np.arange(len(images))]
    assert every.shape == (32, 3, SIZE, SIZE)
    assert every.dtype == np.uint8
    assert every.transpose(0, 2, 3, 1).flags.c_contiguous, "channels-last memory"
    assert np.array_equal(images[indices], every[indices])
    assert images[indices].shape == every[indices].shape
    assert np.array_equal(images[5], every[5])


def test_indices_beyond_the_end(prepared: Path) -> None:
    images = open_prepared(prepared).dataset.test.images
    with pytest.raises(IndexError):
        images[np.array([len(images)])]


def test_what_is_read_is_a_copy(prepared: Path) -> None:
    images = open_prepared(prepared).dataset.train.images
    first = images[np.array([0])]
    before = first.copy()
    first[...] = 0
    assert np.array_equal(images[np.array([0])], before)


def test_many_threads(prepared: Path) -> None:
    dataset = open_prepared(prepared).dataset
    every = open_prepared(prepared).dataset.train.images[np.arange(32)]
    order = [np.random.default_rng(n).permutation(32) for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for indices, got in zip(order, pool.map(dataset.train.images.__getitem__, order), strict=True):
            assert np.array_equal(got, every[indices])


def test_verify_reads_every_byte(prepared: Path) -> None:
    opened, read = open_prepared(prepared), list[int]()
    opened.verify(read.append)
    assert sum(read) == sum(path.stat().st_size for path in prepared.iterdir() if path.name != shards.MANIFEST)


def test_every_file_is_in_the_manifest(prepared: Path) -> None:
    assert set(open_prepared(prepared).manifest["files"]) == {path.name for path in prepared.iterdir()} - {shards.MANIFEST}


def names() -> list[str]:
    pixels = [f"train-{n:05d}.u8" for n in range(5)] + [f"val-{n:05d}.u8" for n in range(2)]
    return [
        *pixels,
        *(f"{part}-{what}" for part in shards.PARTS for what in ("labels.npy", "slots.npy", "paths.txt")),
        "bad.csv",
    ]


@pytest.mark.parametrize("name", [*names(), "mean-image.npy"])
def test_any_flipped_bit_missing_byte_or_missing_file_is_found(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(DataError, match=name) as error:
        open_prepared(copy).verify()
    assert "\n" not in str(error.value)
    (copy / name).write_bytes(data[:-1])
    with pytest.raises(DataError, match=f"{name}: has .* bytes instead of"):
        open_prepared(copy)
    (copy / name).unlink()
    with pytest.raises(DataError, match=name):
        open_prepared(copy)


def test_small_files_are_verified_when_opened(copy: Path) -> None:
    for name in ("train-labels.npy", "val-slots.npy", "mean-image.npy"):
        data = bytearray((copy / name).read_bytes())
        data[-1] ^= 1
        (copy / name).write_bytes(data)
        with pytest.raises(DataError, match=f"{name}: its SHA-256"):
            open_prepared(copy)
        data[-1] ^= 1
        (copy / name).write_bytes(data)


def test_a_damaged_manifest(copy: Path) -> None:
    path = copy / shards.MANIFEST
    whole = path.read_bytes()
    for at in range(0, len(whole) - 2, 41):
        path.write_bytes(whole[:at])
        with pytest.raises(DataError, match=r"manifest.json"):
            open_prepared(copy)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        if json.loads(whole) != parsed(path):
            with pytest.raises(DataError, match=r"manifest.json"):
                open_prepared(copy)
    for other in (b"[]", b"null", b"\xff\xfe", b"{}"):
        path.write_bytes(other)
        with pytest.raises(DataError, match="damaged"):
            open_prepared(copy)


def parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def test_another_schema(copy: Path) -> None:
    path = copy / shards.MANIFEST
    manifest = json.loads(path.read_text())
    manifest.pop("sha256")
    manifest["schema"] = 99
    path.write_text(json.dumps({**manifest, "sha256": shards.seal(manifest)}))
    with pytest.raises(DataError, match="schema 99"):
        open_prepared(copy)


def test_a_folder_that_is_not_prepared(tmp_path: Path) -> None:
    assert not is_prepared(tmp_path)
    with pytest.raises(DataError, match="no prepared pictures there"):
        open_prepared(tmp_path)
