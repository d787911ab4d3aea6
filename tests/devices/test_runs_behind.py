"""Runs on GPUs that are behind the host: what is printed, traced and saved is what was known, and right."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from math import nan
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from minialex import checkpoint
from minialex.console import Progress
from minialex.net import Net
from minialex.runs import report
from minialex.runs.session import Session
from minialex.runs.trace import Trace
from minialex.training import NonFiniteLoss, Step
from tests.devices.behind import machine_of, poisoned
from tests.devices.fake_gpus import Machine
from tests.scripts.test_train import here, load_script, no_pictures, quick, read_log  # noqa: F401  fixtures

script = load_script()
STEPS = ["--epochs", "2", "--batch-size", "15"]  # four of them in an epoch


@pytest.fixture
def gpus() -> Iterator[Machine]:
    with machine_of("kernels") as machine:
        memory: Any = sys.modules["cupy"]
        memory.cuda.runtime.memGetInfo = lambda: (1 << 40, 1 << 40)
        memory.get_default_memory_pool = lambda: Mock(free_bytes=lambda: 0)
        yield machine


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the net of every run this poison."""

    def give(what: Any) -> None:
        init = Session.__init__

        def spoilt(session: Session, recipe: Any, source: Any, net: Net, *rest: Any, **options: Any) -> None:
            init(session, recipe, source, poisoned(net, what), *rest, **options)

        monkeypatch.setattr(Session, "__init__", spoilt)

    return give


@pytest.mark.usefixtures("quick", "gpus", "no_pictures")
def test_a_run_leaves_what_it_leaves_on_cpus() -> None:
    """The log, the curve's points, the place in the middle of an epoch."""
    found = []
    for devices in ("cpu,cpu", "0,1", "0,0"):
        out = devices.replace(",", "-")
        assert script.main([*STEPS, "--steps", "6", "--save-every", "3", "--devices", devices, "--out", out]) == 0
        states = [checkpoint.load(Path(out, name)).meta for name in ("last.ckpt", "previous.ckpt")]
        rows = [[float(row[name]) for name in ("train_loss", "test_loss", "top1_error")] for row in read_log(out)]
        losses = [[point[4] for point in state["trace"]["points"]] for state in states]
        places = [state["position"] for state in states]
        totals = [place.pop("total") for place in places]
        found.append((rows, losses, totals, places))
    for there in found[1:]:
        for got, expected in zip(there[:3], found[0][:3], strict=True):
            for one, other in zip(got, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4)
        assert there[3] == found[0][3]


@pytest.mark.parametrize(("save_every", "saved"), [("1", 2), ("2", 2), ("5", None), ("4", None)])
@pytest.mark.usefixtures("quick", "gpus", "no_pictures")
def test_no_checkpoint_is_of_a_step_that_was_none(capsys: Any, poison: Any, save_every: str, saved: int | None) -> None:
    """Step 3 is none, which the host learns two steps later, or when it is about to save."""
    poison({3: {"conv2.1.bias": nan}})
    assert script.main([*STEPS, "--save-every", save_every, "--devices", "0,1", "--out", "out"]) == 1
    (complaint,) = capsys.readouterr().err.splitlines()
    assert "a gradient is not finite at step 3, in epoch 1, with lr 0.03: first in the gradient of conv2.1.bias" in complaint
    if saved is None:
        assert "No checkpoint had been saved yet" in complaint
    else:
        assert "out/last.ckpt holds the last good moment" in complaint
        state = checkpoint.load("out/last.ckpt")
        assert state.meta["position"]["step"] == saved
        assert len(state.meta["trace"]["points"]) == saved
        assert all(np.isfinite(array).all() for array in state.arrays.values())


@pytest.mark.usefixtures("quick", "gpus")
def test_the_pictures_of_a_run_that_failed_show_the_steps_before(poison: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(script, "draw", lambda session: drawn.append([step.step for step in session.trace.steps()]))
    poison({3: {"fc5.bias": nan}})
    assert script.main([*STEPS, "--devices", "0,1", "--out", "out"]) == 1
    assert drawn == [[1, 2]]


@pytest.mark.usefixtures("quick", "gpus", "no_pictures")
def test_a_stop_just_after_a_step_that_was_none(capsys: Any, poison: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes before the host has heard of it: the run has failed all the same, and saves nothing."""
    show = report.show

    def then(screen: Progress, session: Session, event: Any) -> None:
        show(screen, session, event)
        if isinstance(event, Step) and event.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(report, "show", then)
    poison({3: {"fc5.bias": nan}})
    assert script.main([*STEPS, "--devices", "0,1", "--out", "out"]) == 1
    assert "a gradient is not finite at step 3" in capsys.readouterr().err
    assert not Path("out/last.ckpt").exists()


@pytest.mark.usefixtures("quick", "no_pictures")
def test_what_is_shown_makes_nobody_wait(gpus: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """While steps go on the host waits once a step, for one that is long past; the line has the last loss that is known."""
    lines: list[str] = []
    monkeypatch.setattr(Progress, "advance", lambda screen, images, where: lines.append(f"{gpus.waits} {where}"))
    monkeypatch.setattr("minialex.console.Lines.advance", Progress.advance)
    assert script.main([*STEPS, "--devices", "0,1", "--out", "out"]) == 0
    waits = [int(line.split()[0]) for line in lines]
    assert waits[1:4] == [waits[0], waits[0] + 1, waits[0] + 2]
    assert "loss" not in lines[0]
    assert "loss" not in lines[1]
    losses = [point[4] for point in checkpoint.load("out/last.ckpt").meta["trace"]["points"]]
    shown = [re.search(r"step (\d) +loss ([0-9.]+)", line) for line in lines]
    assert [(match[1], match[2]) for match in shown if match] == [
        *((str(step), f"{losses[step - 3]:.3f}") for step in (3, 4)),
        *((str(step), f"{losses[3]:.3f}") for step in (5, 6)),
        *((str(step), f"{losses[step - 3]:.3f}") for step in (7, 8)),
    ]


class Late:
    """A loss that becomes known when somebody waits for it; nan: it never was one."""

    def __init__(self, loss: float) -> None:
        self.loss, self.known = loss, False

    def value(self) -> float:
        if self.loss != self.loss:
            raise NonFiniteLoss("none")
        self.known = True
        return self.loss


def step(number: int, loss: Any) -> Step:
    return Step(1, number, number / 10, 0.1, loss, 4, 1.0)


def test_a_trace_takes_a_loss_in_when_it_is_there_and_in_its_turn() -> None:
    trace, plain, late = Trace(), Trace(), [Late(number / 7) for number in range(9)]
    for number, loss in enumerate(late):
        trace.add(step(number, loss))
        plain.add(step(number, loss.loss))
        assert trace.latest is None
    for loss in late[:5:2]:
        loss.known = True
    trace.add(step(9, 1.0))
    plain.add(step(9, 1.0))
    assert [point[1] for point in trace.points] == [0], "the second is not known yet"
    assert trace.latest == 0.0
    assert json.dumps(trace.to_json()) == json.dumps(plain.to_json())
    assert all(loss.known for loss in late)
    assert trace.latest == 1.0


def test_a_trace_ends_with_the_step_before_one_that_was_none() -> None:
    trace = Trace()
    for number, loss in enumerate([Late(1.0), Late(2.0), Late(nan), Late(3.0)]):
        trace.add(step(number, loss))
    for _ in range(2):
        assert [each.step for each in trace.steps()] == [0, 1]
        with pytest.raises(NonFiniteLoss):
            trace.to_json()
