"""Which files of a folder are pictures, of which class, and on which side of the split."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from minialex.data.errors import DataError
from minialex.data.photos import Photos, find_photos


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def listed(photos: Photos, part: str) -> dict[str, str]:
    """path -> class."""
    files = getattr(photos, part)
    assert files.labels.dtype == np.int64
    return {path: photos.classes[label] for path, label in zip(files.paths, files.labels, strict=True)}


def test_train_and_val_folders(tmp_path: Path) -> None:
    root = touch(tmp_path, "train/b/2.jpg", "train/b/1.JPG", "train/a/x.Png", "val/a/v.jpeg", "val/b/w.webp")
    photos = find_photos(root)
    assert photos.classes == photos.keys == ("a", "b")
    assert photos.train.paths == ("train/a/x.Png", "train/b/1.JPG", "train/b/2.jpg")
    assert photos.train.labels.tolist() == [0, 1, 1]
    assert listed(photos, "val") == {"val/a/v.jpeg": "a", "val/b/w.webp": "b"}
    assert photos.notices == ()


def test_hidden_and_stray_files_are_ignored_and_counted(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        *("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg"),
        *("train/.DS_Store", "train/.ipynb_checkpoints/1.jpg", "val/.ipynb_checkpoints/1.jpg", "train/a/.1.jpg"),
        *("train/a/Thumbs.db", "train/b/notes.txt", "train/a/more/2.jpg", "train/readme.md", "train/3.jpg"),
    )
    photos = find_photos(root)
    assert (len(photos.train), len(photos.val)) == (2, 2)
    (notice,) = photos.notices
    for words in ("4 hidden", "2 files that are no pictures", "1 folders inside a class", "2 files beside the class folders"):
        assert words in notice


def test_what_only_looks_like_a_picture_is_kept_to_be_judged_by_its_content(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.heic")
    (root / "a/folder.jpg").mkdir()
    (root / "b/broken.jpg").symlink_to(root / "gone")
    photos = find_photos(root)
    every = listed(photos, "train") | listed(photos, "val")
    assert {"a/folder.jpg", "b/broken.jpg", "b/2.heic"} < set(every)


def test_links_that_lead_back_are_not_followed(tmp_path: Path) -> None:
    root = touch(tmp_path / "photos", "a/1.jpg", "b/1.jpg", "a/2.jpg", "b/2.jpg")
    (root / "back").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "circle").symlink_to(root / "circle")
    (root / "c").symlink_to(touch(tmp_path / "elsewhere", "1.jpg", "2.jpg"))
    photos = find_photos(root)
    assert photos.classes == ("a", "b", "c")
    assert "2 links that lead back" in photos.notices[-1]


def test_names_of_any_alphabet(tmp_path: Path) -> None:
    """Sorted by characters; é as one character in train and as two in val is the same class."""
    root = touch(tmp_path, "train/été/1.jpg", "train/鳥/ひばり.jpg", "train/Zebra/1.jpg", "val/e\u0301te\u0301/1.jpg")
    photos = find_photos(root)
    assert photos.classes == ("Zebra", "été", "鳥")
    assert listed(photos, "val") == {"val/e\u0301te\u0301/1.jpg": "été"}
    touch(root, "train/e\u0301te\u0301/2.jpg")
    with pytest.raises(DataError, match="two folders have the name été"):
        find_photos(root)


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/1.jpg", "a/2.jpg")
    folder = os.fsencode(root) + b"/b\xff"
    os.mkdir(folder)
    for name in (b"1.jpg", b"2\xfe.jpg"):
        with open(folder + b"/" + name, "wb"):
            pass
    photos = find_photos(root)
    assert len(photos.train) + len(photos.val) == 4
    for path in (*photos.train.paths, *photos.val.paths):
        assert (root / path).is_file()


def test_the_split_is_stratified_and_belongs_to_the_seed(tmp_path: Path) -> None:
    root = touch(tmp_path, *(f"{name}/{n:02}.jpg" for name, count in {"a": 40, "b": 10, "c": 2}.items() for n in range(count)))
    photos = find_photos(root, seed=3, val_share=0.25)
    assert np.bincount(photos.val.labels).tolist() == [10, 2, 1]
    assert np.bincount(photos.train.labels).tolist() == [30, 8, 1]
    assert not set(photos.val.paths) & set(photos.train.paths)
    assert find_photos(root, seed=3, val_share=0.25).val.paths == photos.val.paths
    assert find_photos(root, seed=4, val_share=0.25).val.paths != photos.val.paths
    touch(root, "d/1.jpg", "d/2.jpg")
    again = find_photos(root, seed=3, val_share=0.25).val
    assert [path for path in again.paths if path[0] != "d"] == list(photos.val.paths), "a new class changed the others' split"


def test_a_train_folder_without_a_val_folder_is_split(tmp_path: Path) -> None:
    root = touch(tmp_path, *(f"train/{name}/{n}.jpg" for name in "ab" for n in range(5)), "notes/x/1.jpg")
    photos = find_photos(root)
    assert (len(photos.train), len(photos.val)) == (8, 2)
    assert photos.notices == ("not used, beside train: notes", "no validation folder: 2 of 10 pictures set aside by seed 0")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    root = touch(tmp_path, *(f"{name}/{n}.jpg" for name in ("train", "test", "car") for n in range(4)))
    assert find_photos(root).classes == ("car", "test", "train")


def test_a_class_missing_in_val_is_told(tmp_path: Path) -> None:
    root = touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg", "val/a/1.jpg")
    (root / "val/c").mkdir()
    photos = find_photos(root)
    assert photos.classes == ("a", "b", "c")
    assert photos.notices == ("no pictures for validation of 2 of 3 classes: b, c",)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ((), "found 0 folders"),
        (("a/1.jpg",), "found 1 folders"),
        (("1.jpg", "2.jpg"), "found 0 folders"),
        (("a/1.jpg", "a/2.jpg", "b/notes.txt"), "b: no pictures"),
        (("train/a/1.jpg", "train/b/1.jpg", "val/c/1.jpg"), "c: a class that"),
        (("train/a/1.jpg", "train/b/1.jpg", "val/notes.txt"), "no pictures are left"),
        (("a/1.jpg", "b/1.jpg"), "no pictures are left"),
        (("val/a/1.jpg", "val/b/1.jpg"), "none called train"),
    ],
)
def test_folders_that_will_not_do(tmp_path: Path, paths: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        find_photos(touch(tmp_path, *paths))
    assert "\n" not in str(error.value)


def test_no_folder_and_no_share(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        find_photos(tmp_path / "none")
    with pytest.raises(DataError, match="between 0 and 1"):
        find_photos(tmp_path, val_share=1.0)
