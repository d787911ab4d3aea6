"""The virtual CPU devices: a worker thread each, that works in order, side by side with the others, and fails aloud."""

from __future__ import annotations

import gc
import threading
import traceback
import weakref
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from hypothesis import given
from hypothesis import strategies as st

from minialex.arrays import Array
from minialex.devices import cpu, on_all, parse_devices, strict_mode
from minialex.devices.strict import raw
from tests.strategies import ORDERS, Order, lay_out

SECONDS = 30  # how long a test waits for what should happen at once, before it fails


def shared(a: Array, b: Array) -> bool:
    """Whether two arrays have memory in common, wherever they are."""
    return np.shares_memory(raw(a), raw(b))


def the_culprit() -> None:
    """Fails where a layer would."""
    raise ArithmeticError("7 does not divide 3")


@given(work=st.lists(st.sampled_from(["append", "fail"]), max_size=12))
def test_work_is_done_in_order_and_a_failure_stops_nothing(work: list[str]) -> None:
    (device,) = parse_devices("cpu")
    done: list[int] = []

    def do(number: int, how: str) -> int:
        done.append(number)
        if how == "fail":
            the_culprit()
        return number

    futures = [device.submit(do, number, how) for number, how in enumerate(work)]
    device.synchronize()
    assert done == list(range(len(work)))
    for number, (future, how) in enumerate(zip(futures, work, strict=True)):
        assert future.done()
        if how == "fail":
            assert isinstance(future.exception(), ArithmeticError)
        else:
            assert future.result() == number


def test_a_device_has_one_thread_however_much_is_queued() -> None:
    before, (device,) = set(threading.enumerate()), parse_devices("cpu")
    go = threading.Event()
    queued = [device.submit(go.wait, SECONDS) for _ in range(5)]
    try:
        assert len(set(threading.enumerate()) - before) == 1
    finally:
        go.set()
    assert all(future.result() for future in queued)


def test_each_device_works_in_its_own_thread_always_the_same() -> None:
    a, b = parse_devices("cpu,cpu")
    for device in (a, b):
        threads = {device.submit(threading.current_thread).result() for _ in range(5)}
        assert len(threads) == 1
        assert threads.pop().name.startswith(device.name)
    assert a.submit(threading.get_ident).result() != b.submit(threading.get_ident).result()


@pytest.mark.parametrize("tower", [0, 1])
def test_a_failure_on_one_tower_reaches_the_caller_after_the_other_has_worked(tower: int) -> None:
    devices = parse_devices("cpu,cpu")
    started, worked = threading.Event(), threading.Event()

    def work(t: int) -> None:
        if t == tower:
            assert started.wait(SECONDS)
            the_culprit()
        started.set()
        worked.set()

    with pytest.raises(ArithmeticError, match="7 does not divide 3") as failure:
        on_all(devices, work, (0, 1))
    assert worked.is_set()
    assert [frame.name for frame in traceback.extract_tb(failure.value.__traceback__)][-1] == "the_culprit"
    assert on_all(devices, lambda t: t + 1, (0, 1)) == (1, 2)  # and the devices still work


def test_where_both_towers_fail_the_first_one_is_heard_and_both_were_waited_for() -> None:
    devices = parse_devices("cpu,cpu")
    second_failed = threading.Event()

    def work(t: int) -> None:
        if t == 1:
            second_failed.set()
            raise ValueError("tower 1")
        assert second_failed.wait(SECONDS)
        raise ValueError("tower 0")

    with pytest.raises(ValueError, match="tower 0"):
        on_all(devices, work, (0, 1))


def test_two_devices_work_at_the_same_time() -> None:
    """Each can pass the barrier only while the other stands at it."""
    barrier = threading.Barrier(2)
    met = on_all(parse_devices("cpu,cpu"), lambda: barrier.wait(SECONDS))
    assert sorted(met) == [0, 1]


def test_towers_on_the_same_device_work_one_after_the_other() -> None:
    running: list[int] = []

    def work(t: int) -> int:
        running.append(t)
        assert running == [t]
        running.pop()
        return t

    assert on_all(parse_devices("cpu:0,cpu:0"), work, (0, 1)) == (0, 1)


def test_workers_go_with_their_devices() -> None:
    before = set(threading.enumerate())
    devices = parse_devices("cpu,cpu,cpu")
    assert set(threading.enumerate()) == before, "a worker starts with the first piece of work"
    with pytest.raises(ArithmeticError):
        on_all(devices, the_culprit)
    workers = set(threading.enumerate()) - before
    gone = [weakref.ref(device) for device in devices]
    assert len(workers) == 3
    del devices
    gc.collect()
    assert [device() for device in gone] == [None] * 3
    for worker in workers:
        worker.join(SECONDS)
        assert not worker.is_alive()


def test_each_caller_of_blas_has_one_thread() -> None:
    devices = parse_devices("cpu,cpu")

    def product() -> list[dict[str, Any]]:
        np.ones((200, 200)) @ np.ones((200, 200))
        return [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]

    for libraries in (product(), *on_all(devices, product)):
        assert libraries
        assert {library["num_threads"] for library in libraries} == {1}


@given(
    shape=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    order=st.sampled_from(ORDERS),
    dtype=st.sampled_from(["float32", "float64", "uint8", "int64"]),
    to=st.sampled_from([None, "float32", "float64"]),
    strict=st.booleans(),
)
def test_put_and_get_copy_whatever_the_memory_is(
    shape: list[int], order: Order, dtype: str, to: str | None, strict: bool
) -> None:
    (device,) = parse_devices("cpu")
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    host = lay_out(values, order)
    with strict_mode(strict):
        there = device.put(host) if to is None else device.put(host, to)
        back = device.get(there)
    assert there.dtype == (to or dtype)
    assert type(back) is np.ndarray
    assert back.flags.c_contiguous
    assert back.dtype == there.dtype
    np.testing.assert_array_equal(back, values)
    for one, other in ((host, there), (there, back), (host, back)):
        assert not shared(one, other)


def test_get_copies_views_too() -> None:
    (device,) = parse_devices("cpu")
    there = device.put(np.arange(12.0).reshape(3, 4))
    back = device.get(there.T[::-1])
    np.testing.assert_array_equal(back, np.arange(12.0).reshape(3, 4).T[::-1])
    assert back.flags.c_contiguous
    assert not shared(back, there)


def test_a_device_shows_its_name() -> None:
    assert [repr(device) for device in parse_devices("cpu,cpu")] == ["cpu:0", "cpu:1"]


def test_a_future_is_given_at_once() -> None:
    """submit does not wait for the work: the caller may do something else first."""
    (device,) = parse_devices("cpu")
    go = threading.Event()
    future: Future[bool] = device.submit(go.wait, SECONDS)
    assert not future.done()
    go.set()
    assert future.result()


@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 4)), dtype=st.sampled_from(["float32", "float64"]))
def test_receive_copies_into_the_buffer(shape: tuple[int, int], dtype: str) -> None:
    a, b = parse_devices("cpu,cpu")
    values = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    x: Array = a.put(values)
    buffer = b.empty(shape, np.dtype(dtype))
    b.submit(b.receive, x, a, buffer).result()
    np.testing.assert_array_equal(b.get(buffer), values)
    assert not shared(x, buffer)


@given(numbers=st.lists(st.integers(-5, 5), max_size=9))
def test_calls_that_need_nothing_from_each_other_may_share_the_cores(numbers: list[int]) -> None:
    """The results are in the order of the arguments; all calls run here; the first failure is raised, once all have ended."""
    (device,) = parse_devices("cpu")
    ended: list[int] = []

    def inverse(number: int, threads: set[str]) -> float:
        threads.add(threading.current_thread().name)
        try:
            return 1 / number
        finally:
            ended.append(number)

    names: set[str] = set()
    call = device.submit(device.side_by_side, inverse, numbers, [names] * len(numbers))
    if 0 in numbers:
        with pytest.raises(ZeroDivisionError):
            call.result(SECONDS)
    else:
        assert call.result(SECONDS) == [1 / number for number in numbers]
        assert sorted(ended) == sorted(numbers)
    assert all(name.startswith(device.name) for name in names)


def test_strict_arrays_stay_on_their_device_when_the_cores_share_the_work() -> None:
    with strict_mode():
        (device,) = parse_devices("cpu")
        x = device.put(np.arange(6.0))
        parts = device.submit(device.side_by_side, lambda part: x[part] + x[part], [slice(0, 3), slice(3, 6)]).result(SECONDS)
        np.testing.assert_array_equal(np.concatenate([raw(part) for part in parts]), 2 * np.arange(6.0))


def test_a_c_library_that_cannot_be_told_to_keep_memory_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has no mallopt, Windows no library of the process; where there is one it is told all three numbers."""
    told: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, what: int, value: int) -> None:
            told.append((what, value))

    def windows(name: None) -> object:
        raise TypeError("LoadLibrary() argument 1 must be str, not None")

    for library in (windows, lambda name: object(), lambda name: Library()):
        monkeypatch.setattr(cpu.ctypes, "CDLL", library)
        cpu.keep_freed_memory.__wrapped__()
    assert told == [(-8, 1), (-1, 1 << 30), (-3, 32 << 20)]
