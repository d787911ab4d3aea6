"""The child's side of a peer: reads one request a line, does it, answers with one line of JSON. Imports nothing heavy."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

Answer = dict[str, Any]
Does = Mapping[str, Callable[..., Answer]]


def serve(does: Does) -> None:
    """Answer requests {"do": name, ...} from stdin by calling does[name](**rest), until stdin ends.

    An exception becomes the answer {"error": ...}. Whatever else is printed meanwhile goes to stderr.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = does[request.pop("do")](**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def memory() -> Answer:
    """This process's memory in bytes: {"now", "peak"}; None where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            told = dict(line.split(":", 1) for line in status)
        return {key: 1024 * int(told[field].split()[0]) for key, field in (("now", "VmRSS"), ("peak", "VmHWM"))}
    except (OSError, KeyError):
        pass
    try:
        import resource  # noqa: PLC0415  there is none on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return {"now": None, "peak": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    except ImportError:
        return {"now": None, "peak": None}
