"""Every claim runs on digits; its rows, pictures and conclusion are there, and the same run again trains nothing."""

from __future__ import annotations

import warnings

import pytest

from minialex.claims import CLAIMS
from minialex.claims.publish import CONCLUSION, LARGEST
from minialex.claims.rows import read_rows
from tests.scripts.load import load_script

script = load_script("reproduce")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One folder for all: a net trained for one claim serves the next."""
    return tmp_path_factory.mktemp("claims") / "out"


@pytest.mark.parametrize("name", CLAIMS)
def test_runs_quickly(name, home, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert script.main([name, "--quick", "--out", str(home), "--resume"]) == 0
    folder = home / name
    said = (folder / CONCLUSION).read_text()
    assert said.strip()
    assert said.strip() in capsys.readouterr().out
    pictures = list(folder.glob("*.png"))
    assert pictures
    assert all(picture.stat().st_size <= LARGEST for picture in pictures)
    rows = read_rows(folder / "results.csv")
    assert rows
    assert CLAIMS[name].report(rows).startswith("| ")
    assert not list(home.glob("nets/.part-*"))
