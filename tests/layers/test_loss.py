"""SoftmaxCrossEntropy is what tests/checks/loss.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import SoftmaxCrossEntropy
from tests.checks import SOFTMAX_CROSS_ENTROPY
from tests.checks.loss import the_loss_agrees_on_other_devices
from tests.checks.suite import Fact, Property
from tests.strategies import LossCase


@pytest.mark.parametrize("fact", SOFTMAX_CROSS_ENTROPY.facts)
def test_fact(fact: Fact) -> None:
    fact(SoftmaxCrossEntropy)


@pytest.mark.parametrize("claim", SOFTMAX_CROSS_ENTROPY.properties)
@given(case=SOFTMAX_CROSS_ENTROPY.cases)
def test_property(claim: Property, case: LossCase) -> None:
    claim(SoftmaxCrossEntropy, case)


@given(case=SOFTMAX_CROSS_ENTROPY.cases)
def test_on_a_device(device: Device, case: LossCase) -> None:
    the_loss_agrees_on_other_devices(SoftmaxCrossEntropy, case, device)
