r"""Response normalisation over places, and its backward pass: the 2012 code's second one, of which the paper says nothing.

The paper's normalisation (lrn.py) sums over neighbouring maps at one place. This one sums over neighbouring places in one
map, an n x n square around each. Along the rows W(h) = [h - n//2, h - n//2 + n), along the columns W(w) likewise, both cut
at the image's edge (for n = 5: two places to each side), and

    d_hw = k + a sum_{u in W(h)} sum_{v in W(w)} x_uv²        a = alpha / n²        y_hw = x_hw d_hw^-beta

in each map of each image alone. The code divides alpha by the square's n² places, at the edge too, where there are fewer.

The double sum is a linear map S of all x², so d = k + a S x². x_hw acts on y_hw directly, and through d_pq on every place
(p, q) in whose square it lies:

    dL/dx_hw = dy_hw d_hw^-beta + sum_pq dy_pq x_pq (-beta) d_pq^(-beta-1) (2 a x_hw)        over h in W(p), w in W(q)
             = dy_hw d_hw^-beta - 2 a beta x_hw (Sᵀ t)_hw                                    with t = dy y / d

S is made of rows and columns, one after the other, and each is n additions of images moved by 0, 1, ... n-1, once n//2 zeros
stand before them and n - 1 - n//2 behind. In Sᵀ those numbers change places: for h in W(p) is p in [h - (n-1-n//2), h + n//2].
"""

from __future__ import annotations

from minialex.arrays import Array, Shape
from minialex.layers.base import Layer, image_shape
from minialex.layers.im2col import pad_channels_last
from minialex.layers.lrn import power


class SpatialResponseNorm(Layer):
    """x (N, C, H, W) -> y of the same shape. The defaults are the released configuration's (`cnorm2` of its layers-145)."""

    def __init__(self, size: int = 5, alpha: float = 1e-3, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"SpatialResponseNorm: size must be at least 1, got {size}")
        if not (k > 0 and alpha >= 0):
            raise ValueError(f"SpatialResponseNorm: k must be positive and alpha not negative, got k={k}, alpha={alpha}")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        X = pad_channels_last(x, (0, 0, 0, 0))
        d = window_sums(X * X, self.size, before=self.size // 2)
        d *= self._a
        d += self.k
        Y = X * power(d, -self.beta)
        self._saved = X, d, Y, x.shape
        return Y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        X, d, Y, shape = self._recall()
        self._check_upstream(dy, shape)
        dY = pad_channels_last(dy, (0, 0, 0, 0))
        t = dY * Y
        t /= d
        neighbours = window_sums(t, self.size, before=self.size - 1 - self.size // 2)
        neighbours *= X
        neighbours *= 2 * self._a * self.beta
        dX = dY * power(d, -self.beta)
        dX -= neighbours
        return dX.transpose(0, 3, 1, 2)

    @property
    def _a(self) -> float:
        return self.alpha / self.size**2

    def output_shape(self, shape: Shape) -> Shape:
        return image_shape(self, shape)

    def __repr__(self) -> str:
        n = self.size
        return f"SpatialResponseNorm(n={n}x{n}, alpha={self.alpha:g}/{n * n}, beta={self.beta:g}, k={self.k:g})"


def window_sums(s: Array, n: int, before: int) -> Array:
    """s (N, H, W, C) -> sums[h, w] = the sum of s over the n rows from h - before on and the n columns from w - before on."""
    _, H, W, _ = s.shape
    behind = n - 1 - before
    padded = pad_channels_last(s.transpose(0, 3, 1, 2), (before, behind, before, behind))
    rows = padded[:, :H].copy()
    for u in range(1, n):
        rows += padded[:, u : u + H]
    sums = rows[:, :, :W].copy()
    for v in range(1, n):
        sums += rows[:, :, v : v + W]
    return sums
