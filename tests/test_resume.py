"""Nothing is lost: runs that are stopped, killed, damaged or asked for twice; and what is refused before the first step.

The long form of the first test: python -m tests.kill_runs --kills 50
"""

import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minialex import checkpoint
from minialex.data import Split, digits, sets
from minialex.evaluation import Scores
from minialex.nets import NETS
from minialex.recipes import KEYS, dump, load
from minialex.runs import Run, resume
from minialex.runs.session import Session
from tests.scripts.test_train import SCRIPT, script

ROOT = SCRIPT.parents[1]
SAME = ("last.ckpt", "best.ckpt", "log.csv", "sizes.csv", "weights.npz", "recipe.toml")
FLAGS = ("--batch-size", "15", "--epochs", "3", "--devices", "cpu,cpu", "--save-every", "3", "--mirror")


def make_quick(monkeypatch):
    """A tiny net, few digits, no pictures: three epochs of four steps in a moment."""
    small = NETS["small"]

    def tiny(devices, num_classes=10, seed=0, *, input_shape=(1, 8, 8), dropout=0.5):
        return small(devices, num_classes, seed, input_shape=input_shape, dropout=dropout, maps=1, hidden=4)

    def few(seed=0):
        data = digits(seed)
        train, test = (Split(part.images[:count], part.labels[:count]) for part, count in ((data.train, 50), (data.test, 20)))
        return replace(data, train=train, test=test)

    monkeypatch.setitem(NETS, "small", tiny)
    monkeypatch.setattr(sets, "digits", few)
    monkeypatch.setattr(script, "draw", lambda *_: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run that nobody disturbed."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        patch.chdir(place)
        assert train(*FLAGS, "--out", "whole") == 0
    return place / "whole"


@pytest.fixture
def whole(made, quick):
    """What a run left that nobody disturbed; a copy of its folder lies here."""
    shutil.copytree(made, "whole")
    return files("whole")


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    """Each test in a folder of its own."""
    make_quick(monkeypatch)
    monkeypatch.chdir(tmp_path)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the run's own code runs after it."""


def train(*flags, kill_at=None, monkeypatch=None):
    """The script with these flags. kill_at: the run is gone just before it would write for the time of this number.

    Returns the exit code; None if it was gone before it ended.
    """
    if kill_at is None:
        return script.main(flags)
    moments = iter(range(10**6))

    def mortal(method):
        def until_then(*arguments, **options):
            if next(moments) == kill_at:
                raise Killed
            return method(*arguments, **options)

        return until_then

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.RunFolder, "save", mortal(checkpoint.RunFolder.save))
        for name in ("log", "write_sizes", "write_weights", "write_recipe"):
            patch.setattr(Run, name, mortal(getattr(Run, name)))
        try:
            return script.main(flags)
        except Killed:
            return None


def files(folder):
    return {name: Path(folder, name).read_bytes() for name in SAME}


def test_killed_processes_leave_what_undisturbed_ones_do():
    command = [sys.executable, "-m", "tests.kill_runs", "--kills", "2", "--epochs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 kills of ")


def test_gone_before_each_of_its_writes(whole, monkeypatch):
    """Recipe, checkpoints in and after epochs, rows of the log, sizes, weights: gone before any of them, it ends the same."""
    for number in (0, 1, 2, 3, 4, 5, 16, 17):
        flags = (*FLAGS, "--out", f"run{number}", "--resume", "auto")
        code = train(*flags, kill_at=number, monkeypatch=monkeypatch)
        assert code == (None if number < 17 else 0)
        assert train(*flags) == 0
        assert files(f"run{number}") == whole


def test_gone_again_and_again(whole, monkeypatch):
    rng, flags = random.Random(1), (*FLAGS, "--out", "often", "--resume", "auto")
    gone = 0
    while train(*flags, kill_at=rng.randrange(2, 6), monkeypatch=monkeypatch) is None:
        gone += 1
    assert gone >= 3
    assert files("often") == whole


def test_a_killed_log_has_each_row_once(whole):
    """The row of epoch 2 is there, but the checkpoint of it is not; and then the other way round."""
    assert train(*FLAGS, "--out", "run") == 0
    shutil.copy("run/previous.ckpt", "run/last.ckpt")  # that of step 12, before the last test
    assert train("--resume", "run") == 0
    assert files("run") == whole
    rows = Path("run/log.csv").read_text().splitlines()
    Path("run/log.csv").write_text("\n".join(rows[:-1]) + "\n3,1")
    assert train("--resume", "run") == 0
    assert files("run") == whole


def test_a_finished_run_is_left_as_it_is(whole, capsys):
    before = Path("whole/last.ckpt").stat().st_mtime_ns
    assert train("--resume", "whole") == 0
    output = capsys.readouterr()
    assert "finished   whole has learned all that its recipe asks for; nothing to do" in output.out
    assert output.err == ""
    assert Path("whole/last.ckpt").stat().st_mtime_ns == before
    assert files("whole") == whole


def test_what_a_kill_after_the_last_checkpoint_left_undone(whole):
    Path("whole/weights.npz").unlink()
    Path("whole/config.json").unlink()
    assert train("--resume", "whole") == 0
    assert files("whole") == whole
    assert json.loads(Path("whole/config.json").read_text())["net"] == "small"


def test_more_epochs_and_the_rate_falls_where_it_did(whole, capsys):
    assert train("--resume", "whole", "--epochs", "5") == 0
    text = capsys.readouterr().out
    assert "learning.epochs was 3, and is 5 from now on" in text
    assert "lr falls where it did: after epoch 2" in text  # 0.6 of 3 epochs; 0.85 fell outside
    assert load("whole/recipe.toml").learning.drop_at == (2,)
    rows = Path("whole/log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3", "4", "5"]
    assert [row.split(",")[2] for row in rows[3:]] == ["0.003"] * 3


@pytest.mark.parametrize(("errors", "best"), [((0.5, 0.3, 0.4), 2), ((0.5, 0.5, 0.6), 1), ((0.5, 0.4, 0.1), 3)])
def test_the_best_is_the_first_with_the_lowest_error(monkeypatch, errors, best):
    monkeypatch.setattr(Session, "test", lambda session: Scores(1.0, errors[session.at.epoch - 1], 0.0))
    assert train(*FLAGS, "--out", "run") == 0
    assert len(checkpoint.load("run/best.ckpt").meta["done"]) == best
    assert len(checkpoint.load("run/last.ckpt").meta["done"]) == 3


def refused(capsys, *flags, code=2):
    assert script.main(flags) == code
    output = capsys.readouterr()
    (line,) = output.err.splitlines()
    assert output.out == ""
    return line


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--lr", "0.5"], "whole has learning.lr = 0.03, and 0.5 is asked for: a run goes on as it began"),
        (["--seed", "1"], "learning.seed = 0, and 1"),
        (["--recipe", "cifar10"], "net.name = "),
        (["--mirror", "off"], "data.mirror = true, and false"),
        (["--out", "other"], "--out other and --resume whole are two folders"),
        (["--steps", "4"], "learning.steps = nothing, and 4"),
        (["--data", "digit"], "--data digit: is neither a folder nor one of digits, synthetic, cifar10; did you mean digits?"),
    ],
)
@pytest.mark.usefixtures("whole")
def test_flags_that_contradict(capsys, flags, says):
    assert says in refused(capsys, "--resume", "whole", *flags)


@pytest.mark.usefixtures("whole")
def test_flags_that_agree_or_change_no_number(capsys):
    assert train("--resume", "whole", *FLAGS[:4], "--save-every", "1h", "--devices", "cpu:0,cpu:0", "--workers", "0") == 0
    assert 'run.devices was "cpu,cpu", and is "cpu:0,cpu:0" from now on' in capsys.readouterr().out


def test_nothing_of_that_name(capsys, whole):
    assert "--resume whol: there is nothing of that name; did you mean whole?" in refused(capsys, "--resume", "whol")
    Path("empty").mkdir()
    assert "empty is not the folder of a run: it has neither recipe.toml nor last.ckpt" in refused(capsys, "--resume", "empty")
    assert not Path("runs").exists()


def test_auto_without_a_run_begins_one_and_says_so(capsys):
    assert train(*FLAGS, "--resume", "auto", "--out", "new") == 0
    assert "no run to go on with was found: a new one begins" in capsys.readouterr().out
    assert train(*FLAGS, "--resume", "auto", "--out", "new") == 0
    assert "finished   new" in capsys.readouterr().out


def test_auto_takes_the_newest_run(capsys):
    for seed in ("0", "1", "2"):
        assert train(*FLAGS[:4], "--seed", seed) == 0
    for age, name in enumerate(("digits-small-2", "digits-small-3", "digits-small-1")):
        for path in Path("runs", name).iterdir():
            os.utime(path, (1e9 - age, 1e9 - age))
    capsys.readouterr()
    assert train("--resume", "auto") == 0
    assert "runs/digits-small-2 goes on from last.ckpt" in capsys.readouterr().out


def cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def test_a_damaged_last_checkpoint(capsys, whole):
    """Named and passed over by auto; refused, with what would work, when it was asked for."""
    shutil.copytree("whole", "other")
    cut(Path("whole/last.ckpt"))
    cut(Path("other/last.ckpt"))
    line = refused(capsys, "--resume", "whole")
    assert "whole/last.ckpt: is damaged: it has" in line
    assert "--resume auto --out whole, or --resume whole/previous.ckpt, goes on from an older one" in line
    assert train("--resume", "auto", "--out", "whole") == 0
    text = capsys.readouterr().out
    assert "whole/last.ckpt: is damaged: it has" in text
    assert "whole goes on from previous.ckpt: epoch 3, after 12 steps" in text
    assert files("whole") == whole
    assert train("--resume", "other/previous.ckpt") == 0
    assert files("other") == whole


def test_all_checkpoints_damaged(capsys, whole):
    for name in ("last", "previous", "best"):
        cut(Path(f"whole/{name}.ckpt"))
    assert "holds no good checkpoint (whole/last.ckpt: is damaged" in refused(capsys, "--resume", "auto", "--out", "whole")


def test_leftovers_of_a_killed_save_are_swept(capsys, whole):
    Path("whole/last.ckpt.0123abcd.tmp").touch()
    Path("whole/.weights.npz.part").touch()
    assert train("--resume", "whole") == 0
    assert "removed what a killed save had left: last.ckpt.0123abcd.tmp" in capsys.readouterr().out
    assert not [name for name in os.listdir("whole") if name.endswith((".tmp", ".part"))]


def test_data_that_have_changed(capsys, whole, monkeypatch):
    few = sets.digits

    def other(seed=0):
        data = few(seed)
        data.train.images[7, 0, 3, 3] += 1
        return data

    monkeypatch.setattr(sets, "digits", other)
    line = refused(capsys, "--resume", "whole", "--epochs", "4")
    assert "whole/last.ckpt: learned from other data than digits (digits) is now" in line
    monkeypatch.setattr(sets, "digits", few)
    assert files("whole") == whole


def test_the_checkpoint_of_another_net(capsys, whole, monkeypatch):
    small = NETS["small"]
    monkeypatch.setitem(NETS, "small", lambda *a, dropout=0.5, input_shape=(1, 8, 8), **o: small(*a, **o, dropout=dropout))
    monkeypatch.setattr(Session, "__init__", lambda self, *a, init=Session.__init__, **o: (widen(a[2]), init(self, *a, **o))[1])
    assert "whole/last.ckpt: is of another net: conv1.0.weight is float32 (1, 1, 3, 3) in it" in refused(
        capsys, "--resume", "whole"
    )


def widen(net):
    """A net whose first kernels are larger than they were."""
    layer = next(layer for name, _, layer in net.layers() if name == "conv1.0")
    layer.params["weight"] = np.zeros((1, 1, 5, 5), np.float32)


def test_a_checkpoint_of_another_kind(capsys, whole):
    checkpoint.save("whole/last.ckpt", replace(checkpoint.load("whole/last.ckpt"), meta={"step": 3}))
    assert "has no recipe that this minialex knows" in refused(capsys, "--resume", "whole")
    state = checkpoint.load("whole/best.ckpt")
    for name, value in (
        ("position", {"epoch": 1}),
        ("position", state.meta["position"] | {"epoch": 2}),
        ("position", state.meta["position"] | {"step": -1}),
        ("done", [{}]),
        ("trace", 3),
        ("sizes", [[1, "conv1.0.weight"]]),
        ("recipe", {"net.nam": "small"}),
        ("recipe", {"learning.lr": -1}),
    ):
        checkpoint.save("whole/last.ckpt", replace(state, meta=state.meta | {name: value}))
        assert "whole/last.ckpt: " in refused(capsys, "--resume", "whole")


def test_a_checkpoint_from_before_sizes_were_kept(whole):
    state = checkpoint.load("whole/best.ckpt")
    meta = {name: value for name, value in state.meta.items() if name != "sizes"}
    checkpoint.save("whole/last.ckpt", replace(state, meta=meta))
    assert train("--resume", "whole") == 0
    assert files("whole")["weights.npz"] == whole["weights.npz"]
    done = len(state.meta["done"])
    assert {line.split(b",")[0] for line in files("whole")["sizes.csv"].split()[1:]} == {b"%d" % n for n in range(done + 1, 4)}


def test_a_recipe_that_was_edited_changes_nothing(capsys, whole):
    recipe = load("whole/recipe.toml")
    Path("whole/recipe.toml").write_text(dump(recipe.with_keys({"learning.lr": 7.0})))
    assert train("--resume", "whole") == 0
    assert "whole/recipe.toml was changed (learning.lr); the run goes on as it began" in capsys.readouterr().out
    assert files("whole") == whole
    Path("whole/recipe.toml").write_text("[net")
    assert train("--resume", "whole") == 0
    assert "the checkpoint's own recipe is used" in capsys.readouterr().out


def test_two_runs_in_one_folder(capsys, whole):
    with checkpoint.RunFolder("whole"):
        assert "another run is writing here (process" in refused(capsys, "--resume", "whole")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(capsys, whole):
    os.chmod("whole", stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert "whole: cannot be written to: Permission denied" in refused(capsys, "--resume", "whole", "--epochs", "4")
    finally:
        os.chmod("whole", stat.S_IRWXU)


def test_a_file_system_that_is_read_only(capsys, whole, monkeypatch):
    def refuse(self, **_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)
    assert "whole: cannot be written to: Read-only file system" in refused(capsys, "--resume", "whole", "--epochs", "4")


def test_a_stuck_net_is_told_once_however_often_the_run_stops(capsys, monkeypatch):
    """It is told after epoch 3, step 12, is gone in epoch 4, and passes step 14 again, where a net is told that was not yet."""
    monkeypatch.setattr("minialex.training.stuck.AT_LEAST", 1)
    monkeypatch.setattr("minialex.training.stuck.STEPS", 14)
    flags = (*FLAGS[:2], "--epochs", "5", "--lr", "1e-9", "--devices", "cpu,cpu", "--out", "slow")
    assert train(*flags, kill_at=13, monkeypatch=monkeypatch) is None
    assert train("--resume", "slow") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("stuck")]
    assert "after 12 steps the loss is" in line
    assert "the net has learned nothing yet. Try a lower rate" in line


def test_every_key_that_may_change_is_a_key():
    assert {*resume.MAY_CHANGE, *resume.PLACES} <= KEYS.keys()


def test_the_document_names_real_tests():
    text = (ROOT / "docs" / "reliability.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 30
    assert not [test for path, test in named if f"def {test}(" not in (ROOT / path).read_text()]
