"""Ten thousand damaged checkpoints, and a run killed again and again while it saves.

    python -m tests.fuzz_checkpoint --count 10000 --kills 50 --seed 0

prints a tally, and ends with 1 at the first file that loads silently wrong, at the first exception that is not a one-line
CheckpointError, and at the first kill after which a saved state is gone. The tests run a few of each.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from minialex import checkpoint
from minialex.checkpoint import CheckpointError, RunFolder, State, capture, load, restore, resume_auto, save
from minialex.devices import parse_devices
from minialex.net import Net
from minialex.nets import small_towers
from minialex.optim import SGD

Rng = np.random.Generator

# ---- damage ----------------------------------------------------------------------------------------------------------


def cut(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """As a full disk or a broken download leaves it."""
    return whole[: rng.integers(len(whole))]


def flip(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """One to eight bits; every second time within the first line and the header."""
    changed = bytearray(whole)
    for _ in range(rng.integers(1, 9)):
        changed[rng.integers(len(whole) if rng.random() < 0.5 else header_end(whole))] ^= 1 << rng.integers(8)
    return bytes(changed)


def overwrite(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """A block of zeros, or of noise, as after a power cut."""
    start, end = span(whole, rng)
    block = bytes(end - start) if rng.random() < 0.5 else rng.bytes(end - start)
    return whole[:start] + block + whole[end:]


def insert(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """Bytes that do not belong there."""
    start = rng.integers(len(whole) + 1)
    return whole[:start] + rng.bytes(int(rng.integers(1, 100))) + whole[start:]


def delete(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """Bytes that are missing."""
    start, end = span(whole, rng)
    return whole[:start] + whole[end:]


def extend(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """Something behind the end: noise, zeros, the same file or another."""
    tails = (rng.bytes(int(rng.integers(1, 1000))), bytes(rng.integers(1, 1000)), whole, other)
    return whole + tails[rng.integers(len(tails))]


def swap(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """Two blocks of the same length have changed places."""
    n = int(rng.integers(1, len(whole) // 2))
    a = int(rng.integers(len(whole) - 2 * n + 1))
    b = int(rng.integers(a + n, len(whole) - n + 1))
    return whole[:a] + whole[b : b + n] + whole[a + n : b] + whole[a : a + n] + whole[b + n :]


def splice(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """The head of one checkpoint and the tail of the next one of the same run."""
    place = rng.integers(1, len(whole))
    return whole[:place] + other[place:]


def text(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """Something else altogether, of any length."""
    page = b"<!DOCTYPE html>\n<title>404 Not Found</title>\n"
    kinds = (page, b"", b"PK\x03\x04" + whole, b"\x93NUMPY\x01\x00", rng.bytes(500), bytes(500), b"minialex checkpoint ")
    return kinds[rng.integers(len(kinds))]


def first_line(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """A number or a letter in the first line is another one."""
    place = rng.integers(whole.index(b"\n") + 1)
    letters = b"0123456789abcdefABCDEF -+\n_x"
    return whole[:place] + bytes([letters[rng.integers(len(letters))]]) + whole[place + 1 :]


def forge(whole: bytes, other: bytes, rng: Rng) -> bytes:
    """Another header, with a checksum that is right: another schema, another net, or malice."""
    content, arrays = opened(whole)
    change(content, rng)
    return sealed(content, arrays)


DAMAGES: dict[str, Callable[[bytes, bytes, Rng], bytes]] = {
    damage.__name__: damage for damage in (cut, flip, overwrite, insert, delete, extend, swap, splice, text, first_line, forge)
}


def header_end(whole: bytes) -> int:
    """Where the arrays begin."""
    return whole.index(b"\n", whole.index(b"\n") + 1) + 1


def span(whole: bytes, rng: Rng) -> tuple[int, int]:
    """A stretch of at least one byte."""
    start = int(rng.integers(len(whole)))
    return start, int(rng.integers(start, len(whole))) + 1


def opened(whole: bytes) -> tuple[dict[str, Any], bytes]:
    """The header as Python has it, and the bytes of the arrays."""
    end = header_end(whole)
    return json.loads(whole[whole.index(b"\n") : end]), whole[end:]


def sealed(content: object, arrays: bytes, number: int = checkpoint.FORMAT) -> bytes:
    """A checkpoint with this header, whatever it says, and the checksum that it then needs."""
    header = json.dumps(content).encode() + b"\n"
    return (
        b"minialex checkpoint %d %s %d\n" % (number, hashlib.sha256(header).hexdigest().encode(), len(header)) + header + arrays
    )


def change(content: Any, rng: Rng) -> None:
    """Put something else at a random place of the tree, take it away, or add to it."""
    while True:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        key = keys[rng.integers(len(keys))] if keys else None
        below = None if key is None else content[key]
        if not isinstance(below, dict | list) or not below or rng.random() < 0.15:
            break
        content = below
    strange: tuple[Any, ...] = (
        None,
        True,
        -1,
        0,
        3,
        2**63,
        10**30,
        0.5,
        float("nan"),
        "",
        "x",
        "<f8",
        "|O",
        "params/\x1b[31m\n",
        [],
        [0],
        [[]],
        {},
        {"a": 1},
    )
    new = copy.deepcopy(strange[rng.integers(len(strange))])
    action = rng.integers(3)
    if action == 0 and key is not None:
        content[key] = new
    elif action == 1 and key is not None:
        del content[key]
    elif isinstance(content, dict):
        content["strange"] = new
    else:
        content.append(new)


# ---- judgement -------------------------------------------------------------------------------------------------------


def tiny_net(seed: int) -> tuple[Net, SGD]:
    """Two towers, with dropout; and velocities as after a step."""
    net = small_towers(parse_devices("cpu,cpu"), num_classes=3, seed=seed, maps=1, hidden=2)
    sgd, rng = SGD(net), np.random.default_rng(seed)
    net.forward(rng.random((2, 1, 8, 8)), train=True)
    net.backward(rng.standard_normal((2, 3)))
    sgd.step()
    return net, sgd


class Judge:
    """Loads a damaged file and gives it to a net: it must be refused in one line, or be what its checksums say."""

    def __init__(self, folder: Path) -> None:
        self.net, self.sgd = tiny_net(0)
        self.path, paths = folder / "damaged.ckpt", (folder / "0.ckpt", folder / "1.ckpt")
        meta = {"epoch": 3, "history": [{"loss": 0.5, "error": float("inf")}], "recipe": {"batch": 128}}
        save(paths[0], capture(self.net, self.sgd, meta=meta))
        save(paths[1], capture(*tiny_net(1), meta=meta))
        self.whole, self.other = (path.read_bytes() for path in paths)

    def __call__(self, kind: str, rng: Rng) -> str:
        """What happened, for the tally; AssertionError where it should not have."""
        damaged = DAMAGES[kind](self.whole, self.other, rng)
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(damaged)
        try:
            state = load(self.path)
        except CheckpointError as error:
            self.check_line(error)
            if damaged in (self.whole, self.other):
                raise AssertionError("a good file is refused") from error
            return "refused: " + error.reason.split(":")[0].split(";")[0]
        if kind != "forge":
            assert damaged in (self.whole, self.other), "a damaged file has loaded"
            return "no damage done"
        assert sorted(state.arrays) == sorted(row["name"] for row in opened(damaged)[0]["arrays"])
        try:
            restore(self.net, self.sgd, state)
        except CheckpointError as error:
            self.check_line(error)
            return "refused by the net: is of another net"
        before, after = opened(self.whole)[0], opened(damaged)[0]
        assert str(before["arrays"]) == str(after["arrays"]), "a net has taken arrays that are not its own"
        return "no damage to what the net takes (another meta, version or generator state, with its right checksum)"

    def check_line(self, error: CheckpointError) -> None:
        if not (str(error).startswith(f"{self.path}: ") and str(error).isprintable()):
            raise AssertionError(f"not one line with the file's name: {str(error)!r}")


# ---- killing ---------------------------------------------------------------------------------------------------------

fork_server = multiprocessing.get_context("forkserver")  # processes that start in milliseconds, and without our threads
fork_server.set_forkserver_preload(["minialex.nets", "minialex.checkpoint"])


def state_number(k: int, size: int = 5000) -> State:
    """A state that can be told from all others, a few hundred kB, so that a save takes its time."""
    rng = np.random.default_rng(k)
    arrays = {f"params/{i}": rng.random(size * i, dtype=np.float32) for i in range(6)}
    return State(arrays, {"rng": dict(rng.bit_generator.state)}, {"k": k})


def is_number(state: State, k: int) -> bool:
    """Whether this is state_number(k), bit for bit."""
    wanted = state_number(k)
    same = {name: array.tobytes() for name, array in state.arrays.items()} == {
        name: array.tobytes() for name, array in wanted.arrays.items()
    }
    return same and (state.generators, state.meta) == (wanted.generators, wanted.meta)


def save_for_ever(folder: Path, saved: Connection) -> None:
    """A run that does nothing but save; it says when a save is done."""
    with RunFolder(folder) as run:
        found = run.resume()
        k = found.state.meta["k"] if found else 0
        while True:
            k += 1
            run.save(state_number(k), best=k % 3 == 0)
            saved.send(k)


def kill_once(folder: Path, rng: Rng) -> tuple[int, bool]:
    """Let a run go on in this folder, kill it at a random moment, and see what is there.

    Returns the number of the state found, and whether the kill fell into a save (it has left a file behind).
    """
    known = last_number(folder)
    ours, theirs = fork_server.Pipe()
    run = fork_server.Process(target=save_for_ever, args=(folder, theirs), daemon=True)
    run.start()
    theirs.close()
    for _ in range(rng.integers(4)):
        known = ours.recv()
    run.join(timeout=rng.uniform(0, 0.03))  # the random moment: nothing below depends on how long this takes
    run.kill()
    run.join()
    assert run.exitcode == -signal.SIGKILL, f"the run has ended by itself with {run.exitcode}"
    while ours.poll():  # saves that were done before the kill
        try:
            known = ours.recv()
        except EOFError:
            break
    ours.close()
    return check_folder(folder, known)


def check_folder(folder: Path, known: int) -> tuple[int, bool]:
    """After a kill: the newest state that was saved is there, or a newer one; every name stands for a whole file."""
    number = last_number(folder)
    assert number >= known, f"state {known} had been saved, but {number} is the last one there"
    for path in checkpoint.checkpoints(folder):
        state = load(path)
        k = state.meta["k"]
        assert is_number(state, k), f"{path.name} is not the state {k} that it says it is"
        assert k <= number or path.name == checkpoint.BEST, f"{path.name} is newer than the last"
        assert path.name != checkpoint.BEST or k % 3 == 0, f"best.ckpt is {k}, which was not a best one"
    names = set(os.listdir(folder)) if folder.exists() else set()
    with RunFolder(folder) as run:
        assert run.swept == sorted(name for name in names if name.endswith(".tmp")), "something else was swept"
    left = set(os.listdir(folder)) - {checkpoint.LAST, checkpoint.PREVIOUS, checkpoint.BEST, ".lock"}
    assert not left, f"left behind: {left}"
    return number, bool(run.swept)


def last_number(folder: Path) -> int:
    """The number of the state that a run would go on from; 0 where it would start afresh."""
    found = resume_auto(folder)
    if found is None:
        return 0
    assert not found.warnings, f"a kill has damaged a checkpoint: {found.warnings}"
    return int(found.state.meta["k"])


def save_and_die(folder: Path, k: int, line: int) -> None:
    """Save state k as the best, but be killed before the `line`-th line of the code that touches files. Run in a process."""
    os.fsync = lambda fd: None  # a kill is no power cut: it makes no difference, and would take most of the time
    watched = {str(Path(checkpoint.__file__).with_name(name)) for name in ("disk.py", "folder.py")}
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in watched:
            return None
        if event == "line":
            lines += 1
            if lines == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    state = state_number(k, size=5)
    with RunFolder(folder) as run:
        sys.settrace(trace)
        run.save(state, best=True)
        sys.settrace(None)


# ---- the command -----------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description="Damage checkpoints and kill runs that save; print what happened.")
    parser.add_argument("--count", type=int, default=10_000, help="damaged files (default: 10000)")
    parser.add_argument("--kills", type=int, default=50, help="runs killed (default: 50)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Path(folder))
        for number in range(options.count):
            kind = list(DAMAGES)[number % len(DAMAGES)]
            try:
                tally[kind, judge(kind, np.random.default_rng([options.seed, number]))] += 1
            except Exception as error:
                print(f"FAILED: damage {number} ({kind}), seed {options.seed}: {type(error).__name__}: {error}")
                return 1
    for (kind, what), times in sorted(tally.items()):
        print(f"{times:7,}  {kind:<10}  {what}")
    refused = sum(times for (_, what), times in tally.items() if what.startswith("refused"))
    print(f"{refused:7,} of {options.count:,} refused in one line, 0 loaded silently wrong, 0 other exceptions")

    rng, states, within = np.random.default_rng(options.seed), 0, 0
    with tempfile.TemporaryDirectory() as name:
        for number in range(options.kills):
            try:
                states, in_save = kill_once(Path(name) / "run", rng)
            except AssertionError as error:
                print(f"FAILED: kill {number}, seed {options.seed}: {error}")
                return 1
            within += in_save
    print(f"{options.kills:7,} runs killed, {within} of them within a save; {states} states saved, none lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
