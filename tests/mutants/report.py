"""The kill table: for each mutant, the claim that killed it, and whether weaker checks would have seen it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.checks.suite import Refuted
from tests.mutants.blind import BLIND, CONTROL, verdicts
from tests.mutants.engine import Mutant, Subject

PROOF = Path(__file__).parents[2] / "docs" / "proof.md"
BEGIN, END = "<!-- python -m tests.mutants --write: begin -->", "<!-- python -m tests.mutants --write: end -->"
SURVIVED = "SURVIVED"


@dataclass(frozen=True)
class Row:
    """One mutant. killed_by: a claim for each trial, or SURVIVED; passes: what each weaker check lets pass (None: no case)."""

    subject: Subject
    mutant: Mutant
    killed_by: tuple[str, ...]
    passes: dict[str, bool | None]

    @property
    def survived(self) -> bool:
        return SURVIVED in self.killed_by

    def cells(self) -> list[str]:
        """The row as text."""
        seen = {None: "", True: "misses", False: "sees"}
        checks = (CONTROL, *BLIND)
        return [self.mutant.name, "; ".join(dict.fromkeys(self.killed_by)), *(seen[self.passes[c.name]] for c in checks)]


def row(subject: Subject, mutant: Mutant, killed_by: tuple[str, ...] = ()) -> Row:
    """The weaker checks are run here; the trials are not."""
    return Row(subject, mutant, killed_by, verdicts(subject, mutant))


def killers(said: Iterable[Refuted | None]) -> tuple[str, ...]:
    """The claims, as words."""
    return tuple(SURVIVED if refuted is None else refuted.claim.replace("_", " ") for refuted in said)


HEAD = ["mutant", "killed by", CONTROL.name, *(check.name for check in BLIND)]


def by_subject(rows: Iterable[Row]) -> dict[Subject, list[Row]]:
    """In order."""
    groups: dict[Subject, list[Row]] = {}
    for each in rows:
        groups.setdefault(each.subject, []).append(each)
    return groups


def text(rows: list[Row]) -> str:
    """For a terminal."""
    cells = [each.cells() for each in rows]
    widths = [max(len(line[i]) for line in [HEAD, *cells]) for i in range(len(HEAD))]

    def line(parts: list[str]) -> str:
        return "  " + "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()

    lines = [line(HEAD)]
    for subject, group in by_subject(rows).items():
        lines += ["", f"{subject.name} ({len(group)})", *(line(each.cells()) for each in group)]
    return "\n".join([*lines, "", *totals(rows)])


def markdown(rows: list[Row]) -> str:
    """For docs/proof.md."""
    lines = []
    for subject, group in by_subject(rows).items():
        used = [i for i, _ in enumerate(HEAD) if any(each.cells()[i] for each in group) or i < 2]
        lines += [
            "",
            f"#### {subject.name}: {len(group)}",
            "",
            "| " + " | ".join(HEAD[i] for i in used) + " |",
            "|---" * len(used) + "|",
        ]
        lines += ["| " + " | ".join(each.cells()[i] for i in used) + " |" for each in group]
    return "\n".join([*(f"- {total}" for total in totals(rows)), *lines]).replace("misses", "**misses**")


def totals(rows: list[Row]) -> list[str]:
    """What the table adds up to, a sentence each."""
    dead = sum(not each.survived for each in rows)
    tried = [each for each in rows if each.passes[CONTROL.name] is not None]
    wrong = [each for each in tried if not each.passes[CONTROL.name]]
    lines = [
        f"{dead} of {len(rows)} mutants killed, {len({each.subject.name for each in rows})} kinds of backward pass.",
        f"{CONTROL.name} ({CONTROL.what}): sees {len(wrong)} of the {len(tried)} mutants that it is tried on.",
    ]
    for check in BLIND:
        mine = [each.passes[check.name] for each in wrong if each.passes[check.name] is not None]
        if mine:
            lines.append(f"{check.name} ({check.what}): misses {sum(map(bool, mine))} of {len(mine)} that the control sees.")
    return lines


def write(table: str) -> None:
    """Put the table between the marks of docs/proof.md."""
    before, _, after = _parts(PROOF.read_text(encoding="utf-8"))
    PROOF.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def written() -> str:
    """The table that docs/proof.md holds."""
    return _parts(PROOF.read_text(encoding="utf-8"))[1].strip()


def without_killers(table: str) -> str:
    """The table without its second column: which claim is the first to see a mutant may change with the drawn cases."""
    return re.sub(r"^(\| [^|]+ \|)[^|]*\|", r"\1", table, flags=re.MULTILINE)


def _parts(page: str) -> tuple[str, str, str]:
    before, begin, rest = page.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PROOF} lacks the marks {BEGIN} and {END}")
    return before, table, after
