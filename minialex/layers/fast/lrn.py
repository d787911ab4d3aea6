r"""Response normalisation whose window sums are a few additions of whole arrays, instead of a product with a band matrix.

Write the squares with n//2 zeros before and n - 1 - n//2 behind each pixel's channels, pixel after pixel, as one long row s:

    s = 0 0 x_0² x_1² ... x_{C-1}² 0 0   0 0 x_0² ...        and        w[i] = s[i] + s[i+1] + ... + s[i+n-1]

Then w[i] is the sum over the window of the channel whose square stands at s[i + n//2]. The windows of 2, 4, ... numbers come
from adding the row to itself, moved by 1, 2, ...; for n = 5 that is three additions of contiguous memory. (What w holds between
two pixels belongs to none and is not read.) The sum in backward runs over the windows that channel i lies in, which is the same
with the numbers of zeros before and behind exchanged. What is kept is d and e = d^beta: y = x / e, and t = dy y / d.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minialex.arrays import Array, array_module
from minialex.layers import cuda, lrn
from minialex.layers.fast.workspace import room
from minialex.layers.im2col import pad_channels_last


class Denominators(NamedTuple):
    """What forward's kernel leaves for backward's: x (N, C, H, W) and d (N, H, W, C)."""

    x: Array
    d: Array


class LocalResponseNorm(lrn.LocalResponseNorm):
    """The plain LocalResponseNorm, computed as above on a CPU, and on a GPU by kernels, which keep x and d for backward."""

    piece_bytes = 1 << 20

    def forward(self, x: Array, train: bool = True) -> Array:
        if cuda.fits(x):
            return self._by_kernel(x)
        if array_module(x) is not np:
            return super().forward(x, train)
        self._check_input(x)
        N, C, H, W = x.shape
        X = pad_channels_last(x, (0, 0, 0, 0)).reshape(-1, C // self.groups)
        d, e, Y = np.empty_like(X), np.empty_like(X), np.empty_like(X)
        for p in self._pieces(X):
            s, squares = self._spread(X[p], self.size // 2)
            np.multiply(X[p], X[p], out=squares)
            np.multiply(self._channels(window_sums(s, self.size), squares.shape), self._alpha, out=d[p])
            d[p] += self.k
            np.divide(X[p], _power(d[p], self.beta, out=e[p]), out=Y[p])
        self._saved = X, d, e, Y, x.shape
        return Y.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        if isinstance(self._recall(), Denominators):
            x, d = self._recall()
            self._check_upstream(dy, x.shape)
            return cuda.lrn_backward(dy, x, d, self.size, self._alpha, self.beta, self.groups)
        if array_module(dy) is not np:
            return super().backward(dy)
        X, d, e, Y, shape = self._recall()
        self._check_upstream(dy, shape)
        N, C, H, W = shape
        dY = pad_channels_last(dy, (0, 0, 0, 0)).reshape(X.shape)
        dX = np.empty_like(X)
        for p in self._pieces(X):
            s, t = self._spread(X[p], self.size - 1 - self.size // 2)
            dY_Y = np.multiply(dY[p], Y[p], out=room(X, t.shape, "one"))
            np.divide(dY_Y, d[p], out=t)
            neighbours = np.multiply(self._channels(window_sums(s, self.size), t.shape), X[p], out=room(X, t.shape, "one"))
            neighbours *= 2 * self._alpha * self.beta
            np.divide(dY[p], e[p], out=dX[p])
            dX[p] -= neighbours
        return dX.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def _by_kernel(self, x: Array) -> Array:
        self._check_input(x)
        y, d = cuda.lrn_forward(x, self.size, self._alpha, self.beta, self.k, self.groups)
        self._saved = Denominators(x, d)
        return y

    def _pieces(self, X: Array) -> list[slice]:
        """The pixels, some at a time: what is computed on the way then fits a core's cache."""
        step = max(1, self.piece_bytes // (X.shape[1] * X.itemsize))
        return [slice(p, p + step) for p in range(0, len(X), step)]

    def _spread(self, X: Array, before: int) -> tuple[Array, Array]:
        """The long row, zeros between the pixels, and a view (pixels, C) of where the channels belong."""
        P, C = X.shape
        s = room(X, (P, C + self.size - 1), "row")
        s[:, :before] = 0
        s[:, before + C :] = 0
        return s.reshape(-1), s[:, before : before + C]

    def _channels(self, w: Array, shape: tuple[int, int]) -> Array:
        """The (pixels, C) numbers of w that belong to a channel: a view."""
        row = (shape[1] + self.size - 1) * w.itemsize
        view: Any = np.lib.stride_tricks.as_strided(w, shape, (row, w.itemsize), subok=True)
        return view


def window_sums(s: Array, n: int) -> Array:
    """w[i] = s[i] + ... + s[i + n - 1], by doubling: windows of 1, 2, 4, ... and those of n's binary digits, joined."""
    length, covered, width, windows = len(s) - n + 1, 0, 1, s
    total: Array | None = None
    while True:
        if n & width:
            here = windows[covered : covered + length]
            total = here if total is None else np.add(total, here, out=room(s, (length,), "sums"))
            covered += width
        if 2 * width > n:
            break
        windows = np.add(windows[:-width], windows[width:], out=room(s, (len(windows) - width,), f"windows {2 * width}"))
        width *= 2
    assert total is not None
    return total


def _power(d: Array, beta: float, out: Array) -> Array:
    """d^beta; for the paper's 0.75 by two roots."""
    if beta != 0.75:
        return np.power(d, beta, out=out)
    root = np.sqrt(d, out=room(d, d.shape, "one"))
    np.sqrt(root, out=out)
    out *= root
    return out
