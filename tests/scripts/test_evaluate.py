"""scripts/evaluate.py: what it prints and writes is what the package computes, and each refusal is a line."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from minialex.evaluation import log_probabilities, score, softmax, top_k_error
from minialex.opened import open_runs
from tests.made_runs import damaged, digits_run, photo_run
from tests.scripts.load import load_script

script = load_script("evaluate")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The names of two runs on digits and two on photos, in one folder."""
    home = tmp_path_factory.mktemp("runs")
    made = [
        digits_run(home, "d1"),
        digits_run(home, "d2", **{"learning.seed": 1}),
        photo_run(home, "p1"),
        photo_run(home, "p2"),
    ]
    return home, [run.path.name for run in made]


@pytest.fixture(autouse=True)
def here(runs, monkeypatch, tmp_path):
    """Each test where the runs are; what it writes goes elsewhere."""
    monkeypatch.chdir(runs[0])
    return tmp_path


def call(capsys, *flags):
    """(exit code, stdout, stderr)"""
    try:
        code = script.main([str(flag) for flag in flags])
    except SystemExit as stop:
        code = stop.code
    output = capsys.readouterr()
    return code, output.out, output.err


def table(out):
    """The lines below the heading, split into words."""
    lines = out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("run "))
    return [line.split() for line in lines[start + 1 :] if line]


def opened_logs(name, views):
    (run,) = open_runs([name])
    prepare, _ = run.views(views)
    return run, log_probabilities(run.net("cpu:0,cpu:0"), run.source.dataset.test.images, prepare)


def test_one_run(capsys):
    code, out, err = call(capsys, "d1")
    run, logs = opened_logs("d1", 1)
    scores = score(logs, run.source.dataset.test.labels)
    assert (code, err) == (0, "")
    assert out.startswith("data       digits: 359 test images, 10 classes\nviews      1, the whole image of 8 x 8\n\nrun ")
    ((name, weights, views, top1, top5, loss, _),) = table(out)
    assert (name, weights, views) == ("d1", "last.ckpt", "1")
    assert (top1, top5, loss) == (f"{scores.top1_error:.2%}", f"{scores.top5_error:.2%}", f"{scores.loss:.4f}")


def test_the_average_is_of_probabilities(capsys, here):
    code, out, err = call(capsys, "d1", "d2", "--csv", here / "t.csv", "--probabilities", here / "p.npy")
    (one, first), (_, second) = opened_logs("d1", 1), opened_logs("d2", 1)
    mean = (np.exp(first) + np.exp(second)) / 2
    labels = one.source.dataset.test.labels
    assert (code, err) == (0, "")
    np.testing.assert_allclose(np.load(here / "p.npy"), mean, rtol=1e-4)
    with (here / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["d1", "d2", "average of 2"]
    assert {row["split"] for row in rows} == {"test"}
    for row, p in zip(rows, (np.exp(first), np.exp(second), mean), strict=True):
        assert float(row["top1_error"]) == pytest.approx(top_k_error(p, labels, 1), abs=1 / 359)
        assert float(row["top5_error"]) == pytest.approx(top_k_error(p, labels, 5), abs=1 / 359)
        assert float(row["loss"]) == pytest.approx(-np.log(p[np.arange(len(p)), labels]).mean(), rel=1e-4)
    assert table(out)[2][:5] == ["average", "of", "2", "1", f"{float(rows[2]['top1_error']):.2%}"]
    assert "probabilities float32 (359, 10) in" in out


def test_ten_views(capsys, here):
    code, out, _ = call(capsys, "p1", "--views", "10", "--probabilities", here / "p.npy", "--batch-size", "7")
    run, _ = opened_logs("p1", 1)
    views = run.views(10)[0](run.source.dataset.test.images[np.arange(12)])
    net = run.net("cpu:0,cpu:0")
    expected = np.mean([softmax(net.forward(view).astype(np.float64)) for view in views], axis=0)
    assert code == 0
    np.testing.assert_allclose(np.load(here / "p.npy"), expected, rtol=1e-4)
    assert "views      10 of 32 x 32 in 36 x 36: the corners, the centre, and their mirror images" in out
    name, weights, views, _, top5, *_ = table(out)[0]
    assert (name, weights, views, top5) == ("p1", "last.ckpt", "10", "-")  # of two classes all are among the first five


def test_the_whole_image_has_one_view(capsys):
    _, out, _ = call(capsys, "d1", "--views", "10")
    assert table(out)[0][2] == "1"


def test_the_training_images(capsys):
    _, out, _ = call(capsys, "p1", "p2", "--split", "train", "--checkpoint", "best")
    assert "12 train images" in out
    assert [row[1] for row in table(out)[:2]] == ["best.ckpt"] * 2


def test_by_class(capsys):
    _, out, _ = call(capsys, "d1", "--by-class", "3")
    lines = out.splitlines()
    at = lines.index("class  images   top-1 error   most often taken for")
    shown = [line.split() for line in lines[at + 1 : at + 4]]
    errors = [float(words[2].rstrip("%")) for words in shown]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 50
    assert lines[at + 4] == "and 7 more classes; --by-class 10 shows all"
    run, logs = opened_logs("d1", 1)
    labels, worst = run.source.dataset.test.labels, int(shown[0][0])
    assert int(shown[0][1]) == (labels == worst).sum()
    taken = np.bincount(logs[labels == worst].argmax(axis=1), minlength=10)
    taken[worst] = 0
    assert shown[0][3:] == [str(taken.argmax()), f"({taken.max()})"]


def test_data_that_are_others(capsys, runs, here):
    text = Path("d1/recipe.toml").read_text().replace('set = "digits"', 'set = "digits"\nsplit_seed = 5')
    copy = here / "other"
    copy.mkdir()
    (copy / "recipe.toml").write_text(text)
    (copy / "last.ckpt").write_bytes(Path("d1/last.ckpt").read_bytes())
    _, out, _ = call(capsys, copy, "--data", "digits")
    assert f"notice     {copy} has learned from other data than digits (digits), of the same classes" in out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["no"], "no: is not the folder of a run: there is no such folder"),
        (["album"], "album: is not the folder of a run: there is no recipe.toml in it"),
        (["d1", "d1"], "d1: is named twice"),
        (["d1", "p1"], "d1 and p1 have not the same classes"),
        (["d1", "--data", "album"], "d1: has learned other classes"),
        (["d1", "--csv", "album"], "album exists already, and nothing is ever overwritten"),
        (["d1", "--probabilities", "no/p.npy"], "no/p.npy cannot be written: there is no folder no"),
        (["d1", "--devices", "gpu"], "'gpu' is no device"),
        (["d1", "--views", "3"], "argument --views: invalid choice"),
        (["d1", "--split", "tset"], "did you mean test?"),
        (["d1", "--checkpoint", "bset"], "did you mean best?"),
        (["d1", "--by-class", "0"], "must be a whole number of at least 1"),
        ([], "the following arguments are required: RUN"),
    ],
)
def test_refusals(capsys, flags, says):
    before = sorted(Path().iterdir())
    code, out, err = call(capsys, *flags)
    assert (code, out) == (2, "") or flags == ["d1", "--data", "album"]  # which says first that it prepares the album
    (line,) = err.splitlines()
    assert line.startswith("evaluate.py: ")
    assert says in line
    assert {path.name for path in Path().iterdir()} - {path.name for path in before} <= {"data"}


def test_a_damaged_checkpoint(capsys, runs, here):
    copy = shutil.copytree("d1", here / "d")
    damaged(copy / "last.ckpt", "cut")
    code, out, err = call(capsys, copy)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "is damaged" in err
    assert "--checkpoint best takes best.ckpt" in err


def test_too_little_memory_and_ctrl_c(capsys, monkeypatch):
    for error, code, says in ((MemoryError, 2, "Try a smaller --batch-size"), (KeyboardInterrupt, 130, "stopped")):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(script, "log_probabilities", fail)
        found, _, err = call(capsys, "d1")
        assert found == code
        assert says in err
        assert len(err.splitlines()) == 1


def test_help(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    for words in ("--views", "--probabilities", "examples:", "section 6"):
        assert words in out
