"""scripts/look_inside.py: which pictures there are, what it says, its exit codes, and that nothing is overwritten."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minialex.inside import units
from minialex.opened import open_runs
from tests.made_runs import damaged, digits_run, photo_run
from tests.scripts.load import SCRIPTS, load_script

script = load_script("look_inside")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run on digits, d, and one on photos, p."""
    home = tmp_path_factory.mktemp("runs")
    digits_run(home, "d")
    photo_run(home, "p")
    return home


@pytest.fixture(autouse=True)
def here(runs, tmp_path, monkeypatch):
    """Each test in a folder of its own, where there are links to the runs and pictures."""
    for name in ("d", "p", "album"):
        (tmp_path / name).symlink_to(runs / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_pictures(monkeypatch):
    """They take seconds, and tests/plots looks at them."""
    monkeypatch.setattr(script, "save", lambda path, figure: path.touch())


def call(capsys, *flags):
    """(exit code, stdout, stderr)"""
    try:
        code = script.main([str(flag) for flag in flags])
    except SystemExit as stop:
        code = stop.code
    output = capsys.readouterr()
    return code, output.out, output.err


def test_all_pictures_of_a_run_and_a_test_image(capsys):
    code, out, err = call(capsys, "d", "--devices", "cpu,cpu")
    assert (code, err) == (0, "")
    names = ["kernels", "sizes", "test-0-activations", "test-0-exchange-conv3", "test-0-where", "units"]
    assert sorted(path.stem for path in Path("inside").iterdir()) == names
    for path in Path("inside").iterdir():
        assert np.asarray(Image.open(path).convert("RGB")).std() > 5
    assert re.search(r"image +test image 0, \d: the net says \d, [\d.]+%", out)
    assert re.search(r"exchange +conv3 in tower 1 hears \d+% from tower 0, \d+% from tower 1", out)
    assert "pictures   inside" in out


def test_the_dead_are_those_that_are_counted(capsys, no_pictures):
    _, out, _ = call(capsys, "d")
    (run,) = open_runs(["d"])
    for layer in units(run.net("cpu"), run.source.dataset.test.images, run.view):
        line = rf"units +{re.escape(layer.layer)} +{layer.dead.sum()} of {len(layer.fires)} fire for none of 359 test images"
        assert re.search(line, out)


def test_photos_each_with_its_own_files(capsys, no_pictures):
    code, out, err = call(capsys, "p", "album/val/red/0.png", "album/val/blue/0.png", "--out", "seen")
    assert (code, err) == (0, "")
    found = {path.name for path in Path("seen").iterdir()}
    assert {"0-where.png", "0-2-where.png", "0-activations.png", "0-2-activations.png"} <= found
    assert out.count("image      0.png: the net says ") == 2


def test_what_the_net_sees_is_what_is_shown(runs):
    (run,) = open_runs([str(runs / "p")])
    shown, bad = script.read_all([str(runs / "album/val/red/1.png")], run)
    assert bad == 0
    (one,) = shown
    assert one.picture.shape == one.view.shape == (3, 32, 32)
    mean = run.view.mean[:, 2:-2, 2:-2]
    np.testing.assert_allclose(one.view * run.view.divisor + mean, one.picture, atol=1e-3)


def test_nothing_is_overwritten(capsys, no_pictures):
    Path("inside").mkdir()
    Path("inside/mine.txt").touch()
    code, out, _ = call(capsys, "d")
    assert code == 0
    assert "pictures   inside-2" in out
    assert [path.name for path in Path("inside").iterdir()] == ["mine.txt"]
    code, out, err = call(capsys, "d", "--out", "inside")
    assert (code, out) == (2, "")
    assert err == "look_inside.py: inside exists already, and nothing is ever overwritten; choose another name\n"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("nothing",), "nothing: is not the folder of a run"),
        (("d", "--out", "no/such/place"), "there is no folder no/such"),
        (("d", "--devices", "cuda:99,tpu"), "tpu"),
        (("d", "--checkpoint", "bst"), "did you mean best?"),
        ((), "the following arguments are required: RUN"),
    ],
)
def test_refusals_are_one_line(capsys, flags, said):
    code, out, err = call(capsys, *flags)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("look_inside.py: ")
    assert err.count("\n") == 1
    assert not Path("inside").exists()


def test_pictures_that_are_none(capsys, no_pictures):
    Path("broken.png").write_bytes(b"no picture")
    code, out, err = call(capsys, "p", "broken.png", "album/val/red/2.png")
    assert code == 1
    assert err.startswith("look_inside.py: broken.png: ")
    assert "2.png: the net says" in out
    code, out, err = call(capsys, "p", "broken.png")
    assert (code, out) == (2, "")


def test_a_run_without_sizes_or_with_others(capsys, no_pictures, tmp_path):
    digits_run(tmp_path, "own")
    Path("own/sizes.csv").unlink()
    code, out, _ = call(capsys, "own", "--out", "seen")
    assert code == 0
    assert "sizes.csv is not there" in out
    Path("own/sizes.csv").write_text("a,b\n")
    code, _, err = call(capsys, "own")
    assert code == 2
    assert "is not a table of epoch, parameter, weight, update" in err
    assert not Path("inside").exists()
    damaged(Path("own/last.ckpt"), "cut")
    code, _, err = call(capsys, "own")
    assert code == 2
    assert err.count("\n") == 1


def test_a_net_that_has_diverged(capsys, no_pictures, tmp_path):
    made = digits_run(tmp_path, "own")
    state = {name: np.full_like(w, np.nan) for name, w in made.state.items()}
    for name in ("last.ckpt", "best.ckpt", "previous.ckpt"):
        Path("own", name).unlink(missing_ok=True)
    np.savez("own/weights.npz", **state)
    code, _, err = call(capsys, "own")
    assert code == 2
    assert "had diverged" in err


def test_the_script_by_itself_leaves_no_traceback():
    command = [sys.executable, str(SCRIPTS / "look_inside.py"), "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"MPLBACKEND": "agg"}, check=False)
    assert done.returncode == 2
    assert done.stderr == "look_inside.py: nowhere: is not the folder of a run: there is no such folder\n"
    assert io.StringIO(done.stdout).read() == ""
