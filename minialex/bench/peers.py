"""The parent's side of a peer: a contestant in a process of its own, which sleeps while it is not asked for anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any

from minialex.bench.serve import Answer

OURS = ("-m", "minialex.bench.worker")


class PeerFailed(Exception):
    """A peer could not do what it was asked for; the message says why in one line."""


class Peer:
    """`program`: what Python is to run, a script or -m and a module that calls `serve`."""

    def __init__(self, name: str, program: Sequence[str]) -> None:
        self.name = name
        self._errors = TemporaryFile()  # noqa: SIM115  closed with the peer
        self._process = subprocess.Popen(
            [sys.executable, *program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )

    def ask(self, do: str, **request: Any) -> Answer:
        """The peer's answer. Raises PeerFailed if it fails, or has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise PeerFailed(f"{self.name}: its process ended, {self._last_words()}")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise PeerFailed(f"{self.name}: " + " ".join(str(answer["error"]).split())[:300])
        return answer

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                with suppress(OSError):  # it has ended with a request unread
                    pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return f"code {code}" + (f": {said[-1][:300]}" if said else " (is there enough memory?)" if code == -9 else "")
