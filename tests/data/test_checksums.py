"""SHA256SUMS beside the photos: read as sha256sum writes it, and every change since is found."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minialex.data.checksums import SUMS, read_sums
from minialex.data.errors import BadPicture, DataError
from minialex.data.photos import find_photos
from minialex.data.pictures import read_picture
from minialex.data.prepare import prepare
from minialex.data.shards import open_prepared


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Twelve BMPs, a format in which no reader can find a changed byte."""
    root, rng = tmp_path / "album", np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("blue", "red"):
            (root / part / name).mkdir(parents=True)
            for n in range(3):
                pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{n}.bmp")
    return root


def write_sums(root: Path, *, first: str = "./") -> dict[str, str]:
    sums = {str(path.relative_to(root)): sha(path) for path in sorted(root.rglob("*.bmp"))}
    (root / SUMS).write_text("".join(f"{digest}  {first}{name}\n" for name, digest in sums.items()))
    return sums


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    path.write_bytes(data)


def test_there_need_not_be_one(album: Path) -> None:
    assert read_sums(album) is None


@pytest.mark.parametrize("first", ["./", ""])
def test_paths_from_the_folder(album: Path, first: str) -> None:
    sums = write_sums(album, first=first)
    assert read_sums(album) == sums
    assert len(sums) == 12


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_it_is_the_list_that_sha256sum_writes(tmp_path: Path) -> None:
    """Also for names with what must be escaped, and with bytes that are no UTF-8; in text and in binary mode."""
    names = ["a b.jpg", "two\nlines.jpg", "back\\slash.jpg", "ümlaut.jpg", os.fsdecode(b"\xff\xfe.jpg")]
    for name in names:
        try:
            (tmp_path / name).write_bytes(os.fsencode(name))
        except OSError:
            pytest.skip("this file system does not take every name")
    for mode in ("--text", "--binary"):
        made = subprocess.run(["sha256sum", mode, "--", *names], cwd=tmp_path, capture_output=True, check=True)
        (tmp_path / SUMS).write_bytes(b"# a comment\n\n" + made.stdout)
        assert read_sums(tmp_path) == {name: sha(tmp_path / name) for name in names}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("what is this", "line 1 is not a SHA-256"),
        (f"{'a' * 64}  x.jpg\n{'a' * 63}  y.jpg\n", "line 2 is not a SHA-256"),
        (f"{'a' * 64}  x.jpg\n{'b' * 64}  ./x.jpg\n", "line 2 has another SHA-256 for x.jpg"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / SUMS).write_text(text)
    with pytest.raises(DataError, match=says) as error:
        read_sums(tmp_path)
    assert "\n" not in str(error.value)


def test_a_picture_is_held_against_its_checksum(album: Path) -> None:
    path = album / "train/red/1.bmp"
    before = sha(path)
    read_picture(path, before)
    change_a_byte(path)
    read_picture(path)  # nothing shows
    with pytest.raises(BadPicture, match="damaged or changed: SHA256SUMS has another checksum for it"):
        read_picture(path, before)


def test_changed_pictures_are_left_out_and_named(album: Path, tmp_path: Path) -> None:
    write_sums(album)
    change_a_byte(album / "train/red/1.bmp")
    (album / "val/blue/2.bmp").unlink()
    shutil.copy(album / "train/blue/0.bmp", album / "train/blue/new.bmp")  # not in the list
    said: list[str] = []
    prepare(find_photos(album), tmp_path / "out", size=16, workers=0, max_bad="1", say=said.append)
    assert "SHA256SUMS: 11 of 12 pictures are held against it; 1 that it names are not here" in said
    bad = list(csv.DictReader((tmp_path / "out/bad.csv").open()))
    assert [(row["path"], row["reason"]) for row in bad] == [
        ("train/red/1.bmp", "damaged or changed: SHA256SUMS has another checksum for it")
    ]
    assert len(open_prepared(tmp_path / "out").dataset.train) == 6


def test_another_list_is_another_preparation(album: Path, tmp_path: Path) -> None:
    prepare(find_photos(album), tmp_path / "out", size=16, workers=0, say=lambda line: None)
    write_sums(album)
    with pytest.raises(DataError, match="holds other prepared pictures"):
        prepare(find_photos(album), tmp_path / "out", size=16, workers=0, say=lambda line: None)
