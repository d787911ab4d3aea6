"""Runs opened again: the net that was saved, the view that it was tested with, and a line for each thing that can be wrong."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from minialex.checkpoint import CheckpointError
from minialex.console import Refused
from minialex.data import DataError
from minialex.data.views import TenViews
from minialex.evaluation import evaluate
from minialex.opened import RunError, open_runs
from minialex.recipes import load
from tests.made_runs import damaged, digits_run, photo_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run on digits and one on photos, each of a few steps."""
    home = tmp_path_factory.mktemp("made")
    return digits_run(home), photo_run(home)


@pytest.fixture
def copied(made, tmp_path):
    """Copies, to be spoilt: (digits, photos)."""
    return tuple(str(shutil.copytree(run.path, tmp_path / run.path.name)) for run in made)


def test_a_run_as_it_was_left(made):
    for session_run in made:
        (run,) = open_runs([str(session_run.path)])
        net = run.net("cpu:0,cpu:0")
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(value, session_run.state[name], err_msg=name)
        scores = evaluate(net, run.source.dataset.test, run.view)
        assert scores.loss == pytest.approx(session_run.last.test_loss, rel=1e-5)
        assert scores.top1_error == session_run.last.top1_error
        assert (run.weights, run.notice) == ("last.ckpt", "")


def test_each_file_that_can_hold_it(made, copied):
    folder = Path(copied[0])
    assert open_runs([str(folder)], "best")[0].weights == "best.ckpt"
    (folder / "last.ckpt").unlink()
    (run,) = open_runs([str(folder)])
    assert run.weights == "weights.npz"
    np.testing.assert_array_equal(run.net("cpu").state_dict()["fc5.weight"], made[0].state["fc5.weight"])
    with pytest.raises(RunError, match=r"there is no last\.ckpt in it"):
        open_runs([str(folder)], "last")
    (folder / "weights.npz").unlink()
    with pytest.raises(RunError, match=r"has learned nothing yet: there is neither last\.ckpt nor weights\.npz"):
        open_runs([str(folder)])


def test_views(made):
    digits, photos = (open_runs([str(run.path)])[0] for run in made)
    assert digits.views(10) == (digits.view, "1, the whole image of 8 x 8")
    assert photos.views(1) == (photos.view, "1, the central 32 x 32 of 36 x 36")
    ten, words = photos.views(10)
    assert isinstance(ten, TenViews)
    assert ten.crop is photos.view
    assert words == "10 of 32 x 32 in 36 x 36: the corners, the centre, and their mirror images"
    plain = photos.recipe.with_keys({"data.mirror": False})
    assert type(photos)(**vars(photos) | {"recipe": plain}).views(10)[1].endswith("(in training it saw none mirrored)")
    assert digits.keys == digits.classes == tuple("0123456789")
    assert photos.keys == photos.classes == ("blue", "red")


def test_equal_data_are_opened_once(made, copied):
    first, second = open_runs([str(made[1].path), copied[1]])
    assert first.source is second.source


@pytest.mark.parametrize("how", ["cut", "flipped", "another file", "empty"])
@pytest.mark.parametrize("name", ["last.ckpt", "weights.npz"])
def test_damaged_weights(copied, name, how):
    folder = Path(copied[0])
    if name == "weights.npz":
        (folder / "last.ckpt").unlink()
    damaged(folder / name, how)
    with pytest.raises(RunError) as refusal:
        open_runs([str(folder)])
    (line,) = str(refusal.value).splitlines()
    assert line.startswith(str(folder / name))
    assert ("; --checkpoint best takes best.ckpt" in line) == (name == "last.ckpt")


def test_damaged_weights_never_load_wrong(copied):
    """Cut or flipped anywhere: refused, or, where the flip is in a part that does not matter, still the same numbers."""
    folder, rng = Path(copied[0]), np.random.default_rng(0)
    (folder / "last.ckpt").unlink()
    (run,) = open_runs([str(folder)])
    whole = (folder / "weights.npz").read_bytes()
    for n in range(150):
        spoilt, at = bytearray(whole), int(rng.integers(len(whole)))
        if n % 3:
            spoilt[at] ^= 1 << int(rng.integers(8))
        else:
            del spoilt[at:]
        (folder / "weights.npz").write_bytes(spoilt)
        try:
            (again,) = open_runs([str(folder)])
            net = again.net("cpu")
        except RunError:
            pass
        else:
            for name, value in net.state_dict().items():
                np.testing.assert_array_equal(value, run.state[name])


def change(folder, before, after):
    path = Path(folder) / "recipe.toml"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def test_the_wrong_net(copied):
    change(copied[1], 'name = "small"', 'name = "cifar10"')
    (run,) = open_runs([copied[1]])
    with pytest.raises(RunError, match=r"last\.ckpt does not fit its recipe: the state is of another net: missing"):
        run.net("cpu")
    change(copied[0], 'name = "small"', 'name = "cifar10"')
    (run,) = open_runs([copied[0]])
    with pytest.raises(Refused, match="takes images of 3 x 32 x 32"):
        run.net("cpu")


def test_what_is_no_run(copied, tmp_path):
    (tmp_path / "file").touch()
    for folder, says in (
        (tmp_path, "there is no recipe.toml"),
        ("no", "no such folder"),
        (tmp_path / "file", "no such folder"),
    ):
        with pytest.raises(RunError, match=f"is not the folder of a run: .*{says}"):
            open_runs([str(folder)])
    change(copied[0], "epochs =", "epoch =")
    with pytest.raises(RunError, match=r"recipe\.toml: unknown key learning\.epoch"):
        open_runs([copied[0]])
    (Path(copied[0]) / "recipe.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match=r"recipe\.toml: "):
        open_runs([copied[0]])


def test_runs_that_do_not_go_together(made, copied):
    with pytest.raises(RunError, match="is named twice"):
        open_runs([copied[0], f"{copied[0]}/"])
    with pytest.raises(RunError, match=r"have not the same classes: 10: 0, 1, 2, \.\.\., and 2: blue, red"):
        open_runs(copied)
    change(copied[0], 'set = "digits"', 'set = "digits"\nsplit_seed = 1')
    with pytest.raises(RunError, match="has changed since the run learned from it"):
        open_runs([copied[0]])
    for name in ("last", "best"):
        (Path(copied[0]) / f"{name}.ckpt").unlink()
    with pytest.raises(
        RunError, match=r"not the same training and test images \(digits, split seed 0; and digits, split seed 1\)"
    ):
        open_runs([str(made[0].path), copied[0]])


def test_data_that_have_moved(copied, tmp_path):
    folder = Path(copied[1])
    recipe = load(folder / "recipe.toml")
    change(folder, recipe.data.set, "/nowhere/photos")
    (run,) = open_runs([copied[1]])  # what was prepared from them is still there
    assert run.source.location == recipe.data.prepared
    change(folder, recipe.data.prepared, "/nowhere/prepared")
    with pytest.raises(RunError, match="its data are not there, /nowhere/photos; --data says where they are now"):
        open_runs([copied[1]])
    (again,) = open_runs([copied[1]], data=recipe.data.prepared)
    assert again.source.fingerprint == run.source.fingerprint
    assert again.notice == ""
    with pytest.raises(RunError, match=r"has learned other classes \(2: blue, red\) than digits"):
        open_runs([copied[1]], data="digits")
    with pytest.raises(DataError):
        open_runs([copied[1]], data=str(tmp_path / "no"))


def test_other_data_of_the_same_classes(copied):
    change(copied[0], 'set = "digits"', 'set = "digits"\nsplit_seed = 1')
    (run,) = open_runs([copied[0]], data="digits")
    assert run.notice == f"{copied[0]} has learned from other data than digits (digits), of the same classes"


def test_a_run_can_be_asked_without_its_data(copied):
    """Its mean image, its classes and their folders' names are those it has kept; and its net answers as it did."""
    folder = Path(copied[1])
    (whole,) = open_runs([copied[1]])
    recipe = load(folder / "recipe.toml")
    for place in (recipe.data.set, recipe.data.prepared):
        change(folder, place, "/nowhere/photos")
    with pytest.raises(RunError, match="its data are not there"):
        open_runs([copied[1]])
    (run,) = open_runs([copied[1]], pictures=False)
    assert (run.classes, run.keys, run.source.fingerprint) == (whole.classes, whole.keys, whole.source.fingerprint)
    assert run.source.dataset.image_shape == whole.source.dataset.image_shape
    assert len(run.source.dataset.test) == 0
    image = np.asarray(whole.source.dataset.test.images[np.arange(1)])
    np.testing.assert_array_equal(run.view(image), whole.view(image))
    logits = [one.net("cpu").forward(one.view(image)) for one in (run, whole)]
    np.testing.assert_array_equal(*logits)


def test_what_a_run_has_kept_may_be_damaged_or_missing(copied):
    folder = Path(copied[1])
    damaged(folder / "data.ckpt", "flipped")
    with pytest.raises(CheckpointError, match=r"data\.ckpt: "):
        open_runs([copied[1]], pictures=False)
    (folder / "data.ckpt").unlink()  # a run of an older minialex: its data are looked for
    (run,) = open_runs([copied[1]], pictures=False)
    assert len(run.source.dataset.test) > 0
