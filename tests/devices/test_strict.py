"""Strict mode: on a laptop, mixing arrays of two devices fails as it would on two GPUs, and says which two."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex import arrays
from minialex.arrays import Array
from minialex.devices import Device, DeviceError, on_all, parse_devices, strict_mode
from minialex.devices.strict import DeviceArray, raw

Operation = Callable[[Array, Array], Any]


def set_all(x: Array, y: Array) -> Array:
    x[...] = y
    return x


def set_masked(x: Array, y: Array) -> Array:
    x[y > 0] = 0
    return x


def add_in_place(x: Array, y: Array) -> Array:
    x += y
    return x


def add_at(x: Array, y: Array) -> Array:
    np.add.at(x, (0,), y[0])
    return x


def copy_to(x: Array, y: Array) -> Array:
    np.copyto(x, y)
    return x


MIXED: dict[str, Operation] = {  # each of two arrays (3, 3), and of one array twice
    "add": lambda x, y: x + y,
    "add in place": add_in_place,
    "compare": lambda x, y: x > y,
    "matmul": lambda x, y: x @ y,
    "matmul with a transpose": lambda x, y: x.T @ y.T,
    "matmul into out": lambda x, y: np.matmul(x, x + 1, out=y),
    "maximum into out": lambda x, y: np.maximum(x, 0, out=y),
    "two results into out": lambda x, y: np.divmod(x, 2, out=(y, None))[1],  # type: ignore[arg-type]
    "where": lambda x, y: np.add(x, 1, where=y > 0, out=np.zeros_like(x)),
    "reduce into out": lambda x, y: np.add.reduce(x, axis=0, out=y[0]),
    "accumulate into out": lambda x, y: np.add.accumulate(x, out=y),
    "add.at": add_at,
    "outer": np.multiply.outer,
    "concatenate": lambda x, y: np.concatenate([x, y], axis=1),
    "stack": lambda x, y: np.stack((x, y)),
    "choose": lambda x, y: np.where(x > 0, y, 0),
    "dot": np.dot,
    "einsum": lambda x, y: np.einsum("ij,jk->ik", x, y),
    "assignment": set_all,
    "assignment through a mask": set_masked,
    "copyto": copy_to,
    "indexing": lambda x, y: x[y > 0],
    "indexing by rows": lambda x, y: x[(y[:, 0] > 0).astype(int), 1],
}
operations = st.sampled_from([*MIXED])
seeds = st.integers(0, 99)

ALONE: dict[str, Callable[[Array], Any]] = {  # what is made of one array (3, 3) and is an array again
    "slice": lambda x: x[1:, ::2],
    "row": lambda x: x[0],
    "transpose": lambda x: x.T,
    "reshape": lambda x: x.reshape(9),
    "copied reshape": lambda x: x.T.reshape(-1),
    "mask": lambda x: x[x > 0],
    "astype": lambda x: x.astype(np.float32),
    "copy": lambda x: x.copy(order="F"),
    "sum": lambda x: x.sum(axis=0),
    "mean": lambda x: x.mean(axis=1, keepdims=True),
    "max": lambda x: x.max(axis=1),
    "negative": lambda x: -x,
    "number": lambda x: 1 - 2 * x,
    "plain array": lambda x: x + np.ones(3),
    "tanh": np.tanh,
    "two results": lambda x: np.modf(x)[1],
    "reciprocal into itself": lambda x: np.reciprocal(x, out=x),
    "empty": lambda x: arrays.zeros(x, (2, 2)) + arrays.empty(x, (2, 2)) * 0,
    "split": lambda x: np.split(x, 3)[1],
}


def devices() -> tuple[Device, Device]:
    a, b = parse_devices("cpu:3,cpu:5")
    return a, b


def values(seed: int, draw: int = 0) -> Array:
    return np.random.default_rng((seed, draw)).standard_normal((3, 3)) + 4  # no row is all negative


def place(x: Any) -> str | None:
    assert isinstance(x, DeviceArray)
    return x.place


@given(operation=operations, seed=seeds, turned=st.booleans())
def test_an_operation_on_two_devices_raises_and_names_both(operation: str, seed: int, turned: bool) -> None:
    a, b = devices()
    x, y = a.put(values(seed)), b.put(values(seed, 1))
    with pytest.raises(DeviceError, match=r"cpu:3 and cpu:5") as error:
        MIXED[operation](*((y, x) if turned else (x, y)))
    assert len(str(error.value).splitlines()) == 1
    np.testing.assert_array_equal(a.get(x), values(seed))  # nothing has happened
    np.testing.assert_array_equal(b.get(y), values(seed, 1))


@given(operation=operations, seed=seeds)
def test_on_one_device_it_gives_what_numpy_gives_and_stays_there(operation: str, seed: int) -> None:
    a, _ = devices()
    x, y = a.put(values(seed)), a.put(values(seed, 1))
    result = a.submit(MIXED[operation], x, y).result()
    np.testing.assert_array_equal(a.get(result), MIXED[operation](values(seed), values(seed, 1)))
    assert place(result) == "cpu:3"


@given(operation=operations, seed=seeds)
def test_work_on_another_device_raises_and_names_both(operation: str, seed: int) -> None:
    a, b = devices()
    x, y = a.put(values(seed)), a.put(values(seed, 1))
    with pytest.raises(DeviceError, match=r"cpu:3 in the work of cpu:5"):
        b.submit(MIXED[operation], x, y).result()


@given(operation=st.sampled_from([*ALONE]), seed=seeds)
def test_views_and_results_keep_the_place(operation: str, seed: int) -> None:
    a, b = devices()
    result = a.submit(ALONE[operation], a.put(values(seed))).result()
    assert place(result) == "cpu:3"
    np.testing.assert_array_equal(a.get(result), ALONE[operation](values(seed)))
    with pytest.raises(DeviceError, match=r"cpu:3 and cpu:5"):
        np.add.outer(result, b.put(values(seed)))


def test_out_is_returned_itself() -> None:
    (a, _), into = devices(), np.empty((3, 3))
    x = a.put(values(0))
    for out in (a.empty((3, 3), np.dtype(float)), into):
        assert np.add(x, 1, out=out) is out
    quotient = a.empty((3, 3), np.dtype(float))
    both = np.divmod(x, 2, out=(quotient, None))  # type: ignore[arg-type]
    assert both[0] is quotient
    assert place(both[1]) == "cpu:3"


def test_numbers_are_nowhere() -> None:
    a, b = devices()
    total = a.put(values(0)).sum()
    assert isinstance(total, float)
    assert place(b.put(values(1)) * total) == "cpu:5"


def test_work_inside_work_of_another_device_is_that_others() -> None:
    a, b = devices()
    x, y = a.put(values(0)), b.put(values(1))
    with a:
        with b:
            assert place(y + 1) == "cpu:5"
            with pytest.raises(DeviceError, match=r"cpu:3 in the work of cpu:5"):
                x + 1
        assert place(x + 1) == "cpu:3"
    assert place(x + 1) == "cpu:3"  # outside all work, an array's own place counts


def test_each_thread_has_its_own_place() -> None:
    a, b = devices()
    x, y = a.put(values(0)), b.put(values(1))
    assert [place(z) for z in on_all((a, b), lambda z: z * 2, (x, y))] == ["cpu:3", "cpu:5"]
    with a:
        assert place(b.submit(lambda: y * 2).result()) == "cpu:5"


def test_a_failure_leaves_the_place() -> None:
    a, b = devices()
    with pytest.raises(KeyError):
        a.submit({}.__getitem__, "nothing").result()
    x = b.put(values(0))
    with pytest.raises(KeyError), a:
        raise KeyError
    assert place(x + 1) == "cpu:5"


@given(operation=operations, seed=seeds)
def test_without_strict_mode_arrays_are_numpys_own(operation: str, seed: int) -> None:
    with strict_mode(False):
        a, b = devices()
        x, y = a.put(values(seed)), b.put(values(seed, 1))
        result = MIXED[operation](x, y)
        made = b.empty((2,), np.dtype(float))
    assert {type(z) for z in (x, y, result, made)} == {np.ndarray}


def test_strict_mode_is_a_block_and_its_arrays_remember_it() -> None:
    a, b = devices()
    with strict_mode(False):
        before = a.put(values(0))
        with strict_mode():
            inside = a.put(values(0))
            with strict_mode(False):
                assert type(a.put(values(0))) is np.ndarray
            assert place(a.put(values(0))) == "cpu:3"
        after = b.put(values(0))
        assert {type(before), type(after)} == {np.ndarray}
        with strict_mode(), pytest.raises(DeviceError, match=re.escape("cpu:3 and cpu:5")):
            inside + b.put(values(0))
        with pytest.raises(ZeroDivisionError), strict_mode():
            raise ZeroDivisionError
        assert type(a.put(values(0))) is np.ndarray


def test_raw_is_the_same_memory_without_a_place() -> None:
    a, _ = devices()
    x = a.put(values(0))
    assert type(raw(x)) is np.ndarray
    raw(x)[0, 0] = 7
    assert x[0, 0] == 7
    assert raw("no array") == "no array"
