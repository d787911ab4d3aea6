"""New files: whole or not there, never over another, and each refusal a line."""

from pathlib import Path

import pytest

from minialex.console import Refused
from minialex.newfile import check_new, numbered, write_new


def test_what_is_written(tmp_path):
    check_new(tmp_path / "a")
    write_new(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("nowhere")])
@pytest.mark.parametrize("write", [check_new, lambda path: write_new(path, b"two")])
def test_nothing_is_overwritten(tmp_path, make, write):
    path = tmp_path / "a\n"
    make(path)
    with pytest.raises(Refused, match=r"a\\n exists already"):
        write(path)
    assert not path.is_file() or path.read_bytes() == b""


def test_no_folder(tmp_path):
    for write in (check_new, lambda path: write_new(path, b"")):
        with pytest.raises(Refused, match="cannot be written: "):
            write(tmp_path / "no" / "a")


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Refused, match="a cannot be written: No space left on device"):
        write_new(tmp_path / "a", b"one")
    assert not list(tmp_path.iterdir())


def test_numbers(tmp_path):
    names = []
    for _ in range(3):
        names.append(numbered(tmp_path / "a.b.png"))
        names[-1].touch()
    assert [name.name for name in names] == ["a.b.png", "a.b-2.png", "a.b-3.png"]
