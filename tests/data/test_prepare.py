"""The preparation: what it writes, and that it writes the same whatever happens while it does."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minialex.data import prepare as preparation
from minialex.data.colours import Sums
from minialex.data.crew import crew
from minialex.data.errors import DataError
from minialex.data.photos import Photos, find_photos
from minialex.data.pictures import read_square
from minialex.data.prepare import prepare
from minialex.data.shards import Prepared, open_prepared
from tests.data.folders import SIZE, photo_folder

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"size": SIZE, "per_file": 16, "block": 4}


def quiet(photos: Photos, out: Path, **options: object) -> Prepared:
    settings = {**SMALL, "workers": 0, "say": lambda line: None, **options}
    return open_prepared(prepare(photos, out, **settings))  # type: ignore[arg-type]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_folder(tmp_path_factory.mktemp("photos") / "raw")


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preparation that nothing has interrupted."""
    out = tmp_path_factory.mktemp("whole") / "out"
    quiet(find_photos(raw), out)
    return out


def test_every_picture_is_there_with_its_label(raw: Path, whole: Path) -> None:
    dataset = open_prepared(whole).dataset
    photos = find_photos(raw)
    assert dataset.classes == ("a", "b", "c")
    for split, part in ((dataset.train, photos.train), (dataset.test, photos.val)):
        assert np.array_equal(split.labels, part.labels)
        for n, path in enumerate(part.paths):
            assert np.array_equal(split.images[np.array([n])][0], read_square(raw / path, SIZE))
            assert split.images.where(n) == path  # type: ignore[attr-defined]


def test_the_statistics_are_those_of_the_training_pictures(whole: Path) -> None:
    prepared = open_prepared(whole)
    images = prepared.dataset.train.images[np.arange(len(prepared.dataset.train))].astype(np.float64)
    colours = images.transpose(1, 0, 2, 3).reshape(3, -1)
    got = prepared.colours
    assert got.mean_image.dtype == np.float32
    assert np.array_equal(got.mean_image, images.mean(axis=0).astype(np.float32))
    assert np.array_equal(prepared.dataset.mean, got.mean_image)
    assert np.allclose(got.mean_colour, colours.mean(axis=1), rtol=1e-13)
    assert np.allclose(got.covariance, np.cov(colours, bias=True), rtol=1e-12)
    assert np.allclose(got.covariance @ got.eigenvectors, got.eigenvectors * got.eigenvalues, rtol=1e-10)
    assert np.allclose(got.eigenvectors.T @ got.eigenvectors, np.eye(3))
    assert (np.diff(got.eigenvalues) < 0).all()


def test_sums_do_not_depend_on_the_order_or_on_how_they_are_parted() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 9, 7, 3), dtype=np.uint8)
    one, parted = Sums(9, 7), Sums(9, 7)
    one.add(images)
    for part in np.split(images[::-1], [1, 13, 20]):
        piece = Sums(9, 7)
        piece.add(part)
        parted.merge(piece)
    a, b = one.colours(), parted.colours()
    for field in ("mean_image", "mean_colour", "covariance", "eigenvalues", "eigenvectors"):
        assert np.array_equal(getattr(a, field), getattr(b, field)), field


@pytest.mark.parametrize("options", [{"workers": 2}, {"workers": 3, "block": 2}, {"workers": 0, "block": 16}])
def test_the_same_bytes_for_any_number_of_workers(raw: Path, whole: Path, tmp_path: Path, options: dict[str, int]) -> None:
    quiet(find_photos(raw), tmp_path / "out", **options)
    assert content(tmp_path / "out") == content(whole)


class Killed(Exception):
    pass


def test_it_goes_on_from_any_place_where_it_was_left(
    raw: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended before one sync after the other: of blocks, of the journal, of tables, of the manifest, and of the folder."""
    photos, out, calls, last = find_photos(raw), tmp_path / "out", 0, 0
    sync = os.fsync

    def mortal(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls > last:
            raise Killed
        sync(file)

    monkeypatch.setattr(os, "fsync", mortal)
    finished = False
    while not finished:
        calls, last = 0, last + 1
        try:
            quiet(photos, out)
            finished = True
        except Killed:
            pass
    assert last > 20
    assert content(out) == content(whole)


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_torn_journal_line_is_made_again(raw: Path, whole: Path, tmp_path: Path, cut: int) -> None:
    photos, out = find_photos(raw), tmp_path / "out"
    with pytest.raises(DataError):
        quiet(photos, out, max_bad="-1")
    half_way(photos, out, blocks=6)
    journal = out / "unfinished/journal.jsonl"
    text = journal.read_bytes()
    assert text.count(b"\n") == 6
    journal.write_bytes(text[:-cut])
    pixels = bytearray((out / "train-00001.u8").read_bytes())
    pixels[4 * SIZE * SIZE * 3 : 5 * SIZE * SIZE * 3] = b"\xaa" * SIZE * SIZE * 3  # of the block that was not entered
    (out / "train-00001.u8").write_bytes(pixels)
    quiet(photos, out)
    assert content(out) == content(whole)


def half_way(photos: Photos, out: Path, blocks: int) -> None:
    """Leaves a preparation as a kill after so many blocks does."""
    done, make = 0, preparation.make_block

    def mortal(block: preparation.Block) -> list[tuple[int, str]]:
        nonlocal done
        if done == blocks:
            raise Killed
        done += 1
        return make(block)

    preparation.make_block = mortal
    try:
        with pytest.raises(Killed):
            quiet(photos, out)
    finally:
        preparation.make_block = make


def running(process: subprocess.Popen[Any]) -> bool:
    """Waits for a moment, without keeping a core busy."""
    try:
        process.wait(0.01)
    except subprocess.TimeoutExpired:
        return True
    return False


RUN = """
import sys
from minialex.data.photos import find_photos
from minialex.data.prepare import prepare
prepare(find_photos(sys.argv[1]), sys.argv[2], size=24, per_file=16, block=1, workers=2)
"""


def test_killed_again_and_again_it_ends_with_the_same_bytes(raw: Path, whole: Path, tmp_path: Path) -> None:
    """A real process with two workers, SIGKILL each time its journal has grown by a few blocks more; no worker outlives it."""
    out, chance, kills = tmp_path / "out", random.Random(0), 0

    def grown() -> int:
        try:
            return (out / "unfinished/journal.jsonl").stat().st_size
        except FileNotFoundError:
            return 0

    while not (out / "manifest.json").exists():
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(raw), str(out)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        enough = grown() + chance.randrange(1, 150)
        while running(process) and grown() < enough:
            pass
        if kills < 4:
            process.kill()
        _, errors = process.communicate()  # waits for the workers, too: they hold the other ends of these pipes
        kills += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    assert kills >= 3
    assert content(out) == content(whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_hand(raw: Path, tmp_path: Path, number: int, code: int) -> None:
    """Ctrl-C reaches every process of a terminal; SIGTERM the first one alone."""
    command = [sys.executable, str(ROOT / "scripts/prepare_imagenet.py"), str(raw), str(tmp_path / "out"), "--size", "999"]
    process = subprocess.Popen(
        [*command, "--workers", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    assert "pictures of 3 classes" in process.stdout.readline()
    while running(process) and not (tmp_path / "out/unfinished/journal.jsonl").exists():
        pass
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, errors = process.communicate()
    assert (process.returncode, errors.strip().count("\n")) == (code, 0), errors
    assert "the same command goes on" in errors
    assert not (tmp_path / "out/manifest.json").exists()


def test_a_worker_killed_from_outside_is_one_line() -> None:
    with pytest.raises(DataError, match="worker process was ended"), crew(1) as workforce:
        list(workforce.each(signal.raise_signal, [signal.SIGKILL]))


def odd_folder(root: Path) -> Path:
    photo_folder(root)
    (root / "train/a/01.png").write_bytes(b"")
    (root / "train/b/00.jpg").write_bytes((root / "train/b/02.jpg").read_bytes()[:400])
    (root / "train/b/03.png").write_text("<html>404</html>")
    (root / "train/c/zz.jpg").mkdir()
    (root / "val/b/é, \n.jpg").symlink_to("nowhere")
    return root


def test_bad_pictures_are_listed_and_labels_stay_aligned(tmp_path: Path) -> None:
    raw = odd_folder(tmp_path / "raw")
    photos = find_photos(raw)
    prepared = quiet(photos, tmp_path / "out", max_bad="5")
    with (tmp_path / "out/bad.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["part"], row["path"]) for row in rows] == [
        ("train", "train/a/01.png"),
        ("train", "train/b/00.jpg"),
        ("train", "train/b/03.png"),
        ("train", "train/c/zz.jpg"),
        ("val", "val/b/é, \\n.jpg"),
    ]
    assert [row["reason"].split()[0] for row in rows] == ["the", "Truncated", "it", "it", "a"]
    for split, part in ((prepared.dataset.train, "train"), (prepared.dataset.test, "val")):
        for n, label in enumerate(split.labels):
            path = split.images.where(n)  # type: ignore[attr-defined]
            assert path.split("/")[:2] == [part, "abc"[label]]
            assert np.array_equal(split.images[n], read_square(raw / path, SIZE))
    images = prepared.dataset.train.images[np.arange(len(prepared.dataset.train))]
    assert len(images) == 33 - 3
    assert np.array_equal(prepared.colours.mean_image, images.astype(np.float64).mean(axis=0).astype(np.float32))
    quiet(photos, tmp_path / "two", max_bad="20%", workers=2)
    assert content(tmp_path / "two") == content(tmp_path / "out")


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_bad_pictures_end_it_and_it_can_go_on(tmp_path: Path, workers: int) -> None:
    photos, out = find_photos(odd_folder(tmp_path / "raw")), tmp_path / "out"
    with pytest.raises(DataError, match=r"pictures cannot be read, and --max-bad 3 allows 3 of 47") as error:
        quiet(photos, out, max_bad="3", workers=workers)
    assert "\n" not in str(error.value)
    assert (out / "bad.csv").read_text().count("\n") >= 5
    with pytest.raises(DataError, match="cannot be read"):
        quiet(photos, out, max_bad="1%")
    quiet(photos, out, max_bad="5")
    quiet(photos, tmp_path / "at once", max_bad="5")
    assert content(out) == content(tmp_path / "at once")


@pytest.mark.parametrize("max_bad", ["", "some", "-1", "nan%", "1.5", "inf%", "-2%"])
def test_max_bad_must_make_sense(raw: Path, tmp_path: Path, max_bad: str) -> None:
    with pytest.raises(DataError, match="max-bad"):
        quiet(find_photos(raw), tmp_path / "out", max_bad=max_bad)


def test_not_one_good_picture(tmp_path: Path) -> None:
    raw = photo_folder(tmp_path / "raw", "ab", 2, 1)
    for path in (raw / "val").rglob("*.jpg"):
        path.write_bytes(b"no")
    with pytest.raises(DataError, match="val: not one picture"):
        quiet(find_photos(raw), tmp_path / "out", max_bad="100%")


def test_finished_means_nothing_to_do(raw: Path, whole: Path) -> None:
    before, said = content(whole), list[str]()
    prepare(find_photos(raw), whole, workers=0, say=said.append, **SMALL)  # type: ignore[arg-type]
    assert said == [f"{whole}: already prepared, nothing to do"]
    assert content(whole) == before


def test_another_preparation_is_never_mixed_in(raw: Path, whole: Path, tmp_path: Path) -> None:
    photos, out = find_photos(raw), tmp_path / "out"
    with pytest.raises(DataError, match="holds other prepared pictures"):
        quiet(photos, whole, size=SIZE + 1)
    half_way(photos, out, blocks=2)
    with pytest.raises(DataError, match="unfinished preparation of other pictures"):
        quiet(photos, out, size=SIZE + 1)
    fewer = Photos(photos.name, photos.root, photos.classes, photos.keys, photos.val, photos.train)
    with pytest.raises(DataError, match="unfinished preparation of other pictures"):
        quiet(fewer, out)
    (out / "train-00001.u8").unlink()
    with pytest.raises(DataError, match="lost half way"):
        quiet(photos, out)


def test_folders_that_are_not_ours(raw: Path, tmp_path: Path) -> None:
    photos = find_photos(raw)
    for inside in (raw, raw / "out"):
        with pytest.raises(DataError, match="lies in the folder with the photos"):
            quiet(photos, inside)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(DataError, match="not empty"):
        quiet(photos, tmp_path)
    with pytest.raises(DataError, match="cannot be written"):
        quiet(photos, tmp_path / "mine.txt" / "out")


def test_two_at_once_are_refused(raw: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    photos, out = find_photos(raw), tmp_path / "out"
    half_way(photos, out, blocks=1)
    with (out / "unfinished/lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another process is preparing"):
            quiet(photos, out)


def test_room_is_checked_and_told_first(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match=r"16.9 MB more must be free"):
        quiet(find_photos(raw), tmp_path / "out", say=said.append)
    assert said == [f"33 + 12 pictures of 3 classes: 16.9 MB are needed in {tmp_path / 'out'}, 1.0 kB are free"]
    assert not list((tmp_path / "out").glob("*.u8"))


def test_the_command_line(raw: Path, tmp_path: Path) -> None:
    """A folder of photos, then the ways to go wrong: exit code 2, one line, no traceback."""
    script = [sys.executable, str(ROOT / "scripts/prepare_imagenet.py")]

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*script, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)

    done = run(raw, tmp_path / "out", "--size", SIZE, "--workers", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"{tmp_path / 'out'}: 45 pictures prepared, 0 left out"
    assert json.loads((tmp_path / "out/manifest.json").read_text())["plan"]["size"] == SIZE
    for arguments in ((raw, tmp_path / "out"), (tmp_path / "none", tmp_path / "new"), (raw, tmp_path / "new", "--size", "x")):
        failed = run(*arguments)
        assert failed.returncode == 2
        assert failed.stderr.startswith("prepare_imagenet: ")
        assert failed.stderr.count("\n") == 1
