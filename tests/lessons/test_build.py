"""The builder: two notebooks of one source, and a word where one of them is not what the source says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="the notebooks are made with jupytext: pip install -e '.[lessons]'")
pytest.importorskip("nbclient", reason="the notebooks are run with nbclient: pip install -e '.[lessons]'")
pytest.importorskip("ipykernel", reason="the notebooks are run with ipykernel: pip install -e '.[lessons]'")

from lessons import build
from lessons.build import Lesson, Trouble

SOURCE = '''# %% [markdown]
# # 2. ReLU
# Some words, and $y = \\max(x, 0)$.

# %%
import numpy as np

from lessons import check, draw

# %% tags=["exercise"]
def relu_forward(x):
    """Return y, of x's shape."""
    # BEGIN SOLUTION
    # write: 0 where x is "negative", x elsewhere
    y = np.maximum(x, 0)
    return y
    # END SOLUTION


check.relu_forward(relu_forward)

# %% [markdown]
# <details><summary>Answer</summary>Yes.</details>

# %%
print("one")
print("two")
draw.array(np.eye(2), "a picture")
'''


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    return write(tmp_path, SOURCE)


def write(home: Path, text: str, name: str = "02_relu") -> Lesson:
    """A folder of lessons with this one in it."""
    (home / "source").mkdir(exist_ok=True)
    (home / "source" / f"{name}.py").write_text(text, encoding="utf-8")
    return Lesson(home / "source" / f"{name}.py")


def code(lesson: Lesson, kind: build.Kind) -> list[str]:
    """The source of each code cell."""
    return [cell.source for cell in lesson.make(kind).cells if cell.cell_type == "code"]


# From the source to the notebooks


def test_the_learner_finds_the_exercise_open(lesson: Lesson) -> None:
    cell = code(lesson, "learner")[1]
    assert cell == (
        'def relu_forward(x):\n    """Return y, of x\'s shape."""\n'
        '    raise NotImplementedError("write this: 0 where x is \\"negative\\", x elsewhere")\n\n\n'
        "check.relu_forward(relu_forward)"
    )
    compile(cell, "cell", "exec")


def test_the_solution_has_no_marks(lesson: Lesson) -> None:
    cell = code(lesson, "solved")[1]
    assert "    y = np.maximum(x, 0)\n    return y\n\n\ncheck" in cell
    assert not re.search("SOLUTION|write:", "\n".join(code(lesson, "solved")))


def test_both_have_the_same_cells_otherwise(lesson: Lesson) -> None:
    learner, solved = lesson.make("learner"), lesson.make("solved")
    assert (
        [c.cell_type for c in learner.cells]
        == [c.cell_type for c in solved.cells]
        == ["markdown", "code", "code", "markdown", "code"]
    )
    assert learner.cells[0].source == "# 2. ReLU\nSome words, and $y = \\max(x, 0)$."
    assert learner.cells[2].metadata == {"tags": ["exercise"]}
    assert learner.cells[0].metadata == {}
    assert [a.source == b.source for a, b in zip(learner.cells, solved.cells, strict=True)] == [True, True, False, True, True]


def test_the_same_source_gives_the_same_file(lesson: Lesson) -> None:
    first, again = (build.written(lesson.make("learner")) for _ in range(2))
    assert first == again
    ids = [cell["id"] for cell in json.loads(first)["cells"]]
    assert len(set(ids)) == len(ids)
    assert set(json.loads(first)["metadata"]) == {"kernelspec", "language_info"}


def test_equal_cells_have_ids_of_their_own() -> None:
    made = build.notebook("# %%\nx = 1\n\n# %%\nx = 1\n", "learner", "twins")
    assert made.cells[0].id != made.cells[1].id


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("share = 1 / 2\nother, more = 1, 2", "share = None  # write this: both\nother = None  # write this: both"),
        ("total += 1", "total = None  # write this: both"),
        ("print(1)", "...  # write this: both"),
    ],
)
def test_outside_of_functions_names_become_none(solution: str, expected: str) -> None:
    text = f"# BEGIN SOLUTION\n# write: both\n{solution}\n# END SOLUTION\ncheck.value('share', share)"
    opened = build.opened(text, "here")
    assert opened.startswith(expected)
    assert opened.endswith("check.value('share', share)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# BEGIN SOLUTION\nx = 1", "without # END SOLUTION"),
        ("x = 1\n# END SOLUTION", "# BEGIN SOLUTION should come first"),
        ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION", "# END SOLUTION should come first"),
        ("# BEGIN SOLUTION:\nx = 1\n# END SOLUTION", "should be exactly"),
    ],
)
def test_marks_that_do_not_fit_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Trouble, match=f"03_bad, cell 1: .*{words}"):
        write(tmp_path, f"# %%\n{text}\n", "03_bad").make("learner")


def test_lessons_are_found_by_their_numbers(tmp_path: Path) -> None:
    for name in ("02_relu", "10_two", "01_linear"):
        write(tmp_path, SOURCE, name)
    write(tmp_path, SOURCE, "notes")
    assert [one.name for one in build.lessons(home=tmp_path)] == ["01_linear", "02_relu", "10_two"]
    assert [one.name for one in build.lessons(["10", "01"], tmp_path)] == ["01_linear", "10_two"]
    with pytest.raises(Trouble, match="there is no lesson '07'; there are 01_linear"):
        build.lessons(["07"], tmp_path)


# Built, run, compared


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """A lesson with both its notebooks, made once."""
    lesson = write(tmp_path_factory.mktemp("lessons"), SOURCE)
    build.build(lesson)
    return lesson


def test_the_solved_notebook_has_its_outputs(built: Lesson) -> None:
    cells = json.loads(built.path("solved").read_text(encoding="utf-8"))["cells"]
    report, pictures = cells[2]["outputs"], cells[4]["outputs"]
    assert "relu_forward is right" in "".join(report[0]["data"]["text/html"])
    assert "✓ relu_forward is right" in "".join(report[0]["data"]["text/plain"])
    assert "".join(pictures[0]["text"]) == "one\ntwo\n"
    assert "a picture" in "".join(pictures[1]["data"]["text/html"])


def test_the_learners_copy_has_none(built: Lesson) -> None:
    cells = json.loads(built.path("learner").read_text(encoding="utf-8"))["cells"]
    assert [cell["outputs"] for cell in cells if cell["cell_type"] == "code"] == [[], [], []]


def test_what_was_built_is_accepted(built: Lesson) -> None:
    assert "02_relu" in build.check(built)


@pytest.mark.parametrize("kind", ["learner", "solved"])
def test_a_notebook_that_differs_is_named_with_its_first_cell(built: Lesson, kind: build.Kind) -> None:
    path = built.path(kind)
    kept = path.read_text(encoding="utf-8")
    there = json.loads(kept)
    there["cells"][1]["source"] = ["import numpy as np\n", "\n", "from lessons import draw"]
    path.write_text(json.dumps(there), encoding="utf-8")
    try:
        with pytest.raises(Trouble, match="cell 2 differs from the source: the source has 'from lessons import check, draw'"):
            build.compare(built, kind)
        assert build.main(["--check", "--home", str(path.parents[0 if kind == "learner" else 1])]) == 1
        there["cells"] = json.loads(kept)["cells"][:-1]
        path.write_text(json.dumps(there), encoding="utf-8")
        with pytest.raises(Trouble, match="has 4 cells, the source 5"):
            build.compare(built, kind)
        path.write_text("{}", encoding="utf-8")
        with pytest.raises(Trouble, match="is no notebook"):
            build.compare(built, kind)
        path.unlink()
        with pytest.raises(Trouble, match=r"is missing; run: python -m lessons\.build 02"):
            build.compare(built, kind)
    finally:
        path.write_text(kept, encoding="utf-8")


def test_outputs_where_none_should_be_and_the_other_way_round(built: Lesson, tmp_path: Path) -> None:
    lesson = write(tmp_path, SOURCE)
    lesson.path("solved").parent.mkdir()
    lesson.path("learner").write_text(build.written(lesson.make("learner")), encoding="utf-8")
    lesson.path("solved").write_text(build.written(lesson.make("solved")), encoding="utf-8")
    with pytest.raises(Trouble, match="it was not executed"):
        build.compare(lesson, "solved")
    there = json.loads(lesson.path("learner").read_text(encoding="utf-8"))
    there["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
    lesson.path("learner").write_text(json.dumps(there), encoding="utf-8")
    with pytest.raises(Trouble, match="it is the learner's copy"):
        build.compare(lesson, "learner")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1 / 0", "cell 1: ZeroDivisionError: division by zero"),
        ("import os\nos._exit(1)", "cell 1: "),
    ],
)
def test_a_cell_that_fails_is_named(tmp_path: Path, cell: str, words: str) -> None:
    lesson = write(tmp_path, f"# %%\n{cell}\n")
    with pytest.raises(Trouble, match=words):
        build.build(lesson)
    assert not lesson.path("solved").exists()


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("import sys\nprint('careful', file=sys.stderr)", "cell 1 writes to stderr: careful"),
        ("from pathlib import Path\nprint(Path.home() / 'x')", "cell 1: its output names this machine"),
        ("import lessons\nprint(lessons.__file__)", "cell 1: its output names this machine"),
    ],
)
def test_outputs_that_belong_to_this_machine_are_refused(tmp_path: Path, cell: str, words: str) -> None:
    with pytest.raises(Trouble, match=words):
        build.build(write(tmp_path, f"# %%\n{cell}\n"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('# %% tags=["exercise"]', "# %%"), 'an exercise without tags=\\["exercise"\\]'),
        (("check.relu_forward(relu_forward)", "check.relu_forward(np.abs)"), "does not say 'write this: 0 where"),
    ],
)
def test_an_open_exercise_must_say_so(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    lesson = write(tmp_path, SOURCE.replace(*change))
    made = lesson.make("learner")
    build.execute(made, lesson.name)
    with pytest.raises(Trouble, match=words):
        build.check_open(made, lesson.name)


def test_a_cell_may_not_depend_on_the_exercise(tmp_path: Path) -> None:
    lesson = write(tmp_path, SOURCE + "\n# %%\nrelu_forward(np.ones(3))\n")
    build.build(lesson)
    with pytest.raises(Trouble, match="cell 6: NotImplementedError: write this"):
        build.check(lesson)


def test_widgets_leave_their_still_picture(tmp_path: Path) -> None:
    cell = (
        "class Moving:\n    def _repr_mimebundle_(self, **_):\n"
        "        return {'application/vnd.jupyter.widget-view+json': {}, 'text/html': '<b>still</b>'}\n\nMoving()"
    )
    lesson = write(tmp_path, f"# %%\n{cell}\n")
    build.build(lesson)
    (output,) = json.loads(lesson.path("solved").read_text(encoding="utf-8"))["cells"][0]["outputs"]
    assert output["data"] == {"text/html": ["<b>still</b>"], "text/plain": ["<__main__.Moving>"]}


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lesson = write(tmp_path, "# %%\nprint(1)\n")
    write(tmp_path, "# %%\n1 / 0\n", "03_broken")
    assert build.main(["--home", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "02_relu" in said
    assert "FAILED  03_broken (solved), cell 1: ZeroDivisionError" in said
    assert lesson.path("solved").exists()
    assert build.main(["07", "--home", str(tmp_path)]) == 2
    assert "there is no lesson '07'" in capsys.readouterr().err


# The lessons themselves


@pytest.mark.parametrize("kind", ["learner", "solved"])
@pytest.mark.parametrize("lesson", build.lessons(), ids=lambda lesson: lesson.name)
def test_every_notebook_is_what_its_source_says(lesson: Lesson, kind: build.Kind) -> None:
    """python -m lessons.build --check runs them, too; here they are only compared."""
    build.compare(lesson, kind)


def test_a_solution_that_is_refused_is_caught(tmp_path: Path) -> None:
    wrong = write(tmp_path, SOURCE.replace("np.maximum(x, 0)", "np.abs(x)"))
    with pytest.raises(Trouble, match=r"02_relu \(solved\), cell 3: the solution is refused: .*relu_forward is not right yet"):
        build.build(wrong)
    assert not wrong.path("solved").exists()
