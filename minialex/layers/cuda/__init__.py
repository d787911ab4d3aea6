"""The layers' kernels for a GPU, in CUDA C: one idea a .cu file, and the functions that launch them.

Each computes what the plain code of its layer computes; the layer's docstring derives it. Arrays are CuPy's, float32 or
float64, on the current device; a call launches on the current stream and returns at once. Nothing here imports CuPy or
compiles before the first call: `fits(x)` asks whether an array is one for these kernels. docs/gpu.md tells the whole story.
"""

from __future__ import annotations

import sys

import numpy as np

from minialex.arrays import Array
from minialex.layers.cuda.launch import REALS
from minialex.layers.cuda.lrn import lrn_backward, lrn_forward
from minialex.layers.cuda.patches import col2im, im2col
from minialex.layers.cuda.pointwise import (
    bias_relu,
    bias_relu_dropout,
    dropout,
    mask_numbers,
    not_finite,
    relu_backward,
    sgd_update,
)
from minialex.layers.cuda.pooling import avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_forward
from minialex.layers.cuda.views import views

__all__ = [
    "avg_pool_backward",
    "avg_pool_forward",
    "bias_relu",
    "bias_relu_dropout",
    "col2im",
    "dropout",
    "fits",
    "im2col",
    "lrn_backward",
    "lrn_forward",
    "mask_numbers",
    "max_pool_backward",
    "max_pool_forward",
    "not_finite",
    "relu_backward",
    "sgd_update",
    "views",
]


def fits(x: Array) -> bool:
    """Whether x is for these kernels: on a GPU, float32 or float64; and CuPy can compile (a test's stand-in for it may not)."""
    on_gpu = not isinstance(x, np.ndarray | np.generic) and hasattr(sys.modules.get("cupy"), "RawModule")
    return on_gpu and getattr(x, "dtype", None) in REALS
