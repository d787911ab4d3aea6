"""The kernels compute what the plain layers compute: their source, launched by the package's own code, run on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cuda.cases import SUITES
from tests.cuda.stand_in import gpu, settings, small_grid


@pytest.fixture(autouse=True)
def a_gpu() -> Iterator[None]:
    with gpu():
        yield


@pytest.mark.parametrize("name", SUITES)
def test_kernels(name: str) -> None:
    SUITES[name].run(max_examples=30, shrink=True)


@pytest.mark.parametrize("name", SUITES)
def test_a_small_grid_goes_on_and_the_order_of_threads_does_not_matter(name: str) -> None:
    with small_grid(), settings(backwards=True):
        SUITES[name].run(max_examples=30, shrink=True)
