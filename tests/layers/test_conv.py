"""Conv2d is what tests/checks/conv.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import Conv2d
from tests.checks import CONV2D
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Fact, Property
from tests.strategies import ConvCase


@pytest.mark.parametrize("fact", CONV2D.facts)
def test_fact(fact: Fact) -> None:
    fact(Conv2d)


@pytest.mark.parametrize("claim", CONV2D.properties)
@given(case=CONV2D.cases)
def test_property(claim: Property, case: ConvCase) -> None:
    claim(Conv2d, case)


@given(case=CONV2D.cases)
def test_on_a_device(device: Device, case: ConvCase) -> None:
    other_devices_agree(Conv2d, case, device)
