"""The command line: what it prints, what it leaves, and how it refuses."""

import csv
import importlib.util
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minialex import checkpoint
from minialex.data import Minibatches, Split, digits, sets
from minialex.devices import DeviceError, parse_devices
from minialex.evaluation import evaluate
from minialex.nets import NETS
from minialex.optim import SGD
from minialex.recipes import load
from minialex.runs import build, load_weights, report, start
from minialex.runs.session import Session
from minialex.training import Step, step_down, train

LEFT = [
    "best.ckpt",
    "config.json",
    "curves.png",
    "data.ckpt",
    "kernels.png",
    "last.ckpt",
    "log.csv",
    "previous.ckpt",
    "recipe.toml",
    "sizes.csv",
    "times.csv",
    "weights.npz",
]
SCRIPT = Path(__file__).parents[2] / "scripts" / "train.py"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}


def load_script():
    spec = importlib.util.spec_from_file_location("train_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_script"] = module
    spec.loader.exec_module(module)
    return module


script = load_script()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Each test in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch):
    """A tiny net and few digits: an epoch takes a moment."""

    def tiny(devices, num_classes=10, seed=0, *, input_shape=(1, 8, 8), dropout=0.5):
        return small(devices, num_classes, seed, input_shape=input_shape, dropout=dropout, maps=1, hidden=4)

    def few(seed=0):
        data = digits(seed)
        train, test = (Split(part.images[:count], part.labels[:count]) for part, count in ((data.train, 50), (data.test, 20)))
        return replace(data, train=train, test=test)

    small = NETS["small"]
    monkeypatch.setitem(NETS, "small", tiny)
    monkeypatch.setattr(sets, "digits", few)


@pytest.fixture
def no_pictures(monkeypatch):
    """They take half a second, and test_plots.py looks at them."""
    monkeypatch.setattr(script, "draw", lambda *_: None)


def refusal(capsys, *flags):
    """The one line on stderr, once the exit code is known to be 2 and no folder to have been made."""
    before = sorted(Path().iterdir())
    try:
        code = script.main(flags)
    except SystemExit as stop:
        code = stop.code
    output = capsys.readouterr()
    assert code == 2
    assert output.err.startswith("train.py: ")
    assert len(output.err.splitlines()) == 1
    assert output.out == ""
    assert sorted(Path().iterdir()) == before
    return output.err


def read_log(folder):
    with (Path(folder) / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("quick")
def test_a_run_and_what_it_leaves(capsys):
    assert script.main(["--steps", "4", "--batch-size", "20", "--seed", "3", "--devices", "cpu,cpu"]) == 0
    output = capsys.readouterr()
    text = output.out
    assert output.err == ""
    for words in (
        "tower 0 on cpu:0, tower 1 on cpu:1",
        "50 training and 20 test images of 1 x 8 x 8",
        "conv1",
        "a net that knows nothing has ln(10) = 2.303",
        "lr 0.03, divided by 10 after epoch 9 and 13",
        "step 4/4  loss",
        "epoch  1/15  train loss",
        "epoch  2/15  train loss",  # cut short after its first step
        "conv3        backward  cpu:0   cpu:1 ",
        "test accuracy",
    ):
        assert words in text
    assert text.index("devices") < text.index("conv1") < text.index("ln(10)") < text.index("epoch  1/15")
    folder = Path("runs/digits-small-1")
    assert text.rstrip().endswith(f"results in {folder}: {', '.join(LEFT)}")
    assert sorted(path.name for path in folder.iterdir()) == [".lock", *LEFT]
    assert [(row["epoch"], row["step"]) for row in read_log(folder)] == [("1", "3"), ("2", "4")]
    config = json.loads((folder / "config.json").read_text())
    assert (config["seed"], config["batch_size"], config["epochs"], config["lr"]) == (3, 20, 15, 0.03)
    assert (config["net"], config["data"], config["places"]) == ("small", "digits", ["cpu:0", "cpu:1"])
    recipe = load(folder / "recipe.toml")
    assert (recipe.learning.seed, recipe.learning.batch_size, recipe.learning.steps) == (3, 20, 4)
    for name in ("curves.png", "kernels.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("quick", "no_pictures")
def test_the_same_seed_on_other_cpu_devices_leaves_the_same_weights(capsys):
    for n, devices in enumerate(("cpu,cpu", "cpu:0,cpu:0", "cpu,cpu")):
        assert script.main(["--epochs", "1", "--batch-size", "20", "--devices", devices, "--out", f"out{n}"]) == 0
    weights = [load_weights(f"out{n}/weights.npz") for n in range(3)]
    for name, value in weights[0].items():
        for other in weights[1:]:
            np.testing.assert_array_equal(value, other[name])
    assert "both towers on cpu:0" in capsys.readouterr().out


@pytest.mark.usefixtures("quick", "no_pictures")
def test_the_script_does_what_the_package_does():
    """Seed and rates reach everything that they should: the same run by hand ends with the same bits."""
    flags = ["--seed", "7", "--lr", "0.05", "--momentum", "0.5", "--weight-decay", "0.01", "--dropout", "0.25"]
    assert script.main([*flags, "--epochs", "2", "--batch-size", "20", "--devices", "cpu,cpu", "--out", "out"]) == 0
    data = sets.digits(0)  # what is set aside for the test does not follow the seed
    net = NETS["small"](parse_devices("cpu,cpu"), seed=7, dropout=0.25)
    optimizer = SGD(net, 0.05, momentum=0.5, weight_decay=0.01)
    falling = step_down(0.05, 2, (0.6, 0.85))  # after the first of two epochs
    for _ in train(net, Minibatches(data.train, 20, 7, data.prepare), optimizer, epochs=2, schedule=falling):
        pass
    saved = load_weights("out/weights.npz")
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(saved[name], value, err_msg=name)


@pytest.mark.usefixtures("quick", "no_pictures")
def test_the_weights_are_those_of_the_log():
    assert script.main(["--epochs", "2", "--batch-size", "20", "--out", "out"]) == 0
    net, data = NETS["small"](parse_devices("cpu,cpu"), seed=9), sets.digits(0)
    net.load_state_dict(load_weights("out/weights.npz"))
    last = read_log("out")[-1]
    scores = evaluate(net, data.test, data.prepare)
    assert scores.loss == pytest.approx(float(last["test_loss"]), rel=1e-5)
    assert scores.top1_error == float(last["top1_error"])


@pytest.mark.usefixtures("no_pictures")
def test_synthetic_images_take_the_size_of_the_net(capsys):
    assert script.main(["--net", "cifar10", "--data", "synthetic", "--steps", "1", "--batch-size", "4", "--out", "out"]) == 0
    text = capsys.readouterr().out
    assert "test images of 3 x 32 x 32" in text
    assert "the whole net on cpu:0" in text
    assert "images       forward   host    cpu:0           49,152" in text


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--net", "smal"], "did you mean small"),
        (["--data", "digit"], "did you mean digits"),
        (["--preset", "code2013"], "did you mean code2012"),
        (["--epochs", "-1"], "argument --epochs: must be a whole number of at least 1, got '-1'"),
        (["--steps", "0"], "argument --steps: must be a whole number"),
        (["--batch-size", "0"], "argument --batch-size: must be a whole number"),
        (["--batch-size", "1439"], "more than the 1438 training images of --data digits"),
        (["--lr", "nan"], "argument --lr: must be a number above 0"),
        (["--momentum", "1"], "argument --momentum: must be a number from 0 to below 1"),
        (["--weight-decay", "-1"], "argument --weight-decay: must be a number of at least 0"),
        (["--dropout", "1"], "argument --dropout: must be a number from 0 to below 1"),
        (["--seed", "-1"], "argument --seed: must be a whole number of at least 0"),
        (["--devices", "gpu"], "'gpu' is no device"),
        (["--devices", "cpu,cpu,cpu"], "a two-tower net needs one or two devices, got 3"),
        (["--net", "cifar10"], "takes images of 3 x 32 x 32, and --data digits has 1 x 8 x 8"),
        (["--preset", "paper"], "--preset does not go with --net small, only with alexnet,"),
        (["--net", "cifar10", "--dropout", "0.1"], "--dropout does not go with --net cifar10"),
        (["--nett", "small"], "unrecognized arguments: --nett"),
    ],
)
def test_wrong_values(capsys, flags, says):
    assert says in refusal(capsys, *flags)


def test_devices_that_are_not_there(capsys, monkeypatch):
    def refuse(text):
        raise DeviceError(f"--devices {text}: cuda:1 is not there. Here --devices cpu,cpu would work")

    monkeypatch.setattr(build, "parse_devices", refuse)
    assert "Here --devices cpu,cpu would work" in refusal(capsys, "--devices", "0,1")


def test_an_existing_folder_is_never_overwritten(capsys):
    Path("old").mkdir()
    assert "--out old exists already" in refusal(capsys, "--out", "old")
    assert list(Path("old").iterdir()) == []


def test_a_folder_that_cannot_be_made(capsys):
    Path("file").touch()
    assert "cannot make the folder file/run" in refusal(capsys, "--out", "file/run")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.usefixtures("quick")
def test_a_run_that_diverges_keeps_what_it_had(capsys, monkeypatch):
    rates = [0.01, 1e30]
    monkeypatch.setattr(build, "step_down", lambda *_: lambda done: rates[len(done)])
    assert script.main(["--epochs", "2", "--batch-size", "15", "--out", "out"]) == 1
    (complaint,) = capsys.readouterr().err.splitlines()
    assert "the loss is nan at step 6, in epoch 2, with lr 1e+30" in complaint
    assert "try a lower rate, such as --lr 0.003. out/last.ckpt holds the last good moment" in complaint
    assert all(np.isfinite(value).all() for value in load_weights("out/weights.npz").values())
    assert len(read_log("out")) == 1
    assert Path("out/curves.png").exists()


def at_step(monkeypatch, number, act):
    """Let `act` happen when the step with this number has been shown."""
    show = report.show

    def then(screen, session, event):
        show(screen, session, event)
        if isinstance(event, Step) and event.step == number:
            act()

    monkeypatch.setattr(report, "show", then)


@pytest.mark.parametrize(("number", "name", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)])
@pytest.mark.usefixtures("quick", "no_pictures")
def test_a_signal_saves_stops_and_says_how_to_go_on(capsys, monkeypatch, number, name, code):
    at_step(monkeypatch, 5, lambda: os.kill(os.getpid(), number))
    assert script.main(["--batch-size", "15", "--epochs", "2", "--out", "my run"]) == code
    (complaint,) = capsys.readouterr().err.splitlines()
    assert f"stopped by {name} after 5 steps; all is saved. To go on: " in complaint
    assert len(read_log("my run")) == 1  # four steps were the first epoch
    command = shlex.split(complaint.partition("To go on: ")[2])
    assert command[1:] == [str(SCRIPT), "--resume", "my run"]
    assert script.main(command[2:]) == 0
    assert "goes on from last.ckpt: epoch 2, after 5 steps" in capsys.readouterr().out
    assert [row["step"] for row in read_log("my run")] == ["4", "8"]


@pytest.mark.usefixtures("quick", "no_pictures")
def test_a_signal_in_the_middle_of_a_test(capsys, monkeypatch):
    """The test is given up, not waited for; the run goes on with it."""
    tested = Session._tested

    def interrupt(session, images):
        if session.at.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)
        tested(session, images)

    monkeypatch.setattr(Session, "_tested", interrupt)
    assert script.main(["--batch-size", "15", "--epochs", "2", "--out", "cut"]) == 130
    assert "after 8 steps; all is saved" in capsys.readouterr().err
    assert len(read_log("cut")) == 1
    monkeypatch.setattr(Session, "_tested", tested)
    assert script.main(["--resume", "cut"]) == 0
    assert script.main(["--batch-size", "15", "--epochs", "2", "--out", "whole"]) == 0
    for name in ("last.ckpt", "log.csv", "weights.npz"):
        assert Path("cut", name).read_bytes() == Path("whole", name).read_bytes()


@pytest.mark.usefixtures("quick", "no_pictures")
def test_the_second_ctrl_c_leaves_at_once(capsys, monkeypatch):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    at_step(monkeypatch, 2, twice)
    assert script.main(["--batch-size", "15", "--out", "out"]) == 130
    assert "stopped at once" in capsys.readouterr().err
    assert not Path("out/last.ckpt").exists()


@pytest.mark.usefixtures("quick", "no_pictures")
def test_a_full_disk(capsys, monkeypatch):
    """The file system gives out in the second save: the first is whole, and the message has the bytes."""
    assert script.main(["--epochs", "1", "--batch-size", "20", "--out", "out"]) == 0
    before = Path("out/last.ckpt").read_bytes()
    capsys.readouterr()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(start, "_check_room", lambda *_: None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        assert script.main(["--resume", "out", "--epochs", "2"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (complaint,) = capsys.readouterr().err.splitlines()
    assert re.search(r"out/last.ckpt: cannot be written: File too large: [\d,]+ bytes are needed, .* are missing", complaint)
    assert "what was saved before is whole. To go on: " in complaint
    assert Path("out/last.ckpt").read_bytes() == before
    assert sorted(path.name for path in Path("out").iterdir() if path.suffix in (".tmp", ".part")) == []
    assert script.main(["--resume", "out", "--epochs", "2"]) == 0


@pytest.mark.usefixtures("quick", "no_pictures")
def test_no_room_for_a_checkpoint_is_known_before_the_first_step(capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        assert script.main(["--batch-size", "20", "--out", "out"]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    output = capsys.readouterr()
    assert re.search(r"out: a checkpoint has [\d,]+ bytes, and there is room for 3,000: [\d,]+ are missing", output.err)
    assert output.out == ""


@pytest.mark.usefixtures("quick", "no_pictures")
def test_too_large_a_batch(capsys, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError
        yield

    monkeypatch.setattr(Session, "events", exhausted)
    assert script.main(["--out", "out"]) == 1
    assert "not enough memory for batches of 32 images" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.usefixtures("quick", "no_pictures")
def test_a_run_that_diverges_keeps_the_last_good_checkpoint(capsys, monkeypatch):
    """The bias of conv2 is poisoned before step 7: the run ends there, names it, and the checkpoint is that of step 6."""
    sessions = []
    init = Session.__init__

    def remember(session, *arguments, **options):
        init(session, *arguments, **options)
        sessions.append(session)

    def poison():
        sessions[0].net.params["conv2.1.bias"][:] = np.nan

    monkeypatch.setattr(Session, "__init__", remember)
    at_step(monkeypatch, 6, poison)
    assert script.main(["--batch-size", "15", "--save-every", "3", "--devices", "cpu,cpu", "--out", "out"]) == 1
    (complaint,) = capsys.readouterr().err.splitlines()
    assert "the loss is nan at step 7, in epoch 2, with lr 0.03: conv2.1.bias is not finite" in complaint
    assert "--lr 0.003" in complaint
    assert "out/last.ckpt holds the last good moment" in complaint
    state = checkpoint.load("out/last.ckpt")
    assert state.meta["position"]["step"] == 6
    assert all(np.isfinite(array).all() for array in state.arrays.values())


def in_a_process(*flags, cwd):
    return subprocess.run(
        [sys.executable, SCRIPT, *flags], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_as_a_process(here):
    """A run that diverges: one line on stderr, without NumPy's warnings, and no bar where there is no terminal."""
    done = in_a_process("--lr", "1e20", "--devices", "cpu,cpu", cwd=here)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "\r" not in done.stdout
    assert sorted(path.name for path in (here / "runs" / "digits-small-1").iterdir())[:2] == [".lock", "config.json"]


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(["--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in ("--devices", "--preset", "--resume", "examples:", "default: 15 for small, 90 for the paper's"):
        assert words in text
