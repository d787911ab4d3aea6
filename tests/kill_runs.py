"""Kill a training run, again and again, and let it go on: python -m tests.kill_runs --kills 50

A reference run is left in peace. Then runs with the same flags are killed (SIGKILL) at drawn moments: half of them at any time
from the first instruction to the last, half at the very moment when a file is being written. Each run is taken up with
`--resume auto` until it ends by itself. It must then have left the same bytes as the reference: parameters, velocities,
generators, schedule and history (last.ckpt, best.ckpt), log.csv, weights.npz, recipe.toml, pictures; and nothing else.
After every kill each checkpoint that is there must be whole.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from minialex import plots  # noqa: F401  imported now, so that each killed process need not
from minialex.checkpoint import CheckpointError, checkpoints, verify
from minialex.data import digits

_spec = importlib.util.spec_from_file_location("train_script", Path(__file__).parents[1] / "scripts" / "train.py")
assert _spec is not None
assert _spec.loader is not None
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)

FLAGS = "--devices cpu,cpu --batch-size 96 --lr 0.1 --schedule plateau --patience 1 --mirror --crop-chunk 4 --save-every 4"
SAME = ("last.ckpt", "best.ckpt", "log.csv", "weights.npz", "recipe.toml", "kernels.png", "curves.png")
ATTEMPTS = 40  # kills of one run after which it is left to end


class Difference(Exception):
    """What a killed run left is not what it should be."""


def start(folder: Path, epochs: int) -> int:
    """A process of its own that trains in this folder, or goes on; its number."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        errors = os.open(folder.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(errors, 2)
        code = script.main([*FLAGS.split(), "--epochs", str(epochs), "--out", str(folder), "--resume", "auto"])
    finally:
        os._exit(code)


def ended(child: int) -> int | None:
    """The exit code of a process, or None while it runs."""
    done, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def kill(child: int, folder: Path, seconds: float, in_save: bool) -> int | None:
    """Kill the process after so long, or (in_save) as soon after that as it writes a file. Its exit code if it ended before."""
    begin = time.perf_counter()
    while (code := ended(child)) is None:
        late = time.perf_counter() - begin >= seconds
        if late and (not in_save or unfinished(folder)):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0 if late else 0.001)
    return code


def unfinished(folder: Path) -> list[str]:
    """Files that are being written, or were when their process was killed."""
    try:
        return [name for name in os.listdir(folder) if name.endswith((".tmp", ".part"))]
    except FileNotFoundError:
        return []


def finish(folder: Path, epochs: int) -> None:
    """Let the run end by itself."""
    _, status = os.waitpid(start(folder, epochs), 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise Difference(f"{folder}: ended with {os.waitstatus_to_exitcode(status)}: {folder.with_suffix('.err').read_text()}")


def compare(folder: Path, reference: Path) -> None:
    """Raise Difference unless both left the same."""
    names, wanted = sorted(os.listdir(folder)), sorted(os.listdir(reference))
    if names != wanted:
        raise Difference(f"{folder}: has {set(names) ^ set(wanted)} that only one of the two has")
    for name in SAME:
        if (folder / name).read_bytes() != (reference / name).read_bytes():
            raise Difference(f"{folder}: {name} is not that of the run that was never killed")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kill_runs", description="Kill training runs, and see that nothing is lost.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=3, help="of each run")
    parser.add_argument("--seed", type=int, default=None, help="of the moments (default: drawn, and printed)")
    flags = parser.parse_args(arguments)
    seed = flags.seed if flags.seed is not None else random.SystemRandom().randrange(10**6)
    rng, kills, runs, in_saves, place = random.Random(seed), 0, 0, 0, Path(tempfile.mkdtemp())
    (place / "runs").mkdir()
    digits(0)  # what a process would read first
    begin = time.perf_counter()
    finish(place / "runs" / "same", flags.epochs)
    whole = time.perf_counter() - begin
    reference = place / "reference"
    shutil.move(place / "runs" / "same", reference)
    try:
        while kills < flags.kills:
            runs, folder = runs + 1, place / "runs" / "same"  # the same name: it is in the title of curves.png
            shutil.rmtree(folder, ignore_errors=True)
            for _ in range(ATTEMPTS):
                in_save = rng.random() < 0.5
                code = kill(start(folder, flags.epochs), folder, rng.uniform(0, whole * (0.5 if in_save else 0.7)), in_save)
                if code is not None:
                    break
                kills, in_saves = kills + 1, in_saves + bool(unfinished(folder))
                for path in checkpoints(folder):
                    verify(path)
                if kills == flags.kills:
                    break
            finish(folder, flags.epochs)
            compare(folder, reference)
    except (Difference, CheckpointError) as problem:
        print(f"kill_runs: seed {seed}, kill {kills}: {problem}", file=sys.stderr)
        return 1
    shutil.rmtree(place)
    print(
        f"{kills} kills of {runs} runs (seed {seed}), {in_saves} of them while a file was being written: every checkpoint "
        f"whole, and each run ended with the same bytes as one that was never killed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
