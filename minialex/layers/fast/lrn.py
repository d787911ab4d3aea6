r"""Response normalisation whose product with the band matrix leaves out what is 0, in pieces that stay in a core's cache.

The plain layer multiplies x² (pixels, C) by B (C, C), and most of B is 0: channel i hears of n channels only. So the channels
are taken w at a time. Those of block b, from i = b w on, need the n - 1 channels before and behind as well,

    d[:, i : i+w]  =  k + x²[:, i - n//2 : i + w + n - 1 - n//2] (alpha B)[the same rows, i : i+w]

and away from the edges that matrix is the same for all blocks: one small product, for all of them at once. The sum in backward
is the product with Bᵀ, in which before and behind change places. What is kept is d and e = d^beta: y = x / e, and t = dy y / d.
(A test pass, of which backward is rare, keeps x alone, and backward then begins with forward.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minialex.arrays import Array, array_module, strided
from minialex.layers import cuda, lrn
from minialex.layers.fast.workspace import room
from minialex.layers.im2col import pad_channels_last

BLOCK = 16  # channels: with more, too many zeros are multiplied; with fewer, the products get too small

ROWS = 1024  # pixels of one product: BLAS computes one so small from where its numbers lie, a larger one it copies first


class Denominators(NamedTuple):
    """What forward's kernel leaves for backward's: x (N, C, H, W) and d (N, H, W, C)."""

    x: Array
    d: Array


class LocalResponseNorm(lrn.LocalResponseNorm):
    """The plain LocalResponseNorm, computed as above on a CPU, and on a GPU by kernels, which keep x and d for backward."""

    piece_bytes = 1 << 21

    def forward(self, x: Array, train: bool = True) -> Array:
        if cuda.fits(x):
            return self._by_kernel(x)
        if array_module(x) is not np:
            return super().forward(x, train)
        self._check_input(x)
        N, C, H, W = x.shape
        X = pad_channels_last(x, (0, 0, 0, 0)).reshape(-1, C // self.groups)
        Y = np.empty_like(X)
        d, e = (np.empty_like(X if train else X[:0]) for _ in range(2))
        B = self._alpha * _band(self.size, X.shape[1], X.dtype)
        for p in self._pieces(X, N):
            x_p, y_p = X[p], Y[p]
            d_p, e_p = (d[p], e[p]) if train else (room(X, x_p.shape, "d"), y_p)
            squares = np.multiply(x_p, x_p, out=room(X, x_p.shape, "one"))
            banded_product(squares, B, self.size // 2, self.size - 1 - self.size // 2, out=d_p)
            d_p += self.k
            np.divide(x_p, _power(d_p, self.beta, out=e_p), out=y_p)
        self._saved = (X, d, e, Y, x.shape) if train else x
        return Y.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def apply(self, x: Array, train: bool = True) -> Array:
        return self.forward(x, train=False)

    def backward(self, dy: Array) -> Array:
        if isinstance(self._recall(), Denominators):
            x, d = self._recall()
            self._check_upstream(dy, x.shape)
            return cuda.lrn_backward(dy, x, d, self.size, self._alpha, self.beta, self.groups)
        if array_module(dy) is not np:
            return super().backward(dy)
        if not isinstance(self._recall(), tuple):
            self.forward(self._saved)
        X, d, e, Y, shape = self._recall()
        self._check_upstream(dy, shape)
        N, C, H, W = shape
        dY = pad_channels_last(dy, (0, 0, 0, 0)).reshape(X.shape)
        dX = np.empty_like(X)
        B = 2 * self._alpha * self.beta * _band(self.size, X.shape[1], X.dtype).T
        for p in self._pieces(X, N):
            t = np.multiply(dY[p], Y[p], out=room(X, X[p].shape, "one"))
            t /= d[p]
            neighbours = banded_product(t, B, self.size - 1 - self.size // 2, self.size // 2, out=room(X, t.shape, "two"))
            neighbours *= X[p]
            np.divide(dY[p], e[p], out=dX[p])
            dX[p] -= neighbours
        return dX.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def _by_kernel(self, x: Array) -> Array:
        self._check_input(x)
        y, d = cuda.lrn_forward(x, self.size, self._alpha, self.beta, self.k, self.groups)
        self._saved = Denominators(x, d)
        return y

    def _pieces(self, X: Array, N: int) -> list[slice]:
        """The pixels of some of N images at a time, so that what is computed on the way fits a cache; parts of large ones."""
        step, image = max(1, self.piece_bytes // (X.shape[1] * X.itemsize)), len(X) // max(1, N)
        step = step // image * image or step
        return [slice(p, p + step) for p in range(0, len(X), step)]


@lru_cache(maxsize=16)
def _band(size: int, C: int, dtype: Any) -> Array:
    """B (C, C) of the plain layer, for all to read."""
    B = lrn.LocalResponseNorm(size)._band(np.empty((1, C), dtype))
    B.flags.writeable = False
    return B


def banded_product(S: Array, B: Array, before: int, behind: int, out: Array) -> Array:
    """S B, written to out, for S (P, C) and a band matrix B (C, C): B[j, i] is 0 unless i - before <= j <= i + behind.

    All of B's diagonals are taken to be constant. Blocks of w = 16 channels; of other numbers of channels, the whole product.
    """
    (P, C), w = S.shape, BLOCK
    if C % w or 2 * w > C or max(before, behind) > w:
        return np.matmul(S, B, out=out)
    rows = _rows(P)
    whole = P // rows * rows
    if 0 < whole < P:
        banded_product(S[:whole], B, before, behind, out=out[:whole])
        banded_product(S[whole:], B, before, behind, out=out[whole:])
        return out
    S, outs = S.reshape(-1, rows, C), out.reshape(-1, rows, C)
    np.matmul(S[:, :, : w + behind], B[: w + behind, :w], out=outs[:, :, :w])
    np.matmul(S[:, :, -w - before :], B[-w - before :, -w:], out=outs[:, :, -w:])
    if 2 * w < C:
        inner = outs.reshape(*outs.shape[:2], C // w, w)[:, :, 1:-1].transpose(2, 0, 1, 3)
        piece, row, one = S.strides
        shape, strides = (*inner.shape[:3], before + w + behind), (w * one, piece, row, one)
        seen = strided(S, shape, strides, begin=w - before)
        np.matmul(seen, B[w - before : 2 * w + behind, w : 2 * w], out=inner)
    return out


@lru_cache(maxsize=64)
def _rows(P: int) -> int:
    """At most ROWS, and not under half of them if that lets P be cut into equal parts."""
    parts = -(-P // ROWS)
    return next((P // n for n in range(max(1, parts), 2 * parts) if P % n == 0), ROWS)


def _power(d: Array, beta: float, out: Array) -> Array:
    """d^beta; for the paper's 0.75 by two roots."""
    if beta != 0.75:
        return np.power(d, beta, out=out)
    root = np.sqrt(d, out=room(d, d.shape, "one"))
    np.sqrt(root, out=out)
    out *= root
    return out
