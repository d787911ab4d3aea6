"""Dropout is what tests/checks/dropout.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import Dropout
from tests.checks import DROPOUT
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Fact, Property
from tests.strategies import DropoutCase


@pytest.mark.parametrize("fact", DROPOUT.facts)
def test_fact(fact: Fact) -> None:
    fact(Dropout)


@pytest.mark.parametrize("claim", DROPOUT.properties)
@given(case=DROPOUT.cases)
def test_property(claim: Property, case: DropoutCase) -> None:
    claim(Dropout, case)


@given(case=DROPOUT.cases)
def test_on_a_device(device: Device, case: DropoutCase) -> None:
    other_devices_agree(Dropout, case, device)
