"""What frames the scripts that look at runs: whatever is wrong becomes one line and an exit code."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from minialex.checkpoint import CheckpointError
from minialex.console import Refused, complain
from minialex.data.errors import DataError
from minialex.devices import DeviceError
from minialex.opened import RunError


def answer(script: str, work: Callable[[], int], no_memory: str) -> int:
    """What `work` returns, or 2 where it cannot be done as asked, 130 after Ctrl-C, each with a line on stderr.

    no_memory: the line where there was not enough of it.
    """
    try:
        return work()
    except (Refused, RunError, DataError, CheckpointError, DeviceError) as refusal:
        return complain(script, str(refusal), 2)
    except MemoryError:
        return complain(script, no_memory, 2)
    except KeyboardInterrupt:
        return complain(script, "stopped", 130)


def start(main: Callable[[], int]) -> NoReturn:
    """Run the script, and end with its exit code."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads no further, as head does, ends this quietly
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # of a net that has diverged: its numbers say so
    warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a letter that a PNG's font does not have
    sys.exit(main())
