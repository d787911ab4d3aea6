"""Sequential is what tests/checks/sequential.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import Sequential
from tests.checks import SEQUENTIAL
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Fact, Property
from tests.strategies import SequentialCase


@pytest.mark.parametrize("fact", SEQUENTIAL.facts)
def test_fact(fact: Fact) -> None:
    fact(Sequential)


@pytest.mark.parametrize("claim", SEQUENTIAL.properties)
@given(case=SEQUENTIAL.cases)
def test_property(claim: Property, case: SequentialCase) -> None:
    claim(Sequential, case)


@given(case=SEQUENTIAL.cases)
def test_on_a_device(device: Device, case: SequentialCase) -> None:
    other_devices_agree(Sequential, case, device)
