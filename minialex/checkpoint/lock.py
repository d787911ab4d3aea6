"""One run, one folder: the lock that two runs can never hold at once.

It is the kernel's (flock), on a file that stays: a process that ends, however it ends, lets go of it, so there is no stale lock
to recognise, and no process number to mistake. A forked child lets go of its copy at once, lest a data worker that outlives
its killed parent go on holding it.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from minialex.checkpoint.disk import CheckpointError, explained

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_held: set[int] = set()  # the open locks of this process, by file descriptor


class Lock:
    """Held from here until `close`, or the end of the process. CheckpointError where another run holds it.

    warning: empty, or that this system has no such locks, so that nothing keeps a second run away.
    """

    def __init__(self, path: Path) -> None:
        self.warning = ""
        with explained(path, "cannot be locked"):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        _held.add(self._file)
        try:
            self._take(path)
        except BaseException:
            self.close()
            raise

    def _take(self, path: Path) -> None:
        with explained(path, "cannot be locked", needed=100):
            try:
                if fcntl is None:
                    raise OSError("this system has no flock")
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(self._file, 100).decode(errors="replace").strip() or "unknown"
                reason = f"another run is writing here ({holder}); stop it, or choose another folder"
                raise CheckpointError(path.parent, reason) from None
            except OSError as error:
                self.warning = f"{path}: no lock ({error.strerror or error}): see to it that no other run writes here"
            os.ftruncate(self._file, 0)
            os.write(self._file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def close(self) -> None:
        """Let go. Does nothing the second time, nor in a forked child."""
        if self._file in _held:
            _held.discard(self._file)
            os.close(self._file)
        self._file = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _forget() -> None:
    for file in _held:
        os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
