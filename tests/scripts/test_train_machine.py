"""train.py and the machine under it: the memory plan, the timeline, and what only a GPU has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scripts.test_train import script

SHORT = ["--devices", "cpu,cpu", "--steps", "4", "--workers", "1"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_memory_plan_stands_before_the_first_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(SHORT) == 0
    said = capsys.readouterr().out
    assert said.index("velocities") < said.index("step 1/4")
    assert "with one batch of 32 images" in said


def test_what_cannot_fit_is_refused_with_the_batch_that_would(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from minialex import memory  # noqa: PLC0415

    monkeypatch.setattr(memory, "free_memory", lambda net: {"host": 78_000_000})
    assert script.main([*SHORT, "--batch-size", "512", "--out", "run"]) == 2
    said = capsys.readouterr().err
    assert "batches of 512 images need" in said
    assert "--batch-size" in said
    assert said.count("\n") == 1
    assert not Path("run").exists(), "a run that was refused leaves nothing"


def test_the_timeline_is_written_and_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([*SHORT, "--out", "run", "--trace", "step.json"]) == 0
    events = json.loads(Path("step.json").read_text())["traceEvents"]
    lanes = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert {"host", "cpu:0", "cpu:1", "loader:0"} <= lanes
    names = {event["name"] for event in events if event["ph"] == "X"}
    assert {"conv1.0, forward", "conv1.1, backward", "exchange for conv3", "update", "next batch", "read"} <= names
    assert any(event["name"] == "cpu:1 to cpu:0" and event["args"]["bytes"] == 65_536 for event in events)
    assert Path("run/timeline.png").read_bytes().startswith(b"\x89PNG")
    assert "timeline   step.json" in capsys.readouterr().out


def test_a_trace_overwrites_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.json").write_text("precious")
    assert script.main([*SHORT, "--out", "run", "--trace", "mine.json"]) == 2
    assert "mine.json exists already" in capsys.readouterr().err
    assert Path("mine.json").read_text() == "precious"
    assert not Path("run").exists()


def test_one_step_has_no_timeline(capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([*SHORT[:2], "--steps", "1", "--trace", "step.json"]) == 0
    assert "there was none" in capsys.readouterr().err
    assert not Path("step.json").exists()


def test_tf32_is_for_gpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([*SHORT, "--tf32"]) == 2
    assert "--tf32 is for NVIDIA GPUs" in capsys.readouterr().err
