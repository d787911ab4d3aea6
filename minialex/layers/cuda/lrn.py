"""Local response normalisation on a GPU: the kernels of layers/lrn.py. `alpha` multiplies the sum of squares as it is."""

from __future__ import annotations

from minialex.arrays import Array, empty
from minialex.layers.cuda.launch import by_image, launch
from minialex.layers.cuda.memory import channels_first, dense

STRIP = 4  # channels of one thread, as in lrn.cu


def lrn_forward(x: Array, size: int, alpha: float, beta: float, k: float, groups: int = 1) -> tuple[Array, Array]:
    """x (N, C, H, W) -> y of the same shape, channels-last, and d (N, H, W, C) = k + alpha sum x² for backward."""
    X = dense(x)
    y, d = empty(x, X.shape), empty(x, X.shape)
    grid, block = by_image(len(X), strips(X))
    constants = {"groups": groups, "size": size, "alpha": alpha, "beta": beta, "k": k}
    launch("lrn_forward", grid, block, x=X, y=y, d=d, **images(X), **constants)
    return channels_first(y), d


def lrn_backward(dy: Array, x: Array, d: Array, size: int, alpha: float, beta: float, groups: int = 1) -> Array:
    """dy, x (N, C, H, W) and forward's d (N, H, W, C) -> dx (N, C, H, W), channels-last."""
    upstream, X = dense(dy), dense(x)
    dx = empty(dy, X.shape)
    grid, block = by_image(len(X), strips(X))
    constants = {"groups": groups, "size": size, "beta": beta, "two_alpha_beta": 2 * alpha * beta}
    launch("lrn_backward", grid, block, dy=upstream, x=X, d=d, dx=dx, **images(X), **constants)
    return channels_first(dx)


def strips(X: Array) -> int:
    """Threads for one image (H, W, C)."""
    _, H, W, C = X.shape
    return int(H * W * -(-C // STRIP))


def images(X: Array) -> dict[str, int]:
    """N, the pixels of an image, C."""
    N, H, W, C = X.shape
    return {"N": N, "pixels": H * W, "C": C}
