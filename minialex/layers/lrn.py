r"""Local response normalisation across channels, and its backward pass (paper, section 3.3).

At each pixel, with W(i) = [i - n//2, i - n//2 + n) clipped to the channels 0 .. C-1 (for the paper's n = 5: i-2 .. i+2),

    d_i = k + alpha sum_{j in W(i)} x_j²         y_i = x_i d_i^-beta

Write B for the C x C band matrix with B[j, i] = 1 where j in W(i); then d = k + alpha x² B, one product with a small
matrix for all pixels at once. x_i acts on y_i directly, and on every y_m in whose window it lies, through d_m:

    dL/dx_i = dy_i d_i^-beta + sum_m dy_m x_m (-beta) d_m^(-beta-1) (2 alpha x_i B[i, m])
            = dy_i d_i^-beta - 2 alpha beta x_i sum_m B[i, m] t_m        with t_m = dy_m y_m / d_m

so the second sum is t Bᵀ: the neighbours' term, which the paper's alpha = 1e-4 makes so small that a gradient check at
that alpha does not see whether it is there. Ours draws alpha from 0.1 to 1.

The paper's alpha multiplies the sum as it is. The 2012 code, Caffe, PyTorch and ONNX divide it by n first
(`alpha_over_size`). In the paper each tower normalises over its own maps only: `groups` does the same on one device.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty
from minialex.layers.base import Layer, image_shape
from minialex.layers.im2col import pad_channels_last


class LocalResponseNorm(Layer):
    """x (N, C, H, W) -> y of the same shape. The defaults are the paper's: n = 5, alpha = 1e-4, beta = 0.75, k = 2."""

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        *,
        alpha_over_size: bool = False,
        groups: int = 1,
    ) -> None:
        super().__init__()
        if size < 1 or groups < 1:
            raise ValueError(f"LocalResponseNorm: size and groups must be at least 1, got {size} and {groups}")
        if not (k > 0 and alpha >= 0):
            raise ValueError(f"LocalResponseNorm: k must be positive and alpha not negative, got k={k}, alpha={alpha}")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.alpha_over_size, self.groups = alpha_over_size, groups

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        N, C, H, W = x.shape
        X = pad_channels_last(x, (0, 0, 0, 0)).reshape(N * H * W, C)
        d = (X * X) @ self._band(x)
        d *= self._alpha
        d += self.k
        Y = X * power(d, -self.beta)
        self._saved = X, d, Y, x.shape
        return Y.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        X, d, Y, shape = self._recall()
        self._check_upstream(dy, shape)
        N, C, H, W = shape
        dY = pad_channels_last(dy, (0, 0, 0, 0)).reshape(N * H * W, C)
        t = dY * Y
        t /= d
        neighbours = t @ self._band(X).T
        neighbours *= X
        neighbours *= 2 * self._alpha * self.beta
        dX = dY * power(d, -self.beta)
        dX -= neighbours
        return dX.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    @property
    def _alpha(self) -> float:
        return self.alpha / self.size if self.alpha_over_size else self.alpha

    def _band(self, x: Array) -> Array:
        """B (C, C) in x's dtype, on x's device: B[j, i] = 1 where channel j lies in the window of channel i."""
        C = x.shape[1]
        j, i = np.indices((C, C))
        low = i - self.size // 2
        B = (low <= j) & (j < low + self.size) & (j * self.groups // C == i * self.groups // C)
        band = empty(x, (C, C))
        band[...] = array_module(x).asarray(B)
        return band

    def output_shape(self, shape: Shape) -> Shape:
        _, C, _, _ = image_shape(self, shape)
        if C % self.groups:
            raise ValueError(f"{self!r}: {C} channels do not fall into {self.groups} equal groups")
        return shape

    def __repr__(self) -> str:
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        alpha = f"{self.alpha:g}/{self.size}" if self.alpha_over_size else f"{self.alpha:g}"
        return f"LocalResponseNorm(n={self.size}, alpha={alpha}, beta={self.beta:g}, k={self.k:g}{groups})"


def power(d: Array, exponent: float) -> Array:
    """d ** exponent. The paper's d^-0.75 = 1 / (sqrt(d) sqrt(sqrt(d))) costs two roots, which take less than a power."""
    if exponent != -0.75:
        return d**exponent
    xp: Any = array_module(d)
    root = xp.sqrt(d)
    result = xp.sqrt(root)
    result *= root
    return xp.reciprocal(result, out=result)
