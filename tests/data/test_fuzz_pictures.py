"""The judge of damaged pictures, on a few hundred of them; and that it would see what it looks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minialex.data.errors import BadPicture
from tests import fuzz_pictures
from tests.fuzz_pictures import DAMAGES, FORMATS, Wrong, fuzz, main, table


def test_damaged_pictures_are_left_out_or_taken_and_nothing_else() -> None:
    """The long form: python -m tests.fuzz_pictures."""
    tallies = fuzz(400)
    assert sum(tally.files for tally in tallies.values()) >= 400
    for (damage, format), tally in tallies.items():
        assert tally.noticed >= tally.pillow, f"{format}, {damage}: Pillow alone notices more"
    for format in FORMATS:
        assert tallies["cut short", format].noticed == tallies["cut short", format].matter > 0
        assert tallies["cut and closed", format].noticed == tallies["cut and closed", format].matter, format


def test_photos_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpeg")
    assert main(["--count", "40", "--photos", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "\n49 damaged files, none ended otherwise than with a picture or one line; " in out
    assert all(f"| {name}" in out for name in (*FORMATS, *DAMAGES))
    with pytest.raises(SystemExit, match="there are no JPEGs in it"):
        main(["--photos", str(tmp_path / "none")])


def taken(data: bytes) -> Image.Image:
    return Image.new("RGB", (8, 8))


def two_lines(data: bytes) -> Image.Image:
    raise BadPicture("", "one\ntwo")


def traceback(data: bytes) -> Image.Image:
    raise KeyError("x")


@pytest.mark.parametrize(
    ("decode", "says"),
    [
        (taken, "JPEG, sequential, cut short: it was taken for a whole picture"),
        (two_lines, "its reason is no line"),
        (traceback, "KeyError"),
    ],
)
def test_the_judge_sees_what_may_not_be(decode, says, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(fuzz_pictures, "decode", decode)
    assert main(["--count", "50"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("FAILED: ")
    assert says in said


def test_a_checksum_that_is_not_looked_at_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_pictures, "read_picture", lambda path, sha256: None)
    with pytest.raises(Wrong, match="its checksum was not looked at"):
        fuzz(50)


def test_the_table() -> None:
    cells = {(damage, format): fuzz_pictures.Tally() for damage in DAMAGES for format in FORMATS}
    cells["1 bit", "PNG"] = fuzz_pictures.Tally(files=9, matter=4, noticed=3, pillow=1)
    lines = table(cells).splitlines()
    assert len(lines) == 2 + len(FORMATS)
    assert lines[5].split("|")[-2].strip() == "75 (25)"
    assert len({len(line) for line in lines}) == 1
