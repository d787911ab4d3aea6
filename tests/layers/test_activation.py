"""ReLU, Tanh and Sigmoid are what tests/checks/activation.py claims, on every device."""

from __future__ import annotations

import pytest
from hypothesis import given

from minialex.devices import Device
from minialex.layers import ReLU, Sigmoid, Tanh
from tests.checks import RELU, SIGMOID, TANH
from tests.checks.every_layer import other_devices_agree
from tests.checks.suite import Fact, Property
from tests.strategies import ReLUCase, SigmoidCase, TanhCase


@pytest.mark.parametrize("fact", RELU.facts)
def test_relu_fact(fact: Fact) -> None:
    fact(ReLU)


@pytest.mark.parametrize("claim", RELU.properties)
@given(case=RELU.cases)
def test_relu_property(claim: Property, case: ReLUCase) -> None:
    claim(ReLU, case)


@given(case=RELU.cases)
def test_relu_on_a_device(device: Device, case: ReLUCase) -> None:
    other_devices_agree(ReLU, case, device)


@pytest.mark.parametrize("fact", TANH.facts)
def test_tanh_fact(fact: Fact) -> None:
    fact(Tanh)


@pytest.mark.parametrize("claim", TANH.properties)
@given(case=TANH.cases)
def test_tanh_property(claim: Property, case: TanhCase) -> None:
    claim(Tanh, case)


@given(case=TANH.cases)
def test_tanh_on_a_device(device: Device, case: TanhCase) -> None:
    other_devices_agree(Tanh, case, device)


@pytest.mark.parametrize("fact", SIGMOID.facts)
def test_sigmoid_fact(fact: Fact) -> None:
    fact(Sigmoid)


@pytest.mark.parametrize("claim", SIGMOID.properties)
@given(case=SIGMOID.cases)
def test_sigmoid_property(claim: Property, case: SigmoidCase) -> None:
    claim(Sigmoid, case)


@given(case=SIGMOID.cases)
def test_sigmoid_on_a_device(device: Device, case: SigmoidCase) -> None:
    other_devices_agree(Sigmoid, case, device)
