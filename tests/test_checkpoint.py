"""Nothing is lost: what is saved comes back bit for bit, what is damaged is refused, what is killed can go on.

`python -m tests.fuzz_checkpoint` is the long form of the last two.
"""

from __future__ import annotations

import copy
import errno
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex import checkpoint
from minialex.checkpoint import CheckpointError, RunFolder, State, capture, load, restore, resume_auto, save, verify
from minialex.checkpoint import file as file_module
from minialex.checkpoint import lock as lock_module
from minialex.devices import parse_devices
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.nets import small_towers
from minialex.optim import SGD
from tests import fuzz_checkpoint as fuzz
from tests.strategies import ORDERS, lay_out

REPOSITORY = Path(__file__).parents[1]
LAST, PREVIOUS, BEST = checkpoint.LAST, checkpoint.PREVIOUS, checkpoint.BEST

# ---- what comes back -------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**200), 2**200) | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)


@st.composite
def states(draw: st.DrawFn) -> State:
    """Any state that a file can hold; the bytes of its arrays are noise, so that they hold every kind of nan."""
    arrays = {}
    for name in draw(st.lists(st.text(max_size=8), max_size=4, unique=True)):
        dtype = np.dtype(draw(st.sampled_from(sorted(file_module.DTYPES))))
        shape = draw(st.lists(st.integers(0, 4), max_size=4).map(tuple))
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        noise = rng.integers(0, 2 if dtype.kind == "b" else 256, math.prod(shape) * dtype.itemsize, dtype=np.uint8)
        arrays[name] = lay_out(noise.view(dtype).reshape(shape), draw(st.sampled_from(ORDERS[:4])))
    rng = np.random.Generator(np.random.PCG64(draw(st.integers(0, 2**128))))
    rng.random(draw(st.integers(0, 5)), dtype=np.float32)
    meta = draw(st.dictionaries(st.text(max_size=5), json_values, max_size=3))
    return State(arrays, {"rng": dict(rng.bit_generator.state)}, meta, version=draw(st.text(max_size=5)))


def bits(state: State) -> object:
    """All of a state, to be compared bit for bit (nan is the same as nan)."""
    arrays = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in state.arrays.items()}
    return arrays, state.generators, repr(ordered(state.meta)), state.version


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(inside) for inside in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One for all examples of a property."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@given(states())
def test_a_state_comes_back_bit_for_bit(folder: Path, state: State) -> None:
    path = folder / "any.ckpt"
    save(path, state)
    found = load(path)
    assert bits(found) == bits(state)
    assert found.path == path
    assert all(a.flags.writeable and a.flags.aligned and a.flags.c_contiguous for a in found.arrays.values())
    verify(path)
    whole = path.read_bytes()
    save(path, found)
    assert path.read_bytes() == whole, "equal states make different files"


def test_equal_states_make_equal_files(tmp_path: Path) -> None:
    """Whatever the order in which their dicts were filled: one run has filled them, the other has read them."""
    state = State({"a": np.zeros(2), "b": np.ones(3)}, meta={"epoch": 1, "best": {"x": 1, "a": 2}})
    other = State({"b": np.ones(3), "a": np.zeros(2)}, meta={"best": {"a": 2, "x": 1}, "epoch": 1})
    save(tmp_path / "a", state)
    save(tmp_path / "b", other)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_generators_go_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        rng.random(seed, dtype=np.float32)  # an odd number leaves half a draw in the generator
        save(tmp_path / "a.ckpt", State({}, {"rng": dict(rng.bit_generator.state)}))
        other = np.random.default_rng()
        other.bit_generator.state = load(tmp_path / "a.ckpt").generators["rng"]
        assert other.random(9, dtype=np.float32).tobytes() == rng.random(9, dtype=np.float32).tobytes()
        assert other.integers(2**63) == rng.integers(2**63)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (State({"a": np.array([None])}), "a is object"),
        (State({"a": np.array(["x"])}), "a is <U1"),
        (State({"a": np.zeros(2, np.longdouble)}), "a is "),
        (State({"a": np.zeros(2, "datetime64[s]")}), "a is "),
        (State({}, meta={"epochs": {1: 0.5}}), "strings for keys, got 1"),
        (State({}, meta={"history": [{None: 0.5}]}), "strings for keys, got None"),
        (State({}, meta={"a": np.zeros(2)}), "ndarray"),
        (State({}, {"rng": dict(np.random.Generator(np.random.MT19937(0)).bit_generator.state)}), "ndarray"),
    ],
)
def test_a_state_that_no_file_can_hold_is_refused_before_anything_is_written(tmp_path: Path, state: State, what: str) -> None:
    save(tmp_path / "a.ckpt", fuzz.state_number(1))
    with pytest.raises(TypeError, match=what):
        save(tmp_path / "a.ckpt", state)
    only_whole(tmp_path / "a.ckpt", 1)


def only_whole(path: Path, k: int, *others: str) -> None:
    """The file is state k, and there is no other in the folder."""
    assert fuzz.is_number(load(path), k)
    assert sorted(os.listdir(path.parent)) == sorted([path.name, *others])


# ---- a net and its optimizer -----------------------------------------------------------------------------------------


def make(seed: int, devices: str = "cpu,cpu", **options: Any) -> tuple[Net, SGD]:
    net = small_towers(parse_devices(devices), num_classes=3, seed=seed, **{"maps": 2, "hidden": 4} | options)
    return net, SGD(net, lr=0.1)


def steps(net: Net, sgd: SGD, rng: np.random.Generator, count: int) -> list[bytes]:
    """Train on noise; the logits, with dropout, tell one state of the generators from another."""
    seen = []
    for _ in range(count):
        loss = SoftmaxCrossEntropy()
        logits = net.forward(rng.random((4, 1, 8, 8), dtype=np.float32), train=True)
        loss.forward(logits, rng.integers(3, size=4))
        net.backward(loss.backward())
        sgd.step()
        seen.append(logits.tobytes())
    return seen


@pytest.mark.parametrize("devices", ["cpu,cpu", "cpu:0,cpu:0", pytest.param("0,0", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("before", [0, 3])
def test_training_goes_on_bit_for_bit(tmp_path: Path, devices: str, before: int) -> None:
    (net, sgd), data = make(0, devices), np.random.default_rng(5)
    steps(net, sgd, data, before)
    save(tmp_path / "a.ckpt", capture(net, sgd, meta={"step": before}, generators={"data": data}))
    seen = steps(net, sgd, data, 2)

    (other, other_sgd), other_data = make(1, devices), np.random.default_rng(6)
    steps(other, other_sgd, other_data, 1)
    state = load(tmp_path / "a.ckpt")
    restore(other, other_sgd, state, generators={"data": other_data})
    assert bits(capture(other, other_sgd, meta={"step": before}, generators={"data": other_data})) == bits(state)
    assert steps(other, other_sgd, other_data, 2) == seen
    assert bits(capture(other, other_sgd, generators={"data": other_data})) == bits(
        capture(net, sgd, generators={"data": data})
    )


def test_what_has_been_captured_does_not_change_with_the_net() -> None:
    net, sgd = make(0)
    data = np.random.default_rng(0)
    steps(net, sgd, data, 1)
    state = capture(net, sgd)
    before = bits(copy.deepcopy(state))
    steps(net, sgd, data, 1)
    assert bits(state) == before
    restore(net, sgd, state)
    steps(net, sgd, data, 1)
    assert bits(state) == before, "the net trains in the state's own memory"


def rename(entries: dict[str, Any], old: str, new: str) -> None:
    entries[new] = entries.pop(old)


OTHERS: dict[str, tuple[Callable[[State], object], str]] = {
    "parameter missing": (lambda s: s.arrays.pop("params/conv1.0.weight"), "conv1.0.weight is not in it"),
    "parameter unknown": (
        lambda s: s.arrays.update({"params/conv9.weight": np.zeros(1)}),
        "conv9.weight, which the net has not",
    ),
    "parameter's shape": (lambda s: s.arrays.update({"params/fc5.bias": np.zeros(4, np.float32)}), "fc5.bias is float32 (4,)"),
    "parameter's dtype": (
        lambda s: s.arrays.update({"params/fc5.bias": np.zeros(3)}),
        "fc5.bias is float64 (3,) in it, float32",
    ),
    "velocity missing": (lambda s: s.arrays.pop("velocity/fc5.bias"), "the velocity of fc5.bias is not in it"),
    "velocity unknown": (lambda s: s.arrays.update({"velocity/x": np.zeros(1)}), "the velocity of x, which the net has not"),
    "velocity's shape": (
        lambda s: s.arrays.update({"velocity/fc5.bias": np.zeros(4)}),
        "the velocity of fc5.bias is float64 (4,)",
    ),
    "array unknown": (lambda s: s.arrays.update({"adam/fc5.bias": np.zeros(3)}), "unknown array adam/fc5.bias"),
    "generator missing": (lambda s: s.generators.pop("dropout4.0.rng"), "the generator dropout4.0.rng is not in it"),
    "generator unknown": (lambda s: rename(s.generators, "data", "x"), "the generator data is not in it"),
    "another kind": (
        lambda s: s.generators["data"].update(bit_generator="MT19937"),
        "the generator data has no state for PCG64",
    ),
    "state cut": (lambda s: s.generators["data"].pop("state"), "the generator data has no state for PCG64"),
    "state with more": (lambda s: s.generators["data"].update(more=1), "the generator data has no state for PCG64"),
    "state too large": (lambda s: s.generators["data"]["state"].update(state=2**128), "the generator data has no state"),
    "state of text": (lambda s: s.generators["data"]["state"].update(inc="1"), "the generator data has no state"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_state_of_another_net_is_refused_and_nothing_is_changed(tmp_path: Path, case: str) -> None:
    change, message = OTHERS[case]
    (net, sgd), data = make(0), np.random.default_rng(0)
    steps(net, sgd, data, 1)
    state = capture(net, sgd, generators={"data": data})
    state.path = tmp_path / "a.ckpt"
    change(state)
    steps(net, sgd, data, 1)
    before = bits(capture(net, sgd, generators={"data": data}))
    with pytest.raises(CheckpointError) as refused:
        restore(net, sgd, state, generators={"data": data})
    assert str(refused.value).startswith(f"{tmp_path / 'a.ckpt'}: is of another net: ")
    assert message in str(refused.value)
    assert bits(capture(net, sgd, generators={"data": data})) == before


def test_a_device_that_fails_midway_leaves_the_net_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    net, sgd = make(0)
    steps(net, sgd, np.random.default_rng(0), 1)
    before, state = bits(capture(net, sgd)), capture(*make(1))
    device, calls = net.devices[1], iter(range(3))

    def put(host: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if next(calls, None) is None:
            raise MemoryError
        return host.copy()

    monkeypatch.setattr(device, "put", put)
    with pytest.raises(MemoryError):
        restore(net, sgd, state)
    assert bits(capture(net, sgd)) == before


def test_names_of_generators_are_not_shared() -> None:
    with pytest.raises(ValueError, match=r"dropout4\.0\.rng already"):
        capture(*make(0), generators={"dropout4.0.rng": np.random.default_rng(0)})


def test_the_keys_of_meta_are_those_that_the_run_expects() -> None:
    state = State({}, meta={"epoch": 1, "step": 2})
    state.expect("step", "epoch")
    with pytest.raises(CheckpointError, match=r"misses \['lr'\], and has unknown \['step'\]"):
        state.expect("epoch", "lr")


# ---- damage ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A checkpoint of some 600 bytes, with two arrays of the same length."""
    path = tmp_path / "tiny.ckpt"
    rng = np.random.default_rng(0)
    arrays = {f"params/{name}": rng.random(size, dtype=np.float32) for name, size in (("a", 5), ("b", 5), ("c", 0))}
    save(path, State(arrays, {"rng": dict(rng.bit_generator.state)}, {"epoch": 3}))
    return path


def refusal(path: Path) -> str:
    """Why the file does not load: one line, with its name; the same from `verify`."""
    with pytest.raises(CheckpointError) as refused:
        load(path)
    with pytest.raises(CheckpointError) as again:
        verify(path)
    line = str(refused.value)
    assert line.startswith(f"{path}: ")
    assert line.isprintable()
    assert line == str(again.value)
    return line.removeprefix(f"{path}: ")


def test_cut_at_every_byte(tiny: Path) -> None:
    for length in reversed(range(tiny.stat().st_size)):
        os.truncate(tiny, length)
        assert refusal(tiny).startswith("is damaged" if length > 20 else "is ")


def test_every_bit_flipped(tiny: Path) -> None:
    whole = tiny.read_bytes()
    with tiny.open("r+b", buffering=0) as file:
        for place in range(len(whole)):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([whole[place] ^ 1 << bit]), place)
                with pytest.raises(CheckpointError):
                    load(tiny)
            os.pwrite(file.fileno(), whole[place : place + 1], place)
    load(tiny)


def test_too_long_or_swapped(tiny: Path) -> None:
    whole = tiny.read_bytes()
    for tail in (b"\n", b"\0", whole):
        tiny.write_bytes(whole + tail)
        assert "bytes instead of" in refusal(tiny)
    tiny.write_bytes(whole[:-40] + whole[-20:] + whole[-40:-20])
    assert refusal(tiny) == "is damaged: the bytes of params/a are not those that were saved"


def test_the_message_says_where_the_damage_is(tiny: Path) -> None:
    whole = tiny.read_bytes()
    line, header = whole.index(b"\n") + 1, fuzz.header_end(whole)
    for length, where in ((5, "not a minialex"), (40, "first line"), (line + 5, "too few"), (header + 3, "bytes instead of")):
        tiny.write_bytes(whole[:length])
        assert where in refusal(tiny)
    tiny.write_bytes(whole[: line + 9] + b"X" + whole[line + 10 :])
    assert refusal(tiny) == "is damaged: the header is not the one that was saved"
    tiny.write_bytes(whole.replace(b"checkpoint 1", b"checkpoint 2", 1))
    assert refusal(tiny) == f"has format 2; this minialex ({checkpoint.State({}).version}) reads format 1"


def test_there_is_one_way_to_write_the_first_line(tiny: Path) -> None:
    whole = tiny.read_bytes()
    end = whole.index(b"\n")
    *words, digest, length = whole[:end].split(b" ")
    for other in (digest.upper(), b" " + digest, digest[1:], digest + b"0"):
        tiny.write_bytes(b" ".join([*words, other, length]) + whole[end:])
        assert refusal(tiny) == "is damaged: its first line is cut or changed"
    for other in (b"0" + length, b"+" + length, length + b" ", length + b"\r", b"0", "\u0661".encode()):
        tiny.write_bytes(b" ".join([*words, digest, other]) + whole[end:])
        assert refusal(tiny) == "is damaged: its first line is cut or changed"


def test_an_error_is_one_line_whatever_the_names(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines \x1b[31m"
    assert str(CheckpointError(path, "holds x\ny")) == f"{tmp_path}/two?lines ?[31m: holds x?y"


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no arrays": lambda c: c.pop("arrays"),
    "no meta": lambda c: c.pop("meta"),
    "another entry": lambda c: c.update(optimizer={}),
    "arrays by name": lambda c: c.update(arrays={"a": 1}),
    "meta a list": lambda c: c.update(meta=[]),
    "version a number": lambda c: c.update(version=2),
    "generator a list": lambda c: c.update(generators={"rng": []}),
    "array without sum": lambda c: c["arrays"][0].pop("sha256"),
    "array with more": lambda c: c["arrays"][0].update(order="F"),
    "array of nothing": lambda c: c["arrays"].append(None),
    "the same name": lambda c: c["arrays"][0].update(name="params/b"),
    "objects": lambda c: c["arrays"][0].update(dtype="|O"),
    "records": lambda c: c["arrays"][0].update(dtype="f4,f4"),
    "negative": lambda c: c["arrays"][0].update(shape=[-5, -1]),
    "fraction": lambda c: c["arrays"][0].update(shape=[5.0]),
    "true": lambda c: c["arrays"][0].update(shape=[True, 5]),
    "eight terabytes": lambda c: c["arrays"][0].update(shape=[2**41]),
    "more than NumPy can": lambda c: c["arrays"][0].update(shape=[2**62, 5]),
    "empty and too large": lambda c: c["arrays"][2].update(shape=[0, 2**62]),
    "too many axes": lambda c: c["arrays"][0].update(shape=[5] + [1] * 64),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_another_schema_with_the_right_checksum(tiny: Path, case: str) -> None:
    content, arrays = fuzz.opened(tiny.read_bytes())
    tiny.write_bytes(fuzz.sealed(content, arrays))
    load(tiny)
    FORGERIES[case](content)
    tiny.write_bytes(fuzz.sealed(content, arrays))
    refusal(tiny)


@pytest.mark.parametrize("content", [None, 3, [], "x", {}])
def test_another_header_altogether(tiny: Path, content: object) -> None:
    tiny.write_bytes(fuzz.sealed(content, b""))
    assert "header that this minialex cannot read" in refusal(tiny)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\xff", '{"a": ' + "9" * 5000 + "}"])
def test_a_header_that_is_no_json(tiny: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "dumps", lambda content: text)
    tiny.write_bytes(fuzz.sealed({}, b""))
    assert "header that this minialex cannot read" in refusal(tiny)


def test_reading_takes_no_more_memory_than_the_file_has(tmp_path: Path) -> None:
    path, size = tmp_path / "a.ckpt", 1 << 22
    save(path, State({name: np.ones(size, np.uint8) for name in "abc"}))
    assert peak(lambda: load(path)) < 3 * size + size // 2
    assert peak(lambda: verify(path)) < 2 * size + size // 2
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a terabyte, of which nothing is on the disk
    assert peak(lambda: refusal(path)) < size
    path.write_bytes(b"minialex checkpoint 1 " + b"0" * 64 + b" 900000000\n")
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    assert peak(lambda: refusal(path)) < size


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert refusal(path) == "cannot be read: No such file or directory"
    assert refusal(path / "y") == f"cannot be read: there is no folder {path}"
    path.mkdir()
    assert refusal(path) == "is a folder, not a checkpoint"
    path.rmdir()
    os.mkfifo(path)
    assert refusal(path) == "is not a regular file, not a checkpoint"
    path.unlink()
    path.symlink_to("nowhere")
    assert refusal(path) == "cannot be read: No such file or directory"
    path.unlink()
    path.write_bytes(b"")
    assert refusal(path) == "is empty"
    path.write_bytes(b"<!DOCTYPE html>\n<html>")
    assert refusal(path) == r"is not a minialex checkpoint: it starts with b'<!DOCTYPE html>\n'"
    path.write_bytes(b"\x80\x04\x95" * 200)
    assert refusal(path).startswith("is not a minialex checkpoint")


@pytest.mark.parametrize("kind", fuzz.DAMAGES)
def test_damage_at_random(tmp_path: Path, kind: str) -> None:
    judge = fuzz.Judge(tmp_path)
    seen = [judge(kind, np.random.default_rng(seed)) for seed in range(40)]
    assert any(what.startswith("refused") for what in seen)


# ---- faults while writing --------------------------------------------------------------------------------------------


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder in which only the superuser may write, and not to be the superuser."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        superuser = os.geteuid() == 0
        if superuser:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if superuser:
                os.seteuid(0)
            Path(name).chmod(0o755)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that is full, as far as this process can see."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_permission() -> None:
    with nobody() as folder:
        with pytest.raises(CheckpointError, match=r"a\.ckpt: cannot be written: Permission denied"):
            save(folder / "a.ckpt", fuzz.state_number(1))
        with pytest.raises(CheckpointError, match="cannot be written to: Permission denied"):
            RunFolder(folder)
        with pytest.raises(CheckpointError, match="cannot be written to: Permission denied"):
            RunFolder(folder / "run")
        assert not os.listdir(folder)


def test_no_permission_to_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / LAST
        save(path, fuzz.state_number(1))
        path.chmod(0)
        folder.chmod(0o755)
        with nobody():
            assert refusal(path) == "cannot be read: Permission denied"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"cannot be written: there is no folder {tmp_path / 'x'}"):
        save(tmp_path / "x" / "a.ckpt", fuzz.state_number(1))
    with pytest.raises(CheckpointError, match="cannot be written: it is a folder"):
        save(tmp_path, fuzz.state_number(1))
    (tmp_path / "x").write_text("")
    with pytest.raises(CheckpointError, match="x: cannot be written to: File exists"):
        RunFolder(tmp_path / "x")
    with pytest.raises(CheckpointError, match="cannot be read: Not a directory"):
        resume_auto(tmp_path / "x")
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("limit", [0, 1, 300, 100_000])
def test_a_full_disk(tmp_path: Path, limit: int) -> None:
    path, state = tmp_path / "a.ckpt", fuzz.state_number(2)
    save(path, state)
    size = path.stat().st_size
    save(path, fuzz.state_number(1))
    with files_of_at_most(limit), pytest.raises(CheckpointError) as refused:
        save(path, state)
    numbers = f"{size:,} bytes are needed, there is room for {limit:,}, {size - limit:,} are missing; "
    assert str(refused.value) == f"{path}: cannot be written: File too large: {numbers}what was saved before is whole"
    only_whole(path, 1)


def test_a_full_disk_in_a_run(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        for k in (1, 2):
            run.save(fuzz.state_number(k), best=True)
        with files_of_at_most(1000), pytest.raises(CheckpointError, match="are missing"):
            run.save(fuzz.state_number(3), best=True)
        assert [load(tmp_path / name).meta["k"] for name in (LAST, PREVIOUS, BEST)] == [2, 1, 2]
        assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
        run.save(fuzz.state_number(3))
    assert [load(tmp_path / name).meta["k"] for name in (LAST, PREVIOUS, BEST)] == [3, 2, 2]


FULL_DISK = """
mount -t tmpfs -o size=600k none "$1" && exec "$2" -c '
import os, sys
from tests import fuzz_checkpoint as fuzz
from minialex.checkpoint import CheckpointError, RunFolder, resume_auto
with RunFolder(sys.argv[1]) as run:
    try:
        for k in range(1, 9):
            run.save(fuzz.state_number(k))
    except CheckpointError as error:
        print(error)
    assert fuzz.is_number(resume_auto(sys.argv[1]).state, k - 1) and not resume_auto(sys.argv[1]).warnings
    print(sorted(os.listdir(sys.argv[1])))
' "$1"
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """A file system of 600 kB in memory, where the system lets a user mount one: it holds two states of 300 kB, not three."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small file system")
    command = ["unshare", "-Urm", "sh", "-c", FULL_DISK, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    message, names = done.stdout.splitlines()
    assert message.startswith(f"{tmp_path / LAST}: cannot be written: No space left on device: ")
    assert "are missing; what was saved before is whole" in message
    assert names == f"['.lock', '{LAST}', '{PREVIOUS}']"


def test_no_room_for_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mode: int = 0o777) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(CheckpointError, match="b: cannot be written to: No space left on device"):
        RunFolder(tmp_path / "a" / "b")


@pytest.mark.parametrize("call", ["fsync", "replace", "link", "open"])
@pytest.mark.parametrize("nth", [0, 1, 2])
def test_any_call_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int) -> None:
    """With an error of the device: one line, every checkpoint whole, nothing left; and the next save is as ever."""
    with RunFolder(tmp_path) as run:
        for k in (1, 2):
            run.save(fuzz.state_number(k), best=True)
        real, calls = getattr(os, call), iter(range(nth))

        def failing(*arguments: Any, **options: Any) -> Any:
            if next(calls, None) is None:
                raise OSError(errno.EIO, "Input/output error")
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            failed = nth < {"fsync": 2, "replace": 3, "link": 0, "open": 1}[call]  # without links there are copies
            if failed:
                with pytest.raises(CheckpointError, match=r"last\.ckpt: cannot be written: Input/output error"):
                    run.save(fuzz.state_number(3), best=True)
            else:
                run.save(fuzz.state_number(3), best=True)
        for path in checkpoint.checkpoints(tmp_path):
            assert fuzz.is_number(load(path), load(path).meta["k"])
        assert load(run.last).meta["k"] in ((2, 3) if failed else (3,))
        assert sorted(os.listdir(tmp_path)) == [".lock", BEST, LAST, PREVIOUS]
        run.save(fuzz.state_number(4))
        assert [load(tmp_path / name).meta["k"] for name in (LAST, PREVIOUS)] == [4, 3] or failed


def test_an_interrupted_save_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(file: int) -> None:
        raise KeyboardInterrupt

    save(tmp_path / "a.ckpt", fuzz.state_number(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path / "a.ckpt", fuzz.state_number(2))
    only_whole(tmp_path / "a.ckpt", 1)


def test_synced_before_renamed_and_the_folder_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(file: int) -> None:
        done.append(("sync", os.fstat(file).st_ino))
        fsync(file)

    def watched_replace(old: Path, new: Path) -> None:
        done.append((f"rename to {new.name}", old.stat().st_ino))
        replace(old, new)

    with RunFolder(tmp_path) as run:
        run.save(fuzz.state_number(1))
        monkeypatch.setattr(os, "fsync", watched_fsync)
        monkeypatch.setattr(os, "replace", watched_replace)
        run.save(fuzz.state_number(2), best=True)
    new, old = run.last.stat().st_ino, run.previous.stat().st_ino
    renames = [(f"rename to {BEST}", new), (f"rename to {PREVIOUS}", old), (f"rename to {LAST}", new)]
    assert done == [("sync", new), *renames, ("sync", tmp_path.stat().st_ino)]


# ---- the folder of a run ---------------------------------------------------------------------------------------------


def numbers(folder: Path) -> dict[str, int]:
    return {path.name: load(path).meta["k"] for path in checkpoint.checkpoints(folder)}


def damage(path: Path) -> None:
    """In place, as a bad disk does it: every name of the file is affected."""
    with path.open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"???")


def test_last_previous_and_best(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "runs" / "a") as run:
        assert run.resume() is None
        for k in range(1, 6):
            run.save(fuzz.state_number(k), best=k == 3)
            found = run.resume()
            assert found is not None
            assert (found.state.meta["k"], found.state.path, found.warnings) == (k, run.last, ())
            assert numbers(run.path) == {LAST: k} | ({PREVIOUS: k - 1} if k > 1 else {}) | ({BEST: 3} if k >= 3 else {})
    assert sorted(os.listdir(run.path)) == [".lock", BEST, LAST, PREVIOUS]


def test_a_run_does_not_read_back_what_it_has_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunFolder(tmp_path) as run:
        run.save(fuzz.state_number(1))
        monkeypatch.delattr("minialex.checkpoint.folder.verify")
        run.save(fuzz.state_number(2))
        run.last.unlink()
        run.save(fuzz.state_number(3))
    assert numbers(tmp_path) == {LAST: 3, PREVIOUS: 1}


def test_a_damaged_one_is_named_and_the_one_before_is_used(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        for k in range(1, 5):
            run.save(fuzz.state_number(k), best=k == 2)
    damage(run.last)
    found = resume_auto(tmp_path)
    assert found is not None
    assert fuzz.is_number(found.state, 3)
    assert found.warnings[0].startswith(f"{run.last}: is damaged: the bytes of ")
    assert found.warnings[1] == f"{run.previous}: is used, as there is no good {LAST}"
    with pytest.raises(CheckpointError):  # by its own name there is no way round
        load(run.last)
    run.previous.write_bytes(b"")
    found = resume_auto(tmp_path)
    assert found is not None
    assert fuzz.is_number(found.state, 2)
    assert found.state.path == run.best
    assert len(found.warnings) == 3
    damage(run.best)
    with pytest.raises(CheckpointError, match=f"{tmp_path}: holds no good checkpoint .*{LAST}: .*{PREVIOUS}: .*{BEST}: "):
        resume_auto(tmp_path)


def test_a_run_never_starts_from_nothing_unless_there_is_nothing(tmp_path: Path) -> None:
    assert resume_auto(tmp_path) is None
    assert resume_auto(tmp_path / "not there") is None
    (tmp_path / PREVIOUS).mkdir()
    with pytest.raises(CheckpointError, match="is a folder, not a checkpoint"):
        resume_auto(tmp_path)


@pytest.mark.parametrize("resumes", [True, False])
def test_a_damaged_last_one_never_becomes_the_previous_one(tmp_path: Path, resumes: bool) -> None:
    with RunFolder(tmp_path) as run:
        for k in (1, 2):
            run.save(fuzz.state_number(k))
    damage(run.last)
    with RunFolder(tmp_path) as run:
        if resumes:
            run.resume()
        run.save(fuzz.state_number(3))
        assert numbers(tmp_path) == {LAST: 3, PREVIOUS: 1}
        run.save(fuzz.state_number(4))
        assert numbers(tmp_path) == {LAST: 4, PREVIOUS: 3}


def test_only_our_own_leftovers_are_swept(tmp_path: Path) -> None:
    ours = ["best.ckpt.00000000.tmp", "last.ckpt.0123abcd.tmp", "previous.ckpt.ffffffff.tmp"]
    others = ["last.ckpt.0123abcd", "last.ckpt.tmp", "last.ckpt.0123abcd.tmp.txt", "mine.ckpt.0123abcd.tmp", "log.csv"]
    for name in ours + others:
        (tmp_path / name).write_text("x")
    with RunFolder(tmp_path) as run:
        assert run.swept == ours
    assert sorted(os.listdir(tmp_path)) == sorted([*others, ".lock"])


def hold(folder: Path, talk: Connection, forks: bool) -> None:
    """Lock the folder, then wait to be killed; with a child of its own, if wanted."""
    with RunFolder(folder):
        child = os.fork() if forks else -1
        if child:
            talk.send(child)
        with suppress(EOFError):
            talk.recv()
    os._exit(0)


@pytest.mark.parametrize("forks", [False, True])
def test_two_runs_never_write_to_one_folder(tmp_path: Path, forks: bool) -> None:
    ours, theirs = fuzz.fork_server.Pipe()
    other = fuzz.fork_server.Process(target=hold, args=(tmp_path, theirs, forks), daemon=True)
    other.start()
    child = ours.recv()
    with pytest.raises(CheckpointError) as refused:
        RunFolder(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path}: another run is writing here (process {other.pid} on ")
    other.kill()  # it leaves its lock file behind; that is no lock
    other.join()
    if forks:
        os.kill(child, 0)  # its own child is still there
    with RunFolder(tmp_path) as run:
        with pytest.raises(CheckpointError, match=f"process {os.getpid()} on "):
            RunFolder(tmp_path)
        run.save(fuzz.state_number(1))
    run.close()
    RunFolder(tmp_path).close()


def test_a_system_without_locks_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", no_locks)
        with RunFolder(tmp_path) as run:
            assert run.warnings == [
                f"{tmp_path / '.lock'}: no lock (No locks available): see to it that no other run writes here"
            ]
            run.save(fuzz.state_number(1))
    monkeypatch.setattr(lock_module, "fcntl", None)
    with RunFolder(tmp_path) as run:
        assert "this system has no flock" in run.warnings[0]


# ---- kills -----------------------------------------------------------------------------------------------------------


def test_killed_at_random_moments(tmp_path: Path) -> None:
    rng, last = np.random.default_rng(0), 0
    for _ in range(15):
        number, _ = fuzz.kill_once(tmp_path, rng)
        assert number >= last
        last = number
    assert last > 0


STARTS: dict[str, list[int]] = {"first": [], "later": [1, 2], "damaged": [1, 2]}  # what the folder holds before


@pytest.mark.parametrize("start", STARTS)
def test_killed_before_every_line_of_a_save(tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process for each line; and what goes on from there makes the same files as a run that was not killed."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    k = len(STARTS[start]) + 1
    template, calm = tmp_path / "template", tmp_path / "calm"
    with RunFolder(template) as run:
        for i in STARTS[start]:
            run.save(fuzz.state_number(i, size=5))
    if start == "damaged":
        damage(run.last)
    shutil.copytree(template, calm)
    with RunFolder(calm) as run:
        run.save(fuzz.state_number(k, size=5), best=True)
    wanted = {path.name: path.read_bytes() for path in checkpoint.checkpoints(calm)}

    for line in range(1, 1000):
        folder = tmp_path / str(line)
        shutil.copytree(template, folder, copy_function=os.link, ignore=shutil.ignore_patterns(".lock"))
        process = fuzz.fork_server.Process(target=fuzz.save_and_die, args=(folder, k, line), daemon=True)
        process.start()
        process.join()
        with RunFolder(folder) as run:
            found = run.resume()
            number = found.state.meta["k"] if found else 0
            assert number in (k, k - 2 if start == "damaged" else k - 1), f"line {line}: found {number}"
            assert found is None or not found.warnings or start == "damaged", f"line {line}: {found}"
            if number != k:
                run.save(fuzz.state_number(k, size=5), best=True)
        assert {path.name: path.read_bytes() for path in checkpoint.checkpoints(folder)} == wanted, f"line {line}"
        assert set(os.listdir(folder)) == {".lock", *wanted}
        if process.exitcode == 0:
            break
    assert line > 20, "the lines were not watched"
