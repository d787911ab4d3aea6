r"""Response normalisation whose window sums are a few additions of whole arrays, instead of a product with a band matrix.

Write the squares with n//2 zeros before and n - 1 - n//2 behind each pixel's channels, pixel after pixel, as one long row s:

    s = 0 0 x_0² x_1² ... x_{C-1}² 0 0   0 0 x_0² ...        and        w[i] = s[i] + s[i+1] + ... + s[i+n-1]

Then w[i] is the sum over the window of the channel whose square stands at s[i + n//2]. The windows of 2, 4, ... numbers come
from adding the row to itself, moved by 1, 2, ...; for n = 5 that is three additions of contiguous memory. (What w holds between
two pixels belongs to none and is not read.) The sum in backward runs over the windows that channel i lies in, which is the same
with the numbers of zeros before and behind exchanged. q = 1 / d is what is kept: r = d^-beta = q^beta, and t = dy y q.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minialex.arrays import Array, array_module, empty
from minialex.layers import cuda, lrn
from minialex.layers.im2col import pad_channels_last


class Denominators(NamedTuple):
    """What forward's kernel leaves for backward's: x (N, C, H, W) and d (N, H, W, C)."""

    x: Array
    d: Array


class LocalResponseNorm(lrn.LocalResponseNorm):
    """The plain LocalResponseNorm, computed as above on a CPU, and on a GPU by kernels, which keep x and d for backward."""

    def forward(self, x: Array, train: bool = True) -> Array:
        if cuda.fits(x):
            return self._by_kernel(x)
        if array_module(x) is not np:
            return super().forward(x, train)
        self._check_input(x)
        N, C, H, W = x.shape
        X = pad_channels_last(x, (0, 0, 0, 0)).reshape(-1, C // self.groups)
        before = self.size // 2
        s, squares = self._spread(X, before)
        np.multiply(X, X, out=squares)
        d = window_sums(s, self.size)
        d *= self._alpha
        d += self.k
        q = np.reciprocal(d, out=d)
        r = _power(q, self.beta)
        q, r = self._channels(q, X.shape), self._channels(r, X.shape)
        Y = X * r
        self._saved = X, q, r, Y, x.shape
        return Y.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        if isinstance(self._recall(), Denominators):
            x, d = self._recall()
            self._check_upstream(dy, x.shape)
            return cuda.lrn_backward(dy, x, d, self.size, self._alpha, self.beta, self.groups)
        if array_module(dy) is not np:
            return super().backward(dy)
        X, q, r, Y, shape = self._recall()
        self._check_upstream(dy, shape)
        N, C, H, W = shape
        dY = pad_channels_last(dy, (0, 0, 0, 0)).reshape(X.shape)
        s, t = self._spread(X, self.size - 1 - self.size // 2)
        np.multiply(dY, Y, out=t)
        t *= q
        neighbours = self._channels(window_sums(s, self.size), X.shape) * X
        neighbours *= 2 * self._alpha * self.beta
        dX = dY * r
        dX -= neighbours
        return dX.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def _by_kernel(self, x: Array) -> Array:
        self._check_input(x)
        y, d = cuda.lrn_forward(x, self.size, self._alpha, self.beta, self.k, self.groups)
        self._saved = Denominators(x, d)
        return y

    def _spread(self, X: Array, before: int) -> tuple[Array, Array]:
        """The long row, zeros between the pixels, and a view (pixels, C) of where the channels belong."""
        P, C = X.shape
        s = empty(X, (P, C + self.size - 1))
        s[:, :before] = 0
        s[:, before + C :] = 0
        return s.reshape(-1), s[:, before : before + C]

    def _channels(self, w: Array, shape: tuple[int, int]) -> Array:
        """The (pixels, C) numbers of w that belong to a channel: a view."""
        row = (shape[1] + self.size - 1) * w.itemsize
        view: Any = np.lib.stride_tricks.as_strided(w, shape, (row, w.itemsize), subok=True)
        return view


def window_sums(s: Array, n: int) -> Array:
    """w[i] = s[i] + ... + s[i + n - 1], by doubling: windows of 1, 2, 4, ... and those of n's binary digits joined."""
    total, covered = None, 0
    width, windows = 1, s
    while True:
        if n & width:
            here = windows[covered : covered + len(s) - n + 1]
            total = here if total is None else total + here
            covered += width
        if 2 * width > n:
            break
        windows = windows[:-width] + windows[width:]
        width *= 2
    assert total is not None
    return total if n > 1 else total.copy()


def _power(q: Array, beta: float) -> Array:
    """q^beta; for the paper's 0.75 by two roots."""
    if beta != 0.75:
        return q**beta
    root = np.sqrt(q)
    result = np.sqrt(root)
    result *= root
    return result
