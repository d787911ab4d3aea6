"""Data sets by name or folder: what is opened, how it is shown, and what is said of what is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minialex.data import sets
from minialex.data.cifar10 import CIFAR10, CLASSES, INSIDE
from minialex.data.errors import BadPicture, DataError
from minialex.data.loader import Loader
from minialex.data.sets import Source, fingerprint, open_data
from tests.data.folders import photo_folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(name: str, **options: object) -> tuple[Source, list[str]]:
    lines: list[str] = []
    return open_data(name, workers=0, say=lines.append, **options), lines  # type: ignore[arg-type]


def test_digits_as_they_were_shown_before() -> None:
    source = open_data("digits", seed=3)
    data = source.dataset
    images = data.test.images[np.arange(20)]
    np.testing.assert_array_equal(source.test_view()(images), data.prepare(images))
    assert source.location == "digits"


def test_the_fingerprint_is_that_of_the_content() -> None:
    source, again, other = open_data("digits", seed=3), open_data("digits", seed=3), open_data("digits", seed=4)
    assert source.fingerprint == again.fingerprint != other.fingerprint
    data = source.dataset
    for changed in (
        replace(data, mean=0.0),
        replace(data, scale=7.0),
        replace(data, classes=data.classes[::-1]),
        replace(data, train=data.test),
        replace(data, test=replace(data.test, labels=data.test.labels[::-1])),
    ):
        assert fingerprint(changed) != source.fingerprint
    assert open_data("synthetic", seed=1).fingerprint != open_data("synthetic", seed=2).fingerprint


def test_synthetic_images_have_the_shape_that_is_asked_for() -> None:
    source = open_data("synthetic", image_shape=(3, 32, 32), classes=7)
    assert source.dataset.image_shape == (3, 32, 32)
    assert len(source.dataset.classes) == 7


@pytest.mark.parametrize("form", ["a path", "data-path", "inside a folder", "the name alone"])
def test_cifar10_wherever_it_is(here: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Files of two pictures each, in place of ten thousand."""
    names, hashes = list(CIFAR10.sha256), {}
    folder = {"inside a folder": here / "c" / INSIDE, "the name alone": here / "data/cifar10"}.get(form, here / "c")
    folder.mkdir(parents=True)
    for n, name in enumerate(names):
        rows = np.random.default_rng(n).integers(0, 256, (2, 3073), dtype=np.uint8)
        rows[:, 0] = n, 9
        (folder / name).write_bytes(rows.tobytes())
        hashes[name] = sets.hashlib.sha256(rows.tobytes()).hexdigest()
    small = replace(CIFAR10, rows=2, sha256=hashes)
    monkeypatch.setattr(sets.cifar, "CIFAR10", small)
    monkeypatch.setattr(sets.cifar.cifar10, "__kwdefaults__", sets.cifar.cifar10.__kwdefaults__ | {"archive": small})
    asked = {"a path": ("c", None), "data-path": ("cifar10", "c"), "inside a folder": ("c", None)}.get(form, ("cifar10", None))
    source = open_data(asked[0], path=asked[1])
    assert source.dataset.classes == CLASSES
    assert len(source.dataset.train) == 10
    again = open_data(source.location)
    assert again.fingerprint == source.fingerprint
    assert source.colours().mean_image.shape == (3, 32, 32)
    view = source.train_view(24, mirror=True, colour_noise=0.1, mean="colour")
    ((images, _),) = Loader(source.dataset.train, 10, view, 0, workers=0).epoch(1)
    assert images.shape == (10, 3, 24, 24)


def test_photos_are_prepared_once_and_found_again(here: Path) -> None:
    photo_folder(here / "birds")
    source, lines = opened("birds", size=16)
    (folder,) = (here / "data/prepared").iterdir()
    assert folder.name.startswith("birds-16-")
    assert lines[0] == f"preparing  birds -> data/prepared/{folder.name} (once; later runs read it there)"
    assert source.dataset.image_shape == (3, 16, 16)
    assert source.dataset.classes == ("a", "b", "c")
    again, lines = opened("birds", size=16)
    assert again.fingerprint == source.fingerprint
    assert "already prepared, nothing to do" in lines[-1]
    direct, lines = opened(source.location)
    assert (direct.fingerprint, lines) == (source.fingerprint, [])
    other, _ = opened("birds", size=12)
    assert other.location != source.location
    wanted, _ = opened("birds", size=16, prepared="elsewhere")
    assert wanted.location == str(here / "elsewhere")
    assert wanted.fingerprint == source.fingerprint


def test_a_photo_alone_is_read_as_the_set_s_own_are(here: Path) -> None:
    photo_folder(here / "birds")
    source, _ = opened("birds", size=16)
    first = source.dataset.train.images
    path = here / "birds" / first.where(0)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(source.read(path), first[np.arange(1)][0])
    (here / "empty.jpg").touch()
    with pytest.raises(BadPicture, match=r"empty\.jpg: the file is empty"):
        source.read(here / "empty.jpg")
    Image.new("RGB", (9, 9)).save(here / "nine.png")
    with pytest.raises(DataError, match="digits: its images are 1 x 8 x 8, and a photo cannot be made one of them"):
        open_data("digits").read(here / "nine.png")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("digit", "--data digit: is neither a folder nor one of digits, synthetic, cifar10; did you mean digits?"),
        ("/no/such/place", "--data /no/such/place: is neither a folder nor one of digits, synthetic, cifar10$"),
        ("cifar10", "data/cifar10: CIFAR-10's binary version is not there; --download fetches it"),
        ("empty", "empty: found 0 folders with pictures"),
    ],
)
def test_what_is_not_there(here: Path, name: str, says: str) -> None:
    (here / "empty").mkdir()
    with pytest.raises(DataError, match=says) as refusal:
        open_data(name)
    assert len(str(refusal.value).splitlines()) == 1


def test_imagenet_is_not_prepared_by_the_way(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "raw").mkdir()
    monkeypatch.setattr(sets, "find_imagenet", lambda folder: object())
    with pytest.raises(DataError, match=r"python scripts/prepare_imagenet\.py raw OUT, and then --data OUT"):
        open_data("raw")
    assert not (here / "data").exists()


def test_means() -> None:
    source = open_data("digits")
    image = np.asarray(source.dataset.mean)
    for mean, wanted in (("image", image), ("colour", image.mean(axis=(1, 2))), ("none", 0.0)):
        np.testing.assert_allclose(source.test_view(mean=mean).mean, wanted, rtol=1e-6)  # type: ignore[arg-type]
    with pytest.raises(DataError, match='mean must be "image", "colour" or "none"'):
        source.test_view(mean="median")  # type: ignore[arg-type]


def test_what_cannot_be_shown() -> None:
    source = open_data("digits")
    with pytest.raises(DataError, match="digits: a crop of 9 x 9 pixels cannot be cut from images of 8 x 8"):
        source.test_view(9)
    with pytest.raises(DataError, match="digits: images of 1 channel have no principal colours"):
        source.train_view(colour_noise=0.1)
