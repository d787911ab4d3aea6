"""The few words for arrays (minialex/arrays.py) are what NumPy's own would be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from minialex import arrays
from minialex.devices import parse_devices, strict_mode


@given(st.integers(0, 5), st.integers(1, 3), st.integers(1, 4), st.sampled_from(["f4", "f8", "u1"]))
def test_a_strided_view_is_that_of_as_strided(begin: int, rows: int, columns: int, dtype: str) -> None:
    x = np.arange(48, dtype=dtype).reshape(4, 12)
    shape, strides = (rows, columns, 2), (9 * x.itemsize, 3 * x.itemsize, x.itemsize)
    view = arrays.strided(x, shape, strides, begin)
    np.testing.assert_array_equal(view, as_strided(x.reshape(-1)[begin:], shape, strides), strict=True)
    assert np.shares_memory(view, x)
    x += 1
    assert view[0, 0, 0] == begin + 1


def test_a_strided_view_does_not_leave_its_array() -> None:
    with pytest.raises(ValueError, match="buffer"):
        arrays.strided(np.ones(6), (2, 4), (24, 8))


def test_a_strided_view_of_what_nobody_may_write_to_is_one_too() -> None:
    x = np.ones(6)
    x.flags.writeable = False
    assert not arrays.strided(x, (2, 3), (24, 8)).flags.writeable


def test_a_strided_view_is_on_the_device_of_its_array() -> None:
    for place in parse_devices("cpu,cpu"):
        with strict_mode(), place:
            x = place.put(np.arange(6.0))
            view = arrays.strided(x, (2, 2), (24, 8), begin=1)
            assert view.place == x.place  # type: ignore[attr-defined]
            assert view.tolist() == [[1, 2], [4, 5]]


@given(st.lists(st.integers(0, 3), max_size=4).map(tuple), st.sampled_from(["f4", "f8", "c16"]))
def test_new_memory_is_like_what_it_is_beside(shape: tuple[int, ...], dtype: str) -> None:
    like = np.ones((2, 3), dtype)[:, ::2]
    for made in (arrays.empty(like, shape), arrays.zeros(like, shape)):
        assert (made.shape, made.dtype, made.flags.c_contiguous) == (shape, like.dtype, True)
    assert not arrays.zeros(like, shape).any()
    assert arrays.empty(like, shape, np.uint8).dtype == np.uint8
