"""What is claimed of Linear."""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex import layers
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.initial import gaussian_start
from tests.checks.suite import Suite, complains, same
from tests.strategies import linear_cases


def linear_starts_as_the_paper_says(cls: Any) -> None:
    """Weights start from N(0, std²), biases constant, in the dtype asked for; the same generator gives the same start"""
    layers_ = [cls(200, 150, std=0.02, bias=1.0, dtype=dtype, rng=np.random.default_rng(7)) for dtype in "fd"]
    for layer, dtype in zip(layers_, (np.float32, np.float64), strict=True):
        gaussian_start(layer, (150, 200), 0.02, 1.0, dtype)
    same("weight in float64", layers_[1].params["weight"], layers_[0].params["weight"])
    gaussian_start(cls(200, 150), (150, 200), 0.01, 0.0, np.float32)


def linear_names_what_is_wrong(cls: Any) -> None:
    """Wrong features, dimensions and numbers are errors of one line"""
    layer, x = cls(6, 4), np.zeros((2, 6), np.float32)
    complains(ValueError, "(2, 5)", "6", of=lambda: layer.forward(x[:, :5]))
    complains(ValueError, "(6,)", of=lambda: layer.forward(x[0]))
    complains(ValueError, "(2, 6, 1)", of=lambda: layer.forward(x[:, :, None]))
    complains((TypeError, ValueError), "bool", of=lambda: layer.forward(x > 0))
    complains(ValueError, "0", of=lambda: cls(0, 4))
    counted = layer.multiply_adds((5, 6))
    assert counted == 5 * 6 * 4, f"counted {counted} multiplications"


LINEAR = Suite(layers.Linear, linear_cases(), NUMBERS + MANNERS, (linear_starts_as_the_paper_says, linear_names_what_is_wrong))

check_linear = LINEAR.run
