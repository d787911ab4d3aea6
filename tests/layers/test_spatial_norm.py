"""SpatialResponseNorm is what tests/checks/spatial_norm.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import SpatialResponseNorm
from tests.checks import SPATIAL_RESPONSE_NORM
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Fact, Property
from tests.strategies import SpatialNormCase


@pytest.mark.parametrize("fact", SPATIAL_RESPONSE_NORM.facts)
def test_fact(fact: Fact) -> None:
    fact(SpatialResponseNorm)


@pytest.mark.parametrize("claim", SPATIAL_RESPONSE_NORM.properties)
@given(case=SPATIAL_RESPONSE_NORM.cases)
def test_property(claim: Property, case: SpatialNormCase) -> None:
    claim(SpatialResponseNorm, case)


@given(case=SPATIAL_RESPONSE_NORM.cases)
def test_on_a_device(device: Device, case: SpatialNormCase) -> None:
    other_devices_agree(SpatialResponseNorm, case, device)
