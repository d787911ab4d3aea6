"""MaxPool2d and AvgPool2d are what tests/checks/pool.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import AvgPool2d, MaxPool2d
from tests.checks import AVG_POOL2D, MAX_POOL2D
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Fact, Property
from tests.strategies import AvgPoolCase, MaxPoolCase


@pytest.mark.parametrize("fact", MAX_POOL2D.facts)
def test_max_pool_fact(fact: Fact) -> None:
    fact(MaxPool2d)


@pytest.mark.parametrize("claim", MAX_POOL2D.properties)
@given(case=MAX_POOL2D.cases)
def test_max_pool_property(claim: Property, case: MaxPoolCase) -> None:
    claim(MaxPool2d, case)


@given(case=MAX_POOL2D.cases)
def test_max_pool_on_a_device(device: Device, case: MaxPoolCase) -> None:
    other_devices_agree(MaxPool2d, case, device)


@pytest.mark.parametrize("fact", AVG_POOL2D.facts)
def test_avg_pool_fact(fact: Fact) -> None:
    fact(AvgPool2d)


@pytest.mark.parametrize("claim", AVG_POOL2D.properties)
@given(case=AVG_POOL2D.cases)
def test_avg_pool_property(claim: Property, case: AvgPoolCase) -> None:
    claim(AvgPool2d, case)


@given(case=AVG_POOL2D.cases)
def test_avg_pool_on_a_device(device: Device, case: AvgPoolCase) -> None:
    other_devices_agree(AvgPool2d, case, device)
