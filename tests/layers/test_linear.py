"""Linear is what tests/checks/linear.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import Linear
from tests.checks import LINEAR
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Fact, Property
from tests.strategies import LinearCase


@pytest.mark.parametrize("fact", LINEAR.facts)
def test_fact(fact: Fact) -> None:
    fact(Linear)


@pytest.mark.parametrize("claim", LINEAR.properties)
@given(case=LINEAR.cases)
def test_property(claim: Property, case: LinearCase) -> None:
    claim(Linear, case)


@given(case=LINEAR.cases)
def test_on_a_device(device: Device, case: LinearCase) -> None:
    other_devices_agree(Linear, case, device)
