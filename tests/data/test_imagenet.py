"""ImageNet's labels: the position of the wnid among all wnids, sorted, and never the kit's own number."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from minialex.data.errors import DataError
from minialex.data.imagenet import find_imagenet, read_kit

scipy_io = pytest.importorskip("scipy.io")

# In the kit's order. Its number 1 is the third of the sorted wnids, as in the real one it is the 279th.
SYNSETS = [
    (1, "n02119789", "kit fox, Vulpes macrotis", 0, 5),
    (2, "n01440764", "tench, Tinca tinca", 0, 3),
    (3, "n03126707", "crane", 0, 4),
    (4, "n02012849", "crane", 0, 2),
    (5, "n00001740", "entity", 4, 0),  # an inner node of WordNet's tree: no class
]
SORTED = ("n01440764", "n02012849", "n02119789", "n03126707")
TRUTH = [1, 1, 4, 2, 3, 2]  # kit numbers of validation pictures 1..6
KIT = "ILSVRC2012_devkit_t12/data"


def write_kit(folder: Path, year: int = 2012, synsets: list[tuple[int, str, str, int, int]] = SYNSETS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    fields = [(f"ILSVRC{year}_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O"), ("num_train_images", "O")]
    table = np.empty((len(synsets), 1), dtype=fields)
    for row, synset in zip(table[:, 0], synsets, strict=True):
        for (name, _), value in zip(fields, synset, strict=True):
            row[name] = value
    scipy_io.savemat(folder / "meta.mat", {"synsets": table})
    (folder / f"ILSVRC{year}_validation_ground_truth.txt").write_text("\n".join(map(str, TRUTH)) + "\n")
    return folder


def raw(root: Path, train: str = "train", val: str = "val") -> Path:
    """The archives, unpacked; the pictures are empty files, for nothing here opens them."""
    for wnid in SORTED:
        (root / train / wnid).mkdir(parents=True)
        for n in range(2):
            (root / train / wnid / f"{wnid}_{n}.JPEG").touch()
    (root / val).mkdir(parents=True, exist_ok=True)
    for number in range(1, 7):
        (root / val / f"ILSVRC2012_val_{number:08}.JPEG").touch()
    return root


def test_kit_numbers_become_positions_of_sorted_wnids(tmp_path: Path) -> None:
    kit = read_kit(write_kit(tmp_path))
    assert kit.wnids == SORTED
    assert kit.classes == ("tench, Tinca tinca", "crane", "kit fox, Vulpes macrotis", "crane")
    assert kit.sizes == (3, 2, 5, 4)
    assert kit.val_labels.tolist() == [2, 2, 1, 0, 3, 0]
    assert kit.val_labels.dtype == np.int64


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("train", "val"),
        ("ILSVRC2012_img_train", "ILSVRC2012_img_val"),
        (".", "val"),
        ("ILSVRC/Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/val"),
    ],
)
def test_the_archives_as_they_unpack(tmp_path: Path, train: str, val: str) -> None:
    write_kit(tmp_path / KIT)
    photos = find_imagenet(raw(tmp_path, train, val))
    assert photos
    assert (photos.name, photos.keys) == ("ILSVRC2012", SORTED)
    for path, label in zip(photos.train.paths, photos.train.labels, strict=True):
        assert SORTED[label] in path
        assert (tmp_path / path).is_file()
    assert len(photos.train) == 8
    assert photos.val.labels.tolist() == [2, 2, 1, 0, 3, 0]
    assert photos.val.paths[2].endswith("ILSVRC2012_val_00000003.JPEG")
    assert photos.notices[0] == "8 of the 14 training pictures are here"


def test_a_kit_elsewhere_and_of_2010(tmp_path: Path) -> None:
    kit = write_kit(tmp_path / "kit" / "data", 2010)
    root = raw(tmp_path / "raw")
    for where in (tmp_path / "kit", kit):
        photos = find_imagenet(root, where)
        assert photos
        assert photos.name == "ILSVRC2010"
    with pytest.raises(DataError, match="no development kit"):
        find_imagenet(root, tmp_path)


def test_a_missing_validation_picture_shifts_no_label(tmp_path: Path) -> None:
    write_kit(tmp_path / KIT)
    root = raw(tmp_path)
    (root / "val/ILSVRC2012_val_00000002.JPEG").unlink()
    (root / "val/cat.jpg").touch()
    photos = find_imagenet(root)
    assert photos
    assert photos.val.labels.tolist() == [2, 1, 0, 3, 0]
    assert "5 of the 6 validation pictures are here" in photos.notices
    assert "1 pictures without a number in val" in photos.notices[-1]


def test_classes_keep_their_labels_where_some_have_no_pictures(tmp_path: Path) -> None:
    write_kit(tmp_path / KIT)
    root = raw(tmp_path)
    for picture in (root / "train/n02012849").iterdir():
        picture.unlink()
    (root / "train/n02012849").rmdir()
    (root / "train/n99999999").mkdir()
    photos = find_imagenet(root)
    assert photos
    assert photos.train.labels.tolist() == [0, 0, 2, 2, 3, 3]
    assert photos.notices[0] == "training pictures of 3 of 4 classes; none of n02012849"
    assert "1 folders that are no classes" in photos.notices[-1]


def test_a_validation_folder_sorted_by_wnid(tmp_path: Path) -> None:
    write_kit(tmp_path / KIT)
    root = raw(tmp_path)
    for picture, wnid in zip(sorted((root / "val").iterdir()), SORTED * 2, strict=False):
        (root / "val" / wnid).mkdir(exist_ok=True)
        picture.rename(root / "val" / wnid / picture.name)
    photos = find_imagenet(root)
    assert photos
    assert all(SORTED[label] in path for path, label in zip(photos.val.paths, photos.val.labels, strict=True))
    (root / "val/ILSVRC2012_val_00000001.JPEG").touch()
    with pytest.raises(DataError, match="beside folders by wnid"):
        find_imagenet(root)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = raw(tmp_path)
    with pytest.raises(DataError, match="--devkit"):
        find_imagenet(root)
    kit = write_kit(tmp_path / KIT)
    (root / "val/ILSVRC2012_val_00000007.JPEG").touch()
    with pytest.raises(DataError, match="validation pictures 1 to 6"):
        find_imagenet(root)
    (root / "val").rename(root / "other")
    with pytest.raises(DataError, match="no validation folder"):
        find_imagenet(root)
    (root / "train").rename(root / "another")
    (root / "other").rename(root / "val")
    with pytest.raises(DataError, match="no folders by wnid"):
        find_imagenet(root)
    (kit / "ILSVRC2012_validation_ground_truth.txt").unlink()
    with pytest.raises(DataError, match="ground_truth"):
        find_imagenet(root)


def test_other_folders_are_not_imagenet(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats/1.jpg").touch()
    assert find_imagenet(tmp_path) is None


@pytest.mark.parametrize("data", [b"", b"<html>", b"MATLAB 5.0 MAT-file" + bytes(200)])
def test_a_damaged_meta_mat_is_one_line(tmp_path: Path, data: bytes) -> None:
    kit = write_kit(tmp_path)
    (kit / "meta.mat").write_bytes(data)
    with pytest.raises(DataError, match=r"meta.mat: not the kit's table") as error:
        read_kit(kit)
    assert "\n" not in str(error.value)


def test_a_damaged_kit(tmp_path: Path) -> None:
    kit = write_kit(tmp_path)
    whole = (kit / "meta.mat").read_bytes()
    for at in range(0, len(whole), 97):
        (kit / "meta.mat").write_bytes(whole[:at])
        with pytest.raises(DataError):
            read_kit(kit)
    write_kit(tmp_path, synsets=[(1, *SYNSETS[0][1:]), (1, *SYNSETS[1][1:])])
    with pytest.raises(DataError, match="numbered"):
        read_kit(kit)
    write_kit(tmp_path)
    for text in ("1\n9\n", "0\n", "one\n", ""):
        (kit / "ILSVRC2012_validation_ground_truth.txt").write_text(text)
        with pytest.raises(DataError, match="ground_truth"):
            read_kit(kit)


@pytest.mark.skipif("MINIALEX_DEVKIT" not in os.environ, reason="MINIALEX_DEVKIT does not name a real ILSVRC2012_devkit_t12")
def test_the_real_kit() -> None:
    """Next to the kit may lie synset_words.txt, the classes in everybody's order."""
    folder = Path(os.environ["MINIALEX_DEVKIT"])
    kit = read_kit(folder / "data")
    assert len(kit.wnids) == 1000
    assert sum(kit.sizes) == 1_281_167
    assert (np.bincount(kit.val_labels) == 50).all()
    assert kit.classes[278] == "kit fox, Vulpes macrotis", "the kit's number 1"
    assert kit.val_labels[:5].tolist() == [65, 970, 230, 809, 516], "the first labels that are in everybody's lists"
    words = folder.parent / "synset_words.txt"
    if words.is_file():
        assert [f"{wnid} {name}" for wnid, name in zip(kit.wnids, kit.classes, strict=True)] == words.read_text().splitlines()
