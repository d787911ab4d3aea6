"""Grade learners' notebooks: which exercises are right, which are wrong and why, which are not written yet.

    python -m lessons.grade FOLDER ...           # a table, a line for each exercise
    python -m lessons.grade FOLDER --json        # the same, for a program
    pytest -p lessons.grade FOLDER               # a test for each exercise: passed, failed with its diagnosis, or skipped

A folder is searched for notebooks (*.ipynb), however deep. Each is run in a process of its own, with a time limit, and judged
by this installation's checks, whatever its saved outputs say. Only what the exercises need is run: the imports, the functions
and the plain constants of all cells, and the cells that call a check, whole. Where a name is missing then, because an exercise
uses what another cell computes, the notebook is run from its first cell on.

It runs what learners wrote, with your rights: in a class whose code you do not trust, use an account of its own.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import io
import json
import linecache
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lessons import check

SECONDS = 120  # for one notebook
MARKS = {"passed": "✓", "open": "○", "wrong": "✗", "failed": "!"}
WORDS = {"passed": "right", "open": "not written yet", "wrong": "not right yet", "failed": "could not be run"}


@dataclass(frozen=True)
class Grade:
    """What came of one exercise. state: "passed", "open", "wrong", or "failed" where the notebook itself could not be run."""

    notebook: str
    exercise: str
    state: str
    says: str = ""
    diagnosis: tuple[str, ...] = ()
    details: str = ""

    def __str__(self) -> str:
        why = "; ".join(self.diagnosis) or (self.says if self.state != "passed" else "")
        return f"{MARKS[self.state]} {self.exercise:<26} {WORDS[self.state]}{f': {why}' if why else ''}"


# In a process of its own: one notebook


def cells(path: Path) -> Iterator[tuple[str, bool]]:
    """Each code cell of a notebook, without the commands that are IPython's, and whether it is an exercise."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).split("\n")
            code = "\n".join("pass" if line.lstrip().startswith(("%", "!")) else line for line in lines)
            yield code, "exercise" in cell.get("metadata", {}).get("tags", [])


def asks(tree: ast.AST) -> bool:
    """Whether a cell calls one of the checks."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "check"
        for node in ast.walk(tree)
    )


def needed(tree: ast.Module) -> ast.Module:
    """What other cells may want of this one: imports, functions, classes, and names for plain constants."""
    kept: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef) or (
            isinstance(node, ast.Assign) and is_literal(node.value)
        ):
            kept.append(node)
    return ast.Module(kept, [])


def is_literal(node: ast.expr) -> bool:
    """Whether an expression is a plain constant."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return False
    return True


def run(path: Path, whole: bool) -> list[dict[str, Any]]:
    """Run a notebook's cells; what its checks report, in order, and what could not be run."""
    grades: list[dict[str, Any]] = []
    inside = False  # an exercise: a lesson also checks functions of its own

    def hear(report: Any) -> None:
        """The verdict counts, not what the cell shows."""
        name = getattr(report, "exercise", None) or report.asked
        diagnosis = list(getattr(report, "diagnosis", ()))
        told = {"says": report.says, "diagnosis": diagnosis, "details": repr(report), "inside": inside}
        grades.append({"exercise": name.name, "state": report.state} | told)

    names: dict[str, Any] = {"__name__": "__main__", "display": lambda *shown: None, "__builtins__": builtins}
    check.listeners.append(hear)
    for n, (code, inside) in enumerate(cells(path), 1):
        where = f"code cell {n}"
        try:
            tree = ast.parse(code, where)
        except SyntaxError as error:
            if "check." in code:
                grades.append(failure(where, f"SyntaxError in line {error.lineno}: {error.msg}", inside))
            continue
        asked = asks(tree)
        try:
            remember(where, code)
            exec(compile(tree if asked or whole else needed(tree), where, "exec"), names)
        except (Exception, SystemExit) as error:
            if asked or whole:
                grades.append(failure(where, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}", inside))
    return grades


def failure(where: str, says: str, inside: bool) -> dict[str, Any]:
    """A cell that raises by itself."""
    return {"exercise": where, "state": "failed", "says": says, "diagnosis": [], "details": says, "inside": inside}


def remember(where: str, code: str) -> None:
    """Let messages quote the line of a cell that an error comes from."""
    linecache.cache[where] = (len(code), None, [line + "\n" for line in code.split("\n")], where)


def only(path: Path) -> None:
    """The child process: grade one notebook, and print the result as one line of JSON after everything else."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        grades = run(path, whole=False)
        if any("NameError" in grade["details"] for grade in grades):
            check.listeners.clear()
            grades = run(path, whole=True)
        os.chdir("/")
    print(f"\n{json.dumps(last_of_each(grades))}")


def last_of_each(grades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An exercise that is checked twice is graded once: as right if it was so once, else by the last time.

    Only cells with the tag "exercise" count, unless the notebook has lost its tags.
    """
    found: dict[str, dict[str, Any]] = {}
    tagged = any(grade["inside"] for grade in grades)
    for grade in grades:
        if tagged and not grade["inside"]:
            continue
        if found.get(grade["exercise"], grade)["state"] != "passed" or grade["state"] == "passed":
            found[grade["exercise"]] = grade
    return [{key: value for key, value in grade.items() if key != "inside"} for grade in found.values()]


# Here: folders of them


def notebooks(places: Sequence[Path]) -> Iterator[Path]:
    """Every notebook under these folders, in order."""
    for place in places:
        if not place.exists():
            raise FileNotFoundError(f"there is no {place}")
        found = sorted(place.rglob("*.ipynb")) if place.is_dir() else [place]
        yield from (path for path in found if ".ipynb_checkpoints" not in path.parts)


def grade(path: Path, seconds: float = SECONDS) -> list[Grade]:
    """The grades of one notebook, found in a process of its own."""
    command = [sys.executable, "-m", "lessons.grade", "--only", str(path.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        found = json.loads(done.stdout.strip().split("\n")[-1]) if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        return [Grade(str(path), path.stem, "failed", f"took longer than {seconds:.0f} s")]
    except ValueError:
        found = None
    if found is None:
        reason = (done.stderr.strip().split("\n") or [""])[-1]
        return [Grade(str(path), path.stem, "failed", f"is no notebook that can be run: {reason}")]
    return [Grade(str(path), **(g | {"diagnosis": tuple(g["diagnosis"])})) for g in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Exit code 0 when all has been graded, however well; 2 when something could not be."""
    parser = argparse.ArgumentParser(prog="python -m lessons.grade", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("places", nargs="*", type=Path, metavar="FOLDER", help="folders of notebooks, or notebooks")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.add_argument("--details", action="store_true", help="print what each learner was told, numbers included")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for one notebook (default: %(default)s)")
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.only:
        only(asked.only)
        return 0
    if not asked.places:
        parser.error("which folder?")
    grades: list[Grade] = []
    try:
        for path in notebooks(asked.places):
            found = grade(path, asked.seconds)
            grades += found
            if not asked.json:
                right = sum(g.state == "passed" for g in found)
                print(f"{path}: {right} of {len(found)} right" if found else f"{path}: no exercises")
                for g in found:
                    print(f"  {g}")
                    if asked.details and g.state in ("wrong", "failed"):
                        print("\n".join("      " + line for line in g.details.split("\n")))
    except FileNotFoundError as error:
        print(f"lessons.grade: {error}", file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps([asdict(g) for g in grades], indent=1))
    return 2 if any(g.state == "failed" for g in grades) else 0


# The same as tests: pytest -p lessons.grade FOLDER

try:
    import pytest
except ImportError:  # a learner's installation may do without
    pass
else:

    class NotebookFile(pytest.File):
        """A learner's notebook: a test for each of its exercises."""

        def collect(self) -> Iterator[pytest.Item]:
            """All exercises that the notebook checks."""
            for one in grade(self.path):
                yield ExerciseItem.from_parent(self, name=one.exercise, grade=one)

    class ExerciseItem(pytest.Item):
        """One exercise."""

        def __init__(self, *, grade: Grade, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.grade = grade

        def runtest(self) -> None:
            """Passed, skipped where it is not written yet, failed otherwise."""
            if self.grade.state == "open":
                pytest.skip(f"not written yet: {self.grade.says}")
            if self.grade.state != "passed":
                raise NotRight(self.grade)

        def repr_failure(self, excinfo: Any, style: Any = None) -> str:
            """What the learner was told."""
            if isinstance(excinfo.value, NotRight):
                return excinfo.value.grade.details
            return str(super().repr_failure(excinfo, style))

        def reportinfo(self) -> tuple[Path, None, str]:
            """The notebook and the exercise."""
            return self.path, None, f"{self.path.name}: {self.name}"

    class NotRight(Exception):
        """An exercise that is wrong."""

        def __init__(self, grade: Grade) -> None:
            super().__init__(str(grade))
            self.grade = grade

    def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
        """Notebooks are collected, as files of tests are."""
        if file_path.suffix == ".ipynb" and ".ipynb_checkpoints" not in file_path.parts:
            return NotebookFile.from_parent(parent, path=file_path)
        return None


if __name__ == "__main__":
    sys.exit(main())
