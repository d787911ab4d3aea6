"""A run's folder: never an old one, and no file in it is ever half written."""

import csv
import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from minialex.checkpoint import CheckpointError
from minialex.devices import parse_devices
from minialex.nets import small_towers
from minialex.optim import SGD
from minialex.plots import kernels
from minialex.runs import Run, load_weights, sizes
from minialex.runs.trace import Trace
from minialex.training import Epoch, Step

EPOCH = Epoch(1, 45, 0.03, 2.5, 1.25, 0.5, 0.125, 300.0, 9.5, 0.01)


def test_the_first_free_number(tmp_path):
    (tmp_path / "digits-small-2").mkdir()
    names = [Run.numbered("digits-small", tmp_path).path.name for _ in range(3)]
    assert names == ["digits-small-1", "digits-small-3", "digits-small-4"]


def test_runs_that_start_together_get_folders_of_their_own(tmp_path):
    taken = []
    threads = [threading.Thread(target=lambda: taken.append(Run.numbered("a", tmp_path).path)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 16


def test_a_folder_that_is_there_is_refused(tmp_path):
    Run(tmp_path / "deep" / "run")
    with pytest.raises(FileExistsError):
        Run(tmp_path / "deep" / "run")


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(NotADirectoryError, match="a file is in the way"):
        Run.numbered("a", tmp_path / "runs")


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_the_log_and_the_clock(tmp_path):
    run = Run(tmp_path / "run")
    run.log(EPOCH)
    run.log(EPOCH)
    head = ["epoch", "step", "lr", "train_loss", "test_loss", "top1_error", "top5_error"]
    assert rows_of(run.path / "log.csv") == [head, *[["1", "45", "0.03", "2.5", "1.25", "0.5", "0.125"]] * 2]
    assert rows_of(run.path / "times.csv") == [
        ["epoch", "images_per_second", "waited", "seconds"],
        *[["1", "300.0", "0.01", "9.5"]] * 2,
    ]


def test_the_log_of_a_run_that_goes_on_has_the_epochs_that_it_goes_on_from(tmp_path):
    run = Run(tmp_path / "run")
    for number in (1, 2, 3):
        run.log(replace(EPOCH, epoch=number))
    whole = (run.path / "log.csv").read_bytes()
    with (run.path / "log.csv").open("a") as file:
        file.write("4,60,0.0")  # a kill in the middle of a row
    run.write_log([replace(EPOCH, epoch=number) for number in (1, 2)])
    run.log(replace(EPOCH, epoch=3))
    assert (run.path / "log.csv").read_bytes() == whole
    run.write_log([])
    run.log(EPOCH)
    assert len(rows_of(run.path / "log.csv")) == 2  # the heading is there again


def test_what_the_clock_said_comes_back(tmp_path):
    run = Run(tmp_path / "run")
    assert run.times() == {}
    run.log(EPOCH)
    with (run.path / "times.csv").open("a") as file:
        file.write("2,300.0")
    assert run.times() == {1: {"images_per_second": 300.0, "waited": 0.01, "seconds": 9.5}}


def test_sizes_of_weights_and_updates(tmp_path):
    net = small_towers(parse_devices("cpu,cpu"), maps=2, hidden=3)
    sgd = SGD(net, lr=0.1)
    assert {one.update for one in sizes.measure(0, net, sgd)} == {0.0}  # nothing has moved yet
    net.forward(np.ones((2, 1, 8, 8), np.float32), train=True)
    net.backward(np.ones((2, 10), np.float32))
    before = net.state_dict()
    sgd.step()
    rows = sizes.measure(1, net, sgd)
    assert [row.parameter for row in rows] == list(before)
    for row in rows:
        after = net.state_dict()[row.parameter]
        assert row.weight == pytest.approx(np.abs(after).mean(), rel=1e-5)
        assert row.update == pytest.approx(np.abs(after - before[row.parameter]).mean(), rel=1e-4, abs=1e-9)
    run = Run(tmp_path / "run")
    run.write_sizes(rows)
    assert sizes.read_sizes(run.path / "sizes.csv") == rows
    assert sizes.from_json(json.loads(json.dumps(sizes.to_json(rows)))) == rows
    assert sizes.read_sizes(tmp_path / "none.csv") == []
    run.log(EPOCH)
    with pytest.raises(ValueError, match="is not a table of epoch, parameter, weight, update"):
        sizes.read_sizes(run.path / "log.csv")


def test_what_a_killed_write_left_is_swept(tmp_path):
    run = Run(tmp_path / "run")
    (run.path / ".weights.npz.part").write_bytes(b"half")
    Run.existing(run.path).sweep()
    assert list(run.path.iterdir()) == []


def test_a_trace_stays_short_and_keeps_its_mean():
    steps = [Step(1 + n // 5000, n + 1, (n + 1) / 5000, 0.1, float(n % 7), 4, 1.0) for n in range(9999)]
    trace = Trace()
    for n, step in enumerate(steps):
        if n == 5555:
            trace = Trace.from_json(json.loads(json.dumps(trace.to_json())))
        trace.add(step)
    points = trace.steps()
    assert len(points) < 2000
    assert trace.stride == 8
    covered = steps[: points[-1].step]
    assert np.mean([p.loss for p in points]) == pytest.approx(np.mean([s.loss for s in covered]))
    assert [p.step for p in points] == list(range(8, 9999, 8))
    few = Trace()
    for step in steps[:5]:
        few.add(step)
    assert few.steps() == [replace(step, seconds=0.0) for step in steps[:5]]


def test_weights_come_back_bit_for_bit(tmp_path):
    run = Run(tmp_path / "run")
    state = {"conv1.0.weight": np.random.default_rng(0).normal(size=(2, 1, 3, 3)).astype(np.float32), "fc.bias": np.zeros(3)}
    run.write_weights(state)
    back = load_weights(run.path / "weights.npz")
    assert back.keys() == state.keys()
    for name, value in state.items():
        assert back[name].dtype == value.dtype
        np.testing.assert_array_equal(back[name], value)


def test_weights_that_could_run_code_are_refused(tmp_path):
    np.savez(tmp_path / "weights.npz", trap=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        load_weights(tmp_path / "weights.npz")


def test_a_failed_write_leaves_the_file_before(tmp_path, monkeypatch):
    run = Run(tmp_path / "run")
    run.write_weights({"w": np.ones(3)})

    def fail(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(CheckpointError, match=r"weights.npz: cannot be written: No space left on device: \d+ bytes are needed"):
        run.write_weights({"w": np.zeros(3)})
    np.testing.assert_array_equal(load_weights(run.path / "weights.npz")["w"], np.ones(3))
    assert [path.name for path in run.path.iterdir()] == ["weights.npz"]


def test_config_and_pictures(tmp_path):
    run = Run(tmp_path / "run")
    run.write_config({"seed": 3})
    config = json.loads((run.path / "config.json").read_text())
    assert config["seed"] == 3
    assert {"minialex", "python", "numpy"} <= config["versions"].keys()
    run.write_picture("kernels.png", kernels({"conv1.weight": np.ones((2, 1, 3, 3))}))
    assert (run.path / "kernels.png").read_bytes().startswith(b"\x89PNG")
