"""scripts/predict.py: the classes and their order, the picture, the exit codes, and what odd files make of it."""

import os
import re
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minialex.data.pictures import read_square
from minialex.data.query import read_query
from minialex.data.views import TenViews
from minialex.evaluation import predict
from minialex.opened import open_runs
from tests.made_runs import digits_run, photo_run
from tests.scripts.load import SCRIPTS, load_script

script = load_script("predict")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run on digits, d, one on photos, p, and pictures."""
    home = tmp_path_factory.mktemp("runs")
    digits_run(home, "d")
    photo_run(home, "p")
    digit = open_runs([str(home / "d")])[0].source.dataset.test
    (home / "7").mkdir()
    n = int(np.flatnonzero(digit.labels == 7)[0])
    Image.fromarray(255 - digit.images[n, 0] * 15).save(home / "7" / "seven.png")
    return home


@pytest.fixture(autouse=True)
def here(runs, tmp_path, monkeypatch):
    """Each test in a folder of its own, where there are links to the runs and pictures."""
    for name in ("d", "p", "album", "7"):
        (tmp_path / name).symlink_to(runs / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_picture(monkeypatch):
    """They take half a second, and test_plots.py looks at them."""
    monkeypatch.setattr(script, "draw", lambda *_: None)


def call(capsys, *flags):
    """(exit code, stdout, stderr)"""
    try:
        code = script.main([str(flag) for flag in flags])
    except SystemExit as stop:
        code = stop.code
    output = capsys.readouterr()
    return code, output.out, output.err


def answers(out):
    """{picture: [(class, right?, per cent), ...]}"""
    found = {}
    for line in out.splitlines():
        if head := re.fullmatch(r"(\S.*?)  \((\d+ x \d+ pixels.*)\)", line):
            rows = found[head[1]] = []
        elif "its folder says" not in line and (row := re.fullmatch(r"  (.+?)( +right)? +(\d+\.\d)%( +[█▏▎▍▌▋▊▉#]+)?", line)):
            rows.append((row[1].strip(), bool(row[2]), float(row[3])))
    return found


def test_photos_in_ten_views(capsys):
    paths = ["album/val/red/0.png", "album/val/blue/3.png", "album/train/red/1.png"]
    code, out, err = call(capsys, "p", *paths)
    (run,) = open_runs(["p"])
    images = np.stack([read_square(path, 36) for path in paths])
    expected = predict(run.net("cpu"), images, TenViews(run.view))
    assert (code, err) == (0, "")
    assert "views      10 of 32 x 32 in 36 x 36" in out
    assert "(40 x 44 pixels, shorter side scaled down to 36, central 36 x 36 kept)" in out
    shown = answers(out)
    assert list(shown) == paths
    for path, p in zip(paths, expected, strict=True):
        right = Path(path).parent.name
        order = [run.classes[c] for c in np.argsort(-p)]
        assert [name for name, *_ in shown[path]] == order
        assert {name: is_right for name, is_right, _ in shown[path]} == {name: name == right for name in order}
        np.testing.assert_allclose([share for *_, share in shown[path]], 100 * np.sort(p)[::-1], atol=0.06)
    first = sum(shown[path][0][1] for path in paths)
    assert f"of 3 whose folders say the class, {first} have it first\n" in out
    assert out.rstrip().endswith("picture    predictions.png")
    assert Image.open("predictions.png").width > 900


@pytest.mark.usefixtures("no_picture")
def test_a_digit(capsys):
    code, out, _ = call(capsys, "d", "7/seven.png", "--top", "3")
    assert code == 0
    assert "views      1, the whole image of 8 x 8" in out
    ((name, rows),) = answers(out).items()
    assert name == "7/seven.png"
    assert len(rows) == 3
    (run,) = open_runs(["d"])
    ((*p,),) = predict(run.net("cpu"), read_query("7/seven.png", run.source.dataset).image[None], run.view)
    assert [label for label, *_ in rows] == [str(c) for c in np.argsort(p)[:-4:-1]]
    place = 1 + sum(other > p[7] for other in p)  # after three steps it is not among the first
    assert place > 3
    assert f"its folder says 7, which is number {place} with {p[7]:.1%}" in out
    assert "(8 x 8 pixels, dark ink on light, grey made ink 0..16)" in out
    assert "whose folders say" not in out  # of one picture that would say nothing new


@pytest.mark.usefixtures("no_picture")
def test_the_class_is_known_from_the_folder_alone(capsys):
    shutil.copy("album/val/red/0.png", "red.png")
    _, out, _ = call(capsys, "p", "red.png")
    assert not any(right for _, right, _ in answers(out)["red.png"])


def test_some_cannot_be_read(capsys):
    Path("page.jpg").write_text("<html>")
    Path("cut.png").write_bytes(Path("album/val/red/0.png").read_bytes()[:-30])
    code, out, err = call(capsys, "p", "page.jpg", "album/val/red/0.png", "no.jpg", "cut.png", "album", "--out", "x.png")
    assert code == 1
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        ["predict.py", name] for name in ("page.jpg", "no.jpg", "cut.png", "album")
    ]
    assert list(answers(out)) == ["album/val/red/0.png"]
    assert Path("x.png").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["p"], "which pictures?"),
        (["p", "no.jpg"], "no.jpg: there is no such file"),
        (["no", "album/val/red/0.png"], "no: is not the folder of a run"),
        (["p", "album/val/red/0.png", "--out", "album"], "album exists already"),
        (["p", "album/val/red/0.png", "--out", "no/x.png"], "there is no folder no"),
        (["p", "album/val/red/0.png", "--devices", "gpu"], "'gpu' is no device"),
        (["p", "album/val/red/0.png", "--top", "0"], "must be a whole number of at least 1"),
        (["p", "album/val/red/0.png", "--views", "5"], "invalid choice"),
        ([], "the following arguments are required: RUN"),
    ],
)
def test_refusals(capsys, flags, says):
    before = sorted(Path().iterdir())
    code, out, err = call(capsys, *flags)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("predict.py: ")
    assert says in line
    assert sorted(Path().iterdir()) == before


@pytest.mark.usefixtures("no_picture")
def test_a_net_that_has_diverged(capsys, runs):
    (run,) = open_runs(["p"])
    shutil.copytree(runs / "p", "q")
    for path in Path("q").glob("*.ckpt"):
        path.unlink()
    np.savez("q/weights.npz", **{name: value * np.float32(np.nan) for name, value in run.state.items()})
    code, _, err = call(capsys, "q", "album/val/red/0.png")
    assert code == 2
    assert err == "predict.py: q: what its net answers are no numbers: in its training it had diverged\n"


def test_nothing_is_overwritten(capsys, monkeypatch):
    monkeypatch.setattr("minialex.plots.predictions", lambda *_: Drawn())
    for name in ("predictions.png", "predictions-2.png", "predictions-3.png"):
        _, out, _ = call(capsys, "p", "album/val/red/0.png")
        assert f"picture    {name}\n" in out
        assert Path(name).read_bytes() == b"drawn"


class Drawn:
    def savefig(self, file: BytesIO, **_: object) -> None:
        file.write(b"drawn")


def test_what_is_drawn(capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr("minialex.plots.predictions", lambda *given: drawn.append(given) or Drawn())
    shutil.copy("album/val/red/0.png", "a\n$.png")
    _, out, _ = call(capsys, "p", "album/val/red/0.png", "a\n$.png", "--top", "1")
    ((pictures, p, classes, labels, names, top),) = drawn
    np.testing.assert_array_equal(pictures[0], read_square("album/val/red/0.png", 36))
    assert p.shape == (2, 2)
    assert (tuple(classes), labels, names, top) == (("blue", "red"), [1, None], ["0.png", r"a\n$.png"], 1)
    assert r"a\n$.png  (40 x 44" in out


def test_no_more_are_drawn_than_a_page_bears(capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr("minialex.plots.predictions", lambda *given: drawn.append(given) or Drawn())
    monkeypatch.setattr(script, "DRAWN", 2)
    _, out, _ = call(capsys, "p", *["album/val/red/0.png"] * 3)
    assert len(drawn[0][0]) == len(drawn[0][1]) == 2
    assert "predictions.png (the first 2 of 3)" in out


@pytest.mark.parametrize(
    ("share", "room", "blocks", "plain"),
    [
        (0, 8, "", ""),
        (1, 4, "████", "####"),
        (0.5, 5, "██▌", "##"),
        (1 / 64, 8, "▏", ""),
        (0.999, 2, "██", "##"),
    ],
)
def test_bars(share, room, blocks, plain):
    assert script.bar(share, room, "utf-8") == blocks
    assert script.bar(share, room, "ascii") == plain


def test_through_a_pipe_that_knows_ascii_alone():
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "60"}
    command = [sys.executable, SCRIPTS / "predict.py", "p", "album/val/red/0.png", "--devices", "cpu"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    text = done.stdout.decode("ascii")
    assert "###" in text
    assert max(map(len, re.findall(r"  +#+", text))) <= 60


def test_help(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    for words in ("--top", "figure 4", "examples:", "dark on light or light on dark"):
        assert words in out
