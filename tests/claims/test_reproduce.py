"""scripts/reproduce.py: what it lists, what it refuses in one line, and where it writes."""

from __future__ import annotations

import pytest

from minialex.claims import CLAIMS, Claim
from minialex.claims.rows import read_rows
from tests.data.folders import photo_folder
from tests.scripts.load import load_script

script = load_script("reproduce")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(capsys, *flags):
    """(exit code, stdout, stderr)"""
    try:
        code = script.main([str(flag) for flag in flags])
    except SystemExit as stop:
        code = stop.code
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.fixture
def tried(monkeypatch):
    """A claim that writes down what its bench is, in place of the real ones."""
    seen = []

    def run(bench):
        seen.append(bench)
        bench.row(variant="a", seed=bench.seeds[0], test_error=0.125)
        bench.row(variant="a", seed=1, test_error=1 / 3)
        return "nothing is concluded"

    claims = {name: Claim(name, "It is so.", "paper", "no time", run) for name in ("lrn", "depth")}
    monkeypatch.setattr(script, "CLAIMS", claims)
    return seen


def test_list_names_all_with_cost(capsys):
    code, out, _ = call(capsys, "--list")
    assert code == 0
    for claim in CLAIMS.values():
        assert f"{claim.name:<14}{claim.cost}" in out.splitlines()
        assert claim.paper.split()[0] in out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "name a claim, or all: fig1, "),
        (("poolin",), "there is no 'poolin'; did you mean pooling?"),
        (("lrn", "--seeds", "0,0"), "different whole numbers"),
        (("lrn", "--seeds", "a"), "different whole numbers"),
        (("lrn", "--epochs", "0"), "whole number of at least 1"),
        (("lrn", "--data", "nowhere"), "neither a folder nor one of"),
        (("lrn", "--data", "digits"), "--quick runs them on digits"),
        (("lrn",), "--download fetches it"),
        (("lrn", "--quick", "--devices", "cuda:99"), "--devices cuda:99"),
        (("lrn", "--quick", "--resume"), "--resume needs --out"),
        (("--publish", "nowhere"), "no claim has been run"),
    ],
)
def test_refusals_are_one_line(flags, words, capsys):
    code, _, err = call(capsys, *flags)
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("reproduce.py: ")
    assert words in err


def test_out_is_never_overwritten(capsys, tried, tmp_path):
    assert call(capsys, "lrn", "--quick", "--out", "out")[0] == 0
    code, _, err = call(capsys, "lrn", "--quick", "--out", "out")
    assert code == 2
    assert "--resume goes on there" in err
    assert call(capsys, "lrn", "--quick", "--out", "out", "--resume")[0] == 0
    assert [bench.folder for bench in tried] == [tmp_path.relative_to(tmp_path) / "out" / "lrn"] * 2


def test_rows_are_the_table(capsys, tried, tmp_path):
    _, out, _ = call(capsys, "lrn", "--quick", "--seeds", "5,6")
    rows = read_rows(tmp_path / "runs/reproduce-1/lrn/results.csv")
    assert rows == [
        {"variant": "a", "seed": "5", "test_error": "0.125"},
        {"variant": "a", "seed": "1", "test_error": "0.333333"},
    ]
    assert (tmp_path / "runs/reproduce-1/lrn/conclusion.txt").read_text() == "nothing is concluded\n"
    assert "-> nothing is concluded" in out


def test_a_row_with_other_columns_is_refused(tmp_path):
    bench = script.Bench(tmp_path, tmp_path)
    bench.row(a=1, b=2)
    with pytest.raises(ValueError, match="columns"):
        bench.row(a=1, c=2)


def test_all_is_all_in_order(capsys, tried):
    _, out, _ = call(capsys, "all", "--quick")
    assert [bench.folder.name for bench in tried] == ["lrn", "depth"]
    assert tried[0].store == tried[1].store
    assert out.splitlines()[-2:] == ["lrn           nothing is concluded", "depth         nothing is concluded"]


def test_pictures_are_made_32_by_32(capsys, tried, tmp_path):
    photo_folder(tmp_path / "photos")
    assert call(capsys, "lrn", "--data", "photos", "--images", 9, "--prepared", "squares")[0] == 0
    data = tried[0].source.dataset
    assert data.image_shape == (3, 32, 32)
    assert len(data.train) == 9
    assert (tmp_path / "squares").is_dir()


def test_pictures_of_another_size_are_refused(capsys, tried, tmp_path):
    from minialex.data import open_data  # noqa: PLC0415

    photo_folder(tmp_path / "photos")
    open_data("photos", size=40, prepared="squares", workers=0, say=lambda line: None)
    code, _, err = call(capsys, "lrn", "--data", "squares")
    assert code == 2
    assert "3 x 40 x 40" in err


def test_ctrl_c_is_a_line(capsys, monkeypatch):
    def stop(bench):
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "CLAIMS", {"lrn": Claim("lrn", "It is so.", "p", "c", stop)})
    code, _, err = call(capsys, "lrn", "--quick")
    assert code == 130
    assert err.count("\n") == 1
