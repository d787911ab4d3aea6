"""What crosses from device to device: it arrives unchanged, in memory of its own, and is written down."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minialex.devices import Crossing, Ledger, Wire, pack, parse_devices
from minialex.devices.strict import raw
from tests.strategies import ORDERS, Order, lay_out

DTYPES = st.sampled_from(["float32", "float64"])
shapes = st.tuples(*(st.integers(1, 4),) * 4) | st.tuples(*(st.integers(1, 4),) * 2)
places = st.sampled_from(["host", "cpu:0", "cpu:1", "cuda:0"])
rows = st.builds(
    Crossing, st.sampled_from(["conv3", "fc6"]), st.sampled_from(["forward", "backward"]), places, places, st.integers(0, 9999)
)


def numbers(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@given(
    rows=st.lists(rows, max_size=8),
    layer=st.sampled_from([None, "conv3", "fc6"]),
    direction=st.sampled_from([None, "forward", "backward"]),
)
def test_the_ledger_adds_up(rows: list[Crossing], layer: str | None, direction: str | None) -> None:
    ledger = Ledger()
    ledger.rows += rows
    asked = [row for row in rows if layer in (None, row.layer) and direction in (None, row.direction)]
    between = [row for row in asked if row.source != "host" and row.to != "host"]
    assert ledger.bytes(layer, direction) == sum(row.bytes for row in between)
    assert ledger.bytes(layer, direction, host=True) == sum(row.bytes for row in asked)


@given(rows=st.lists(rows, max_size=8))
def test_the_ledger_prints_a_line_for_each_crossing(rows: list[Crossing]) -> None:
    ledger = Ledger()
    ledger.rows += rows
    head, *lines = str(ledger).splitlines()
    assert head.split() == ["layer", "pass", "from", "to", "bytes"]
    assert [line.replace(",", "").split() for line in lines] == [[*map(str, row)] for row in rows]
    assert len({len(line) for line in (head, *lines)}) == 1
    ledger.clear()
    assert ledger.rows == []


@given(shape=shapes, order=st.sampled_from(ORDERS), dtype=DTYPES)
def test_pack_makes_the_memory_dense_and_changes_nothing_else(shape: tuple[int, ...], order: Order, dtype: str) -> None:
    x = lay_out(numbers(shape, dtype), order)
    packed = pack(x)
    np.testing.assert_array_equal(packed, x)
    assert packed.dtype == x.dtype
    memory = packed.transpose(0, 2, 3, 1) if len(shape) == 4 else packed
    assert memory.flags.c_contiguous
    was_dense = (x.transpose(0, 2, 3, 1) if len(shape) == 4 else x).flags.c_contiguous
    assert (packed is x) == was_dense


@given(shape=shapes, dtype=DTYPES, from_host=st.booleans())
def test_what_arrives_is_what_was_sent_and_no_device_writes_to_anothers_memory(
    shape: tuple[int, ...], dtype: str, from_host: bool
) -> None:
    a, b = parse_devices("cpu,cpu")
    ledger = Ledger()
    wire = Wire(None if from_host else a, b, "conv3", "forward", ledger)
    x = pack(numbers(shape, dtype) if from_host else a.put(numbers(shape, dtype)))
    wire.announce(x)
    arrived = b.submit(wire.carry, x).result()
    np.testing.assert_array_equal(b.get(arrived), numbers(shape, dtype))
    assert arrived.dtype == dtype
    assert arrived.place == "cpu:1"  # type: ignore[attr-defined]
    assert np.shares_memory(raw(arrived), raw(x)) == (from_host and arrived.size > 0)  # a CPU device reads the host's memory
    assert arrived.flags.writeable != from_host  # and no more than that
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    assert ledger.rows == [("conv3", "forward", "host" if from_host else "cpu:0", "cpu:1", size)]


@given(cargo=st.lists(st.tuples(st.sampled_from([(2, 3), (3, 2), (2, 2, 3, 1), (2, 3, 1, 2)]), DTYPES), min_size=1, max_size=5))
def test_the_buffer_is_kept_while_the_shape_stays(cargo: list[tuple[tuple[int, ...], str]]) -> None:
    a, b = parse_devices("cpu,cpu")
    wire = Wire(a, b, "conv3", "forward", Ledger())
    last = None
    for i, (shape, dtype) in enumerate(cargo):
        arrived = b.submit(wire.carry, pack(a.put(numbers(shape, dtype, i)))).result()
        np.testing.assert_array_equal(b.get(arrived), numbers(shape, dtype, i))
        if last is not None:
            same = last.shape == arrived.shape and last.dtype == arrived.dtype
            assert np.shares_memory(raw(arrived), raw(last)) == same
        last = arrived


def test_nothing_crosses_within_one_device() -> None:
    (a,) = parse_devices("cpu")
    ledger = Ledger()
    wire = Wire(a, a, "conv3", "forward", ledger)
    x = a.put(numbers((2, 3)))
    wire.announce(x)
    assert wire.carry(x) is x
    assert ledger.rows == []


def test_memory_that_is_not_dense_does_not_leave_by_accident() -> None:
    """carry wants packed memory; whatever else it does, it must not send other numbers."""
    a, b = parse_devices("cpu,cpu")
    x = a.put(numbers((2, 3))).T
    arrived = b.submit(Wire(a, b, "fc6", "forward", Ledger()).carry, x).result()
    np.testing.assert_array_equal(b.get(arrived), numbers((2, 3)).T)
