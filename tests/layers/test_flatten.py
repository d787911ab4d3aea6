"""Flatten is what tests/checks/flatten.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import Flatten
from tests.checks import FLATTEN
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Property
from tests.strategies import FlattenCase


@pytest.mark.parametrize("claim", FLATTEN.properties)
@given(case=FLATTEN.cases)
def test_property(claim: Property, case: FlattenCase) -> None:
    claim(Flatten, case)


@given(case=FLATTEN.cases)
def test_on_a_device(device: Device, case: FlattenCase) -> None:
    other_devices_agree(Flatten, case, device)
