"""What every lesson keeps to: public names only, a promise of time, exercises with checks, five questions with answers."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from lessons import check

LESSONS = Path(__file__).resolve().parents[2] / "lessons"
SOURCES = sorted((LESSONS / "source").glob("*.py"))
EACH = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
PATH = (LESSONS / "README.md").read_text(encoding="utf-8")

# What a notebook may import besides the standard library: what an installation with [lessons] has for certain.
OURS = {"minialex", "lessons"}
OTHERS = {"numpy", "matplotlib", "sklearn", "ipywidgets", "threadpoolctl", "scipy", "PIL"}
OPTIONAL = {"torch", "cupy"}  # only where a lesson tries, and does without


def imports(tree: ast.AST) -> list[tuple[str, str]]:
    """(module, name) of every import, wherever it stands."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def attempted(tree: ast.AST) -> set[str]:
    """Modules whose import may fail without harm."""
    tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
    return {module.split(".")[0] for node in tries for module, _ in imports(ast.Module(node.body, []))}


@EACH
def test_only_public_names_are_imported(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for module, name in imports(tree):
        top = module.split(".")[0]
        if top in OPTIONAL:
            assert top in attempted(tree), f"{top} may be missing: import it inside of try"
            continue
        assert top in OURS | OTHERS | set(sys.stdlib_module_names), f"{module} is not installed with the lessons"
        assert not any(part.startswith("_") for part in (*module.split("."), name) if part != "__future__"), f"{module}.{name}"
        if top == "lessons":
            assert (module, name) in {("lessons", "check"), ("lessons", "draw")}, f"{module}.{name}: use check and draw"


@EACH
def test_nothing_private_is_touched(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    private = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr)}
    assert private == set()


@EACH
def test_the_head_says_how_long_and_on_what(source: Path) -> None:
    text, number = source.read_text(encoding="utf-8"), int(source.stem[:2])
    assert text.startswith(f"# %% [markdown]\n# # {number}. "), "the first cell is the title"
    promised = re.search(r"^# \*About (\d+) minutes\.", text, re.MULTILINE)
    assert promised, "it says how long it takes: *About 40 minutes. ...*"
    assert 20 <= int(promised[1]) <= 40
    row = next(line for line in PATH.splitlines() if f"({source.stem}.ipynb)" in line)
    assert f"| {promised[1]} |" in row, "README.md says another time"


@EACH
def test_five_questions_close_it(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    questions = text.partition("# ## Five questions")[2]
    assert questions, "it ends with five questions"
    assert questions.count("<details>") == questions.count("</details>") >= 5
    assert "Recap" in text


@EACH
def test_every_exercise_can_be_checked(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    asked = set(re.findall(r"\bcheck\.(\w+)\(", text)) - {"value"}
    assert asked <= set(check.EXERCISES), "there is a check for each"
    for name in re.findall(r'check\.value\(\s*"([^"]+)"', text):
        assert name in check.VALUES
    cells = re.split(r"^# %%", text, flags=re.MULTILINE)
    for cell in cells:
        if "# BEGIN SOLUTION" in cell:
            assert '"exercise"' in cell.partition("\n")[0]
            assert "# write: " in cell
            assert "check." in cell, "the exercise's own cell checks it"


def test_every_exercise_is_in_a_lesson() -> None:
    texts = "".join(source.read_text(encoding="utf-8") for source in SOURCES)
    for name, exercise in check.EXERCISES.items():
        assert f"check.{name}(" in texts, f"nobody is asked for {name}"
        assert any(source.stem.startswith(exercise.lesson) for source in SOURCES)
    for name in check.VALUES:
        assert f'check.value("{name}"' in texts, f"nobody is asked for {name}"


def test_the_path_names_every_lesson() -> None:
    for source in SOURCES:
        assert f"({source.stem}.ipynb)" in PATH
