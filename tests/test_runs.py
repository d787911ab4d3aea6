"""A run's folder: never an old one, and no file in it is ever half written."""

import csv
import json
import threading

import numpy as np
import pytest

from minialex.plots import kernels
from minialex.runs import Run, load_weights
from minialex.training import Epoch

EPOCH = Epoch(1, 45, 0.03, 2.5, 1.25, 0.5, 0.125, 300.0, 9.5)


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


def test_the_log(tmp_path):
    run = Run(tmp_path / "run")
    run.log(EPOCH)
    run.log(EPOCH)
    with (run.path / "log.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == [
        "epoch",
        "step",
        "lr",
        "train_loss",
        "test_loss",
        "top1_error",
        "top5_error",
        "images_per_second",
        "seconds",
    ]
    assert rows == [["1", "45", "0.03", "2.5", "1.25", "0.5", "0.125", "300.0", "9.5"]] * 2


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
    with pytest.raises(OSError, match="No space left"):
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
