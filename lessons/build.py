"""Make the notebooks of their one source, and see that both kinds run.

    python -m lessons.build              # every lesson
    python -m lessons.build 04 05        # these
    python -m lessons.build --check      # write nothing; exit code 1 if a notebook is not what its source says, or fails

lessons/source/NN_name.py, a percent file, gives lessons/NN_name.ipynb, the learner's copy, without outputs and with the
exercises open, and lessons/solutions/NN_name.ipynb, solved and executed. In the source an exercise looks like this:

    # %% tags=["exercise"]
    def relu(x):
        # BEGIN SOLUTION
        # write: 0 where x is negative
        return np.maximum(x, 0)
        # END SOLUTION

    check.relu_forward(relu)

The learner finds `raise NotImplementedError("write this: 0 where x is negative")` there. Outside of functions, every name
that the solution gives a value to becomes None, with the same words as a comment.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

try:
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
except ImportError as error:
    print(f"lessons.build: {error.name} is missing; run: pip install -e '.[lessons]'", file=sys.stderr)
    raise SystemExit(2) from None

LESSONS = Path(__file__).resolve().parent
LONGEST = 60.0  # seconds that a lesson may take from top to bottom
COMPUTED = "import time as clock\n\nprint(clock.process_time())"
LARGEST = 600  # KB of a solved notebook
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
Kind = Literal["learner", "solved"]
Notebook = Any  # nbformat has no types of its own


class Trouble(Exception):
    """Something is wrong with a lesson: one line that says what and where."""


@dataclass(frozen=True)
class Lesson:
    """A source, and where its two notebooks belong."""

    source: Path

    @property
    def name(self) -> str:
        """04_convolution_backwards."""
        return self.source.stem

    def path(self, kind: Kind) -> Path:
        """Where the notebook of this kind is."""
        home = self.source.parent.parent
        return (home if kind == "learner" else home / "solutions") / f"{self.name}.ipynb"

    def make(self, kind: Kind) -> Notebook:
        """The notebook, as the source says, without outputs."""
        return notebook(self.source.read_text(encoding="utf-8"), kind, self.name)


def lessons(wanted: Sequence[str] = (), home: Path = LESSONS) -> list[Lesson]:
    """The lessons whose names begin so, or all of them, in order."""
    found = [Lesson(path) for path in sorted((home / "source").glob("[0-9][0-9]_*.py"))]
    for start in wanted:
        if not any(lesson.name.startswith(start) for lesson in found):
            raise Trouble(f"there is no lesson {start!r}; there are {', '.join(lesson.name for lesson in found)}")
    return [lesson for lesson in found if not wanted or lesson.name.startswith(tuple(wanted))]


# From the source to a notebook


def notebook(source: str, kind: Kind, name: str) -> Notebook:
    """A percent file's text as a notebook, the learner's or the one to be executed."""
    made = jupytext.reads(source, fmt="py:percent")
    seen: set[str] = set()
    for n, cell in enumerate(made.cells):
        where = f"{name}, cell {n + 1}"
        if cell.cell_type == "code":
            cell.source = opened(cell.source, where) if kind == "learner" else solved(cell.source, where)
            cell.outputs, cell.execution_count = [], None
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        cell.id = identity(cell.cell_type + cell.source, seen)
    made.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    made.nbformat, made.nbformat_minor = 4, 5
    nbformat.validate(made)
    return made


def identity(text: str, seen: set[str]) -> str:
    """A cell's id: it follows from the cell, so that the same source gives the same file."""
    for n in range(1000):
        made = hashlib.sha256(f"{n}{text}".encode()).hexdigest()[:8]
        if made not in seen:
            break
    seen.add(made)
    return made


BEGIN, END, WRITE = "# BEGIN SOLUTION", "# END SOLUTION", "# write:"


def parts(source: str, where: str) -> Iterator[tuple[bool, list[str]]]:
    """(whether it is a solution, its lines), one after another."""
    lines: list[str] = []
    inside = False
    for line in source.split("\n"):
        mark = line.strip()
        if mark in (BEGIN, END):
            if inside != (mark == END):
                raise Trouble(f"{where}: {mark} where {END if inside else BEGIN} should come first")
            yield inside, lines
            lines, inside = [], not inside
        elif mark.startswith((BEGIN[2:], END[2:], BEGIN, END)):
            raise Trouble(f"{where}: {mark!r} should be exactly {BEGIN!r} or {END!r}")
        else:
            lines.append(line)
    if inside:
        raise Trouble(f"{where}: {BEGIN} without {END}")
    yield False, lines


def solved(source: str, where: str) -> str:
    """The cell without its marks."""
    kept: list[str] = []
    for solution, lines in parts(source, where):
        kept += lines[1:] if solution and lines and lines[0].strip().startswith(WRITE) else lines
    return "\n".join(kept).strip("\n")


def opened(source: str, where: str) -> str:
    """The cell with its solutions taken out."""
    kept: list[str] = []
    for solution, lines in parts(source, where):
        kept += blank(lines, where) if solution else lines
    return "\n".join(kept).strip("\n")


def blank(lines: list[str], where: str) -> list[str]:
    """What stands in the place of a solution."""
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    told = first.strip().removeprefix(WRITE).strip() if first.strip().startswith(WRITE) else ""
    says = f"write this: {told}" if told else "write this"
    if indent:
        return [f"{indent}raise NotImplementedError({json.dumps(says, ensure_ascii=False)})"]
    try:
        names = list(dict.fromkeys(assigned("\n".join(lines))))
    except SyntaxError as error:
        raise Trouble(f"{where}: the solution is no Python: {error.msg}") from None
    return [f"{name} = None  # {says}" for name in names] or [f"...  # {says}"]


def assigned(source: str) -> Iterator[str]:
    """The names that top-level statements give a value to."""
    for statement in ast.parse(source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name)) if target is not None else ()


# Running


def execute(made: Notebook, name: str) -> float:
    """Run every cell in a kernel of its own, in an empty folder; fills in the outputs, returns the seconds.

    These are the kernel's own seconds of computing, if they are fewer than those on the clock: what else the machine does at
    the same time is not the lesson's fault.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        env = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | {
            "IPYTHONDIR": f"{place}/.ipython",
            "PYTHONHASHSEED": "0",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        client = NotebookClient(
            made,
            timeout=300,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": place}},
            extra_arguments=["--log-level=40"],
        )
        made.cells.append(nbformat.v4.new_code_cell(COMPUTED))  # type: ignore[no-untyped-call]
        try:
            client.execute(env=env)
            computed = float(text_of(made.cells[-1].outputs))
        except CellExecutionError as error:
            raise Trouble(f"{name}, cell {failed(made)}: {error.ename}: {first_line(error.evalue)}") from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise Trouble(f"{name}, cell {failed(made)}: {first_line(str(error))}") from None
        finally:
            made.cells.pop()
    return min(time.monotonic() - start, computed)


def failed(made: Notebook) -> int:
    """The number of the last cell that was begun."""
    return max((n for n, cell in enumerate(made.cells, 1) if cell.get("execution_count") or cell.get("outputs")), default=1)


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.split("\n") if line.strip()), "")


def tidy(made: Notebook, name: str) -> Notebook:
    """Outputs as they are kept: no widgets that need a kernel, no traces of this machine; Trouble where some remain."""
    for n, cell in enumerate(made.cells, 1):
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                raise Trouble(f"{name}, cell {n} writes to stderr: {first_line(output.text)}")
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if "text/plain" in data:  # where an object lies in memory is chance
                data["text/plain"] = re.sub(r" at 0x[0-9a-f]+", "", data["text/plain"])
            output.get("metadata", {}).clear()
            if output.output_type in ("display_data", "execute_result") and not data:
                continue
            kept.append(output)
        cell.outputs = merged(kept)
        text = json.dumps(cell.outputs)
        for trace in (str(LESSONS.parent), str(Path.home()) + "/", "/ipykernel_", tempfile.gettempdir() + "/"):
            if trace in text:
                raise Trouble(f"{name}, cell {n}: its output names this machine: {trace}")
    made.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return made


def merged(outputs: list[Any]) -> list[Any]:
    """Neighbouring pieces of printed text as one: how a kernel cuts them is chance."""
    kept: list[Any] = []
    for output in outputs:
        if kept and output.output_type == "stream" == kept[-1].output_type and output.name == kept[-1].name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def check_open(made: Notebook, name: str) -> None:
    """In an executed learner's copy, every exercise has said "not written yet", with its own words, and nothing else failed."""
    for n, cell in enumerate(made.cells, 1):
        if cell.cell_type != "code":
            continue
        shown = text_of(cell.outputs)
        wanted = re.findall(r'NotImplementedError\("(write this.*)"\)|= None  # (write this.*)', cell.source)
        for asked in (json.loads(f'"{a}"') if a else b for a, b in wanted):
            if "exercise" not in cell.metadata.get("tags", []):
                raise Trouble(f'{name}, cell {n}: an exercise without tags=["exercise"]')
            if "check." in cell.source and not ("not written yet" in shown.lower() and asked.partition(": ")[2] in shown):
                raise Trouble(f"{name}, cell {n}: the open exercise does not say {asked!r}; it shows {first_line(shown)!r}")
        if re.search(r"is not right yet", shown) and wanted:
            raise Trouble(f"{name}, cell {n}: the open exercise is judged: {first_line(shown)}")


def check_solved(made: Notebook, name: str) -> None:
    """In an executed solved notebook, no check says that our own solution is wrong, or that it is not written."""
    for n, cell in enumerate(made.cells, 1):
        if cell.cell_type == "code" and "exercise" in cell.metadata.get("tags", []):
            shown = text_of(cell.outputs)
            if re.search(r"is not right yet|not written yet", shown):
                raise Trouble(f"{name}, cell {n}: the solution is refused: {first_line(shown)}")


def text_of(outputs: list[Any]) -> str:
    """All that a cell shows, as text."""
    said = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join("".join(part) if isinstance(part, list) else part for part in said)


# Comparing and writing


def written(made: Notebook) -> str:
    """The notebook as it stands in its file."""
    text: str = nbformat.writes(made, version=4)  # type: ignore[no-untyped-call]
    return text.rstrip("\n") + "\n"


def compare(lesson: Lesson, kind: Kind) -> None:
    """Trouble, with the first cell that differs, where a notebook is not what its source makes of it."""
    path, made = lesson.path(kind), lesson.make(kind)
    again = f"run: python -m lessons.build {lesson.name[:2]}"
    label = str(path.relative_to(path.parent.parent if kind == "learner" else path.parent.parent.parent))
    if not path.exists():
        raise Trouble(f"{label} is missing; {again}")
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        cells = [(c["id"], c["cell_type"], "".join(c["source"]), c.get("metadata", {})) for c in there["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Trouble(f"{label} is no notebook ({type(error).__name__}: {error}); {again}") from None
    wanted = [(c.id, c.cell_type, c.source, dict(c.metadata)) for c in made.cells]
    for n, (is_, should) in enumerate(zip(cells, wanted, strict=False), 1):
        if is_ != should:
            raise Trouble(f"{label}, cell {n} differs from the source: {where_they_part(should[2], is_[2])}; {again}")
    if len(cells) != len(wanted):
        raise Trouble(f"{label} has {len(cells)} cells, the source {len(wanted)}; {again}")
    outputs = [c.get("outputs") for c in there["cells"] if c["cell_type"] == "code"]
    if kind == "learner" and any(outputs):
        raise Trouble(f"{label} has outputs, though it is the learner's copy; {again}")
    if kind == "solved" and outputs and not any(outputs):
        raise Trouble(f"{label} has no outputs: it was not executed; {again}")
    if (size := path.stat().st_size // 1024) > LARGEST:
        raise Trouble(f"{label} has {size} KB; {LARGEST} are enough: make its pictures smaller, or fewer")


def where_they_part(wanted: str, there: str) -> str:
    """The first line that is another one."""
    for a, b in zip(wanted.split("\n"), there.split("\n"), strict=False):
        if a != b:
            return f"the source has {a.strip()[:60]!r}, the notebook {b.strip()[:60]!r}"
    return "one of them goes on" if wanted != there else "its id or its tags are others"


def build(lesson: Lesson) -> str:
    """Write both notebooks; returns a line for the screen."""
    learner, made = lesson.make("learner"), lesson.make("solved")
    seconds = execute(made, f"{lesson.name} (solved)")
    check_solved(made, f"{lesson.name} (solved)")
    lesson.path("solved").parent.mkdir(exist_ok=True)
    for kind, text in (("learner", written(learner)), ("solved", written(tidy(made, lesson.name)))):
        lesson.path(kind).write_text(text, encoding="utf-8")  # type: ignore[arg-type]
    size = lesson.path("solved").stat().st_size
    return f"{lesson.name:<32} {seconds:5.1f} s {size // 1024:5} KB" + (
        "   longer than a lesson may take" if seconds > LONGEST else ""
    )


def check(lesson: Lesson) -> str:
    """Compare both notebooks with the source and run both; returns a line for the screen."""
    compare(lesson, "learner")
    compare(lesson, "solved")
    took = {}
    kinds: tuple[Kind, ...] = ("solved", "learner")
    for kind in kinds:
        made = lesson.make(kind)
        took[kind] = execute(made, f"{lesson.name} ({kind})")
        if kind == "solved":
            check_solved(made, f"{lesson.name} (solved)")
            tidy(made, lesson.name)
        else:
            check_open(made, f"{lesson.name} (learner's copy)")
        if took[kind] > LONGEST:
            raise Trouble(f"{lesson.name} ({kind}) takes {took[kind]:.0f} s; a lesson may take {LONGEST:.0f} s")
    return f"{lesson.name:<32} {took['solved']:5.1f} s solved, {took['learner']:5.1f} s with the exercises open"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m lessons.build", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lessons", nargs="*", metavar="NN", help="which ones: 04, 05_overlapping, ...; all unless given")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; compare the notebooks with their sources, and run them"
    )
    parser.add_argument("--home", type=Path, default=LESSONS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time (default: %(default)s)"
    )
    asked = parser.parse_args(arguments)
    try:
        chosen = lessons(asked.lessons, asked.home)
    except Trouble as trouble:
        print(f"lessons.build: {trouble}", file=sys.stderr)
        return 2
    work, failures = check if asked.check else build, 0
    with ThreadPoolExecutor(max(1, asked.jobs)) as pool:
        for future in [pool.submit(attempt, work, lesson) for lesson in chosen]:
            said, fine = future.result()
            failures += not fine
            print(said, flush=True)
    return 1 if failures else 0


def attempt(work: Any, lesson: Lesson) -> tuple[str, bool]:
    """What the work says, and whether all is well."""
    try:
        return work(lesson), True
    except Trouble as trouble:
        return f"FAILED  {trouble}", False


if __name__ == "__main__":
    sys.exit(main())
