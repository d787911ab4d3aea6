"""The same suites on a real GPU: the kernels, compiled by CuPy, against the plain layers on the host."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pytest

from minialex.devices import parse_devices
from tests.cuda import stand_in
from tests.cuda.cases import SUITES
from tests.reference import Array

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def real_arrays() -> Iterator[None]:
    """The suites' arrays go to cuda:0, with their strides."""
    (device,) = parse_devices("cuda:0")
    import cupy  # noqa: PLC0415

    def put(values: Array) -> Array:
        low, high = np.lib.array_utils.byte_bounds(values)
        memory = cupy.full(max(1, high - low), 0xFF, np.uint8)
        start = values.__array_interface__["data"][0] - low
        there: Array = cupy.ndarray(values.shape, values.dtype, memory.data + start, values.strides)
        there[...] = cupy.asarray(np.ascontiguousarray(values))
        return there

    with device, patch.object(stand_in, "put", put):
        yield


@pytest.mark.parametrize("name", SUITES)
def test_kernels(name: str) -> None:
    SUITES[name].run(max_examples=100)
