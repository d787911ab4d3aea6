"""The parent's side of a peer: a contestant in a process of its own, which sleeps while it is not asked for anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from statistics import fmean
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
        self.begin(do, **request)
        return self.answer()

    def begin(self, do: str, **request: Any) -> None:
        """Let it do this, and do not wait for the answer."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended, as its answer will tell
            print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)

    def answer(self) -> Answer:
        """To what was begun last. Raises PeerFailed as `ask` does."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
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


class Pair(Peer):
    """Two of them as one contestant: both do the same at the same time, each for itself. As much as that is, compared with
    one of them alone, the machine allows."""

    def __init__(self, name: str, program: Sequence[str]) -> None:
        super().__init__(name, program)
        self._other = Peer(name, program)

    def begin(self, do: str, **request: Any) -> None:
        super().begin(do, **request)
        self._other.begin(do, **request)

    def answer(self) -> Answer:
        """One's answer; of `seconds` half of both's mean, for in that time one of both is done."""
        one, other = super().answer(), self._other.answer()
        if "seconds" in one:
            one["seconds"] = [fmean(both) / 2 for both in zip(one["seconds"], other["seconds"], strict=True)]
        return one

    def close(self) -> None:
        super().close()
        self._other.close()
