"""What is claimed of ReLU, Tanh and Sigmoid."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex import layers
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.suite import Suite, same
from tests.strategies import ReLUCase, SigmoidCase, TanhCase, shaped_cases


def the_kink_has_slope_zero(cls: Any) -> None:
    """At exactly 0, and at -0, ReLU and its derivative are 0"""
    for dtype in (np.float32, np.float64):
        layer = cls()
        same("y", layer.forward(np.array([[-1.0, -0.0, 0.0, 1e-30]], dtype)), np.array([[0, 0, 0, 1e-30]], dtype))
        same("dx", layer.backward(np.array([[2.0, 3.0, 5.0, 7.0]], dtype)), np.array([[0, 0, 0, 7.0]], dtype))


def nan_shows(cls: Any) -> None:
    """nan stays nan, so that a broken net is noticed"""
    y = cls().forward(np.array([[np.nan, 1.0, -1.0]]))
    assert np.isnan(y[0, 0]), f"nan becomes {y[0, 0]}"


def tanh_saturates_quietly(cls: Any) -> None:
    """tanh(±1000) = ±1 with derivative 0, without overflow"""
    saturates(cls, (-1.0, 0.0, 1.0), 1.0)


def sigmoid_saturates_quietly(cls: Any) -> None:
    """sigmoid(-1000) = 0 and sigmoid(1000) = 1 with derivative 0, without overflow"""
    saturates(cls, (0.0, 0.5, 1.0), 0.25)


def saturates(cls: Any, y: tuple[float, float, float], slope: float) -> None:
    """y at -1000, 0 and 1000, and the derivative at 0, with overflow an error."""
    for dtype in (np.float32, np.float64):
        layer = cls()
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            same("y", layer.forward(np.array([[-1000.0, 0.0, 1000.0]], dtype)), np.array([y]))
            same("dx", layer.backward(np.full((1, 3), 4.0, dtype)), np.array([[0.0, 4 * slope, 0.0]]))


RELU = Suite(layers.ReLU, shaped_cases(ReLUCase), NUMBERS + MANNERS, (the_kink_has_slope_zero, nan_shows))
TANH = Suite(layers.Tanh, shaped_cases(TanhCase), NUMBERS + MANNERS, (tanh_saturates_quietly, nan_shows))
SIGMOID = Suite(layers.Sigmoid, shaped_cases(SigmoidCase), NUMBERS + MANNERS, (sigmoid_saturates_quietly, nan_shows))

check_relu = RELU.run
check_tanh = TANH.run
check_sigmoid = SIGMOID.run
