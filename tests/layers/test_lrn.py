"""LocalResponseNorm is what tests/checks/lrn.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import LocalResponseNorm
from tests.checks import LOCAL_RESPONSE_NORM
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Fact, Property
from tests.strategies import LRNCase


@pytest.mark.parametrize("fact", LOCAL_RESPONSE_NORM.facts)
def test_fact(fact: Fact) -> None:
    fact(LocalResponseNorm)


@pytest.mark.parametrize("claim", LOCAL_RESPONSE_NORM.properties)
@given(case=LOCAL_RESPONSE_NORM.cases)
def test_property(claim: Property, case: LRNCase) -> None:
    claim(LocalResponseNorm, case)


@given(case=LOCAL_RESPONSE_NORM.cases)
def test_on_a_device(device: Device, case: LRNCase) -> None:
    other_devices_agree(LocalResponseNorm, case, device)
