"""Grading: a learner's notebooks are judged as they stand, whatever they show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lessons import grade

START = "import numpy as np\nfrom lessons import check\n"
RIGHT = "def relu_forward(x):\n    return np.maximum(x, 0)\ncheck.relu_forward(relu_forward)"
WRONG = "def relu_backward(dy, x):\n    return dy * x\ncheck.relu_backward(relu_backward)"
OPEN = """def tanh_backward(dy, y):
    raise NotImplementedError("write this: dy times the slope")
check.tanh_backward(tanh_backward)"""


def save(path: Path, *codes: str, tags: bool = True) -> Path:
    """A notebook of these code cells; those that check something are exercises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "source": ["# A lesson"], "metadata": {}}]
    for code in codes:
        tagged = {"tags": ["exercise"]} if tags and "check." in code else {}
        source = code.splitlines(keepends=True)
        cells.append({"cell_type": "code", "source": source, "metadata": tagged, "outputs": [], "execution_count": None})
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


def states(path: Path) -> dict[str, str]:
    """Exercise -> what came of it."""
    return {one.exercise: one.state for one in grade.grade(path)}


def test_each_exercise_is_graded(tmp_path: Path) -> None:
    path = save(tmp_path / "02.ipynb", START, RIGHT, WRONG, OPEN)
    right, wrong, open_ = grade.grade(path)
    assert (right.exercise, right.state) == ("relu_forward", "passed")
    assert (wrong.exercise, wrong.state) == ("relu_backward", "wrong")
    assert "dy is multiplied by x itself" in wrong.diagnosis[0]
    assert "dy is multiplied by x itself" in str(wrong)
    assert "The smallest case that fails" in wrong.details
    assert (open_.exercise, open_.state, open_.says) == ("tanh_backward", "open", "write this: dy times the slope")


def test_only_what_is_needed_is_run(tmp_path: Path) -> None:
    slow = "def half(x):\n    return x / 2\nFACTOR = 2.0\nraise RuntimeError('hours of training')"
    uses = "def relu_forward(x):\n    return np.maximum(half(x) * FACTOR, 0).astype(x.dtype)\ncheck.relu_forward(relu_forward)"
    magic = "%matplotlib inline\n!ls\nimport numpy as np\nfrom lessons import check"
    assert states(save(tmp_path / "a.ipynb", magic, slow, uses)) == {"relu_forward": "passed"}


def test_where_a_name_is_missing_everything_is_run(tmp_path: Path) -> None:
    computed = "threshold = np.zeros(1)[0]"
    uses = "def relu_forward(x):\n    return np.maximum(x, threshold).astype(x.dtype)\ncheck.relu_forward(relu_forward)"
    assert states(save(tmp_path / "a.ipynb", START, computed, uses)) == {"relu_forward": "passed"}


def test_a_function_of_the_lesson_is_not_the_learners(tmp_path: Path) -> None:
    path = save(tmp_path / "a.ipynb", START, OPEN)
    given = "def ours(dy, y):\n    return dy * (1 - y * y)\ncheck.tanh_backward(ours)"
    there = json.loads(path.read_text(encoding="utf-8"))
    there["cells"].append({"cell_type": "code", "source": given, "metadata": {}, "outputs": [], "execution_count": None})
    path.write_text(json.dumps(there), encoding="utf-8")
    assert states(path) == {"tanh_backward": "open"}


def test_a_notebook_without_tags_is_graded_all_the_same(tmp_path: Path) -> None:
    assert states(save(tmp_path / "a.ipynb", START, RIGHT, OPEN, tags=False)) == {
        "relu_forward": "passed",
        "tanh_backward": "open",
    }


def test_a_second_try_that_is_right_counts(tmp_path: Path) -> None:
    assert states(save(tmp_path / "a.ipynb", START, RIGHT, RIGHT.replace("maximum(x, 0)", "abs(x)"))) == {
        "relu_forward": "passed"
    }


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    (broken,) = grade.grade(save(tmp_path / "a.ipynb", START, "check.relu_forward(lambda x: x"))
    assert broken.state == "failed"
    assert "SyntaxError" in broken.says
    (raising,) = grade.grade(save(tmp_path / "b.ipynb", START, "check.relu_forward(np.maximums)"))
    assert "AttributeError" in raising.says
    (endless,) = grade.grade(
        save(tmp_path / "c.ipynb", START, "def f(x):\n    while True: pass\ncheck.relu_forward(f)"), seconds=4
    )
    assert "longer than 4 s" in endless.says
    (tmp_path / "d.ipynb").write_text("no notebook", encoding="utf-8")
    (nothing,) = grade.grade(tmp_path / "d.ipynb")
    assert nothing.state == "failed"


def test_saved_outputs_and_printing_do_not_matter(tmp_path: Path) -> None:
    loud = 'print("[]")\n' + WRONG + '\nprint("[{}]")'
    assert states(save(tmp_path / "a.ipynb", START, loud)) == {"relu_backward": "wrong"}


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "ann" / "02.ipynb", START, RIGHT)
    save(tmp_path / "bob" / "02.ipynb", START, WRONG)
    save(tmp_path / "bob" / ".ipynb_checkpoints" / "02.ipynb", START, WRONG)
    assert grade.main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "ann/02.ipynb: 1 of 1 right" in said
    assert "✗ relu_backward" in said
    assert "dy is multiplied by x itself" in said
    assert grade.main([str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["exercise"], one["state"]) for one in found] == [("relu_forward", "passed"), ("relu_backward", "wrong")]
    assert grade.main([str(tmp_path / "nobody")]) == 2
    assert "there is no" in capsys.readouterr().err


def test_as_tests(tmp_path: Path) -> None:
    """pytest -p lessons.grade: a test for each exercise."""
    save(tmp_path / "02.ipynb", START, RIGHT, WRONG, OPEN)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "lessons.grade",
        "-p",
        "no:cacheprovider",
        "-rs",
        "-c",
        "/dev/null",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "1 failed, 1 passed, 1 skipped" in done.stdout
    assert "dy is multiplied by x itself" in done.stdout
    assert "not written yet: write this: dy times the slope" in done.stdout
    assert "Traceback" not in done.stdout
