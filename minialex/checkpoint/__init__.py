"""Nothing is lost: a run's whole state in one file that verifies itself, and the folder that always holds a good one.

    with RunFolder("runs/alexnet") as folder:                # locked: no second run writes here
        found = folder.resume()                              # the newest good checkpoint, or None
        if found:
            restore(net, optimizer, found.state)             # and found.state.meta says where the run was
        ...
        folder.save(capture(net, optimizer, meta={"epoch": 3}), best=True)

Everything that can be wrong with a file is one CheckpointError, in one line, with the file's name.
"""

from minialex.checkpoint.disk import CheckpointError
from minialex.checkpoint.file import FORMAT, State, load, save, verify
from minialex.checkpoint.folder import BEST, LAST, PREVIOUS, Resumed, RunFolder, checkpoints, resume_auto
from minialex.checkpoint.snapshot import capture, restore

__all__ = [
    "BEST",
    "FORMAT",
    "LAST",
    "PREVIOUS",
    "CheckpointError",
    "Resumed",
    "RunFolder",
    "State",
    "capture",
    "checkpoints",
    "load",
    "restore",
    "resume_auto",
    "save",
    "verify",
]
