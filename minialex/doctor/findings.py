"""What the doctor finds, and how it is written down."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warn", "broken"]
WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        topic: what was looked at, in a word or two.
        text: what was found; each of its lines starts on a line of its own.
        level: "ok"; "note" (good to know); "warn" (works, but slower or riskier than it could be); "broken" (exit code 1).
        advice: what to do about it: a command where there is one.
    """

    topic: str
    text: str
    level: Level = "ok"
    advice: str = ""


Probe = Callable[[], Iterator[Finding]]


def error_line(error: BaseException) -> str:
    """`Type: first line` of the error at the bottom of a chain of causes, which names what is really missing."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if any(map(str.isalnum, line))]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def as_text(finding: Finding) -> str:
    """The finding as aligned lines: level, topic, text, and under them the advice."""
    level = "" if finding.level == "ok" else finding.level.upper() if finding.level == "broken" else finding.level
    start = f"{level:<8}{finding.topic:<14}"
    paragraphs = finding.text.splitlines() or [""]
    lines = _wrapped(paragraphs[0], start)
    for paragraph in paragraphs[1:]:
        lines += _wrapped(paragraph, " " * len(start))
    if finding.advice:
        lines += _wrapped(finding.advice, " " * len(start) + "-> ")
    return "\n".join(lines)


def verdict(findings: Sequence[Finding]) -> str:
    """The last line: "all is well", or what is broken and what to do about it."""
    broken = [f for f in findings if f.level == "broken"]
    warned = list(dict.fromkeys(f.topic for f in findings if f.level == "warn"))
    if broken:
        topics_of: dict[str, list[str]] = {}
        for f in broken:
            topics_of.setdefault(f.advice or f.text.splitlines()[0], []).append(f.topic)
        todo = "; ".join(f"{', '.join(topics)}: {advice}" for advice, topics in topics_of.items())
        return f"{len(broken)} problem{'s' * (len(broken) > 1)}: {todo}"
    if warned:
        return f"all is well, with {len(warned)} warning{'s' * (len(warned) > 1)} above ({', '.join(warned)})"
    return "all is well"


def _wrapped(text: str, start: str) -> list[str]:
    # Commands and paths are copied from here: they are never broken inside a word.
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]
