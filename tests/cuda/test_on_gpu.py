"""The same suites on a real GPU: the kernels, compiled by CuPy, against the plain layers on the host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cuda.cases import SUITES
from tests.cuda.stand_in import real_gpu

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def real_arrays() -> Iterator[None]:
    """The suites' arrays go to cuda:0, with their strides."""
    with real_gpu():
        yield


@pytest.mark.parametrize("name", SUITES)
def test_kernels(name: str) -> None:
    SUITES[name].run(max_examples=100)
