"""im2col and col2im are what tests/checks/im2col.py claims."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.checks import IM2COL
from tests.checks.suite import Fact, Property
from tests.strategies import ConvCase


@pytest.mark.parametrize("fact", IM2COL.facts)
def test_fact(fact: Fact) -> None:
    fact(IM2COL.layer)


@pytest.mark.parametrize("claim", IM2COL.properties)
@given(case=IM2COL.cases)
def test_property(claim: Property, case: ConvCase) -> None:
    claim(IM2COL.layer, case)
