"""How parameters start (paper, section 5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.checks.suite import same


def gaussian_start(layer: Any, shape: tuple[int, ...], std: float, bias: float, dtype: Any) -> None:
    """The parameters of a fresh layer."""
    weight = layer.params["weight"]
    assert weight.dtype == layer.params["bias"].dtype == dtype, f"the parameters are {weight.dtype}, asked for {dtype}"
    assert weight.shape == shape, f"the weight has the shape {weight.shape}, expected {shape}"
    same("bias", layer.params["bias"], np.full(shape[0], bias))
    off = 5 / np.sqrt(weight.size)  # five standard errors of the mean, and seven of the standard deviation
    assert abs(weight.mean()) < off * std, f"the mean of the weights is {weight.mean()}, expected 0 ± {off * std}"
    assert abs(weight.std() / std - 1) < off, f"the standard deviation of the weights is {weight.std()}, expected {std}"
