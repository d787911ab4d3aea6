r"""Which pixel is a window's largest, found while the maxima are: down the columns first, then along the rows (sides.py).

    m[i, w] = max_u x[i sH + u, w]        e[i, w] = kW (kH - u)                 for the first u at which x is m
    y[i, j] = max_v m[i, j sW + v]        code[i, j] = max_v e[i, j sW + v] + kW - 1 - v        over those v at which m is y

The largest code is that of the smallest u, and of the smallest v among these: of the first winner in row-major order. Codes are
bytes. Padding along the rows is -infinity and has e = 0, so that all its codes are below kW and any pixel's are above.

Along the rows a window's places lie a few hundred bytes apart, and NumPy takes longer to begin a loop than to go through so few
numbers. So the columns are dealt out first, to sW arrays: column q sW + r is number q of the array r. In there place v of all
windows is one long row of numbers that begins v // sW columns further on; where a row of the image ends, it runs through a few
columns of no window, which are left out at the end.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from minialex.arrays import Array, Shape, empty
from minialex.layers.fast.runs import copy_runs
from minialex.layers.fast.sides import Side
from minialex.layers.fast.workspace import room


def have_codes(kernel: tuple[int, int]) -> bool:
    """Whether the codes of such windows are bytes."""
    kH, kW = kernel
    return kW * (kH + 1) <= 256


def maxima_and_codes(sides: tuple[Side, Side], images: Array, y: Array, code: Array) -> None:
    """Write both, y and uint8 code (n, oH, oW, C), for contiguous images (n, H, W, C)."""
    down, along = sides
    _along(along, *_down(down, images, y.shape[1], rank=along.kernel), y, code)


def _down(down: Side, images: Array, oH: int, rank: int) -> tuple[Array, Array]:
    """m and uint8 e (n, oH, W, C), in rooms; what e counts is `rank` apart."""
    n, _, W, C = images.shape
    m = down.along(np.maximum, -np.inf, images, room(images, (n, oH, W, C), "columns of windows"))
    e, won = (room(empty(images, (0,), np.uint8), m.shape, name) for name in ("winning rows", "won"))
    e[...] = rank  # whoever stands last must be m if nobody else is
    for u in range(down.kernel - 1):
        i, rows = down.reach(u, images.shape[1], oH)
        np.equal(images[:, rows], m[:, i], out=won[:, i].view(bool))
        won[:, i] *= np.uint8(rank * (down.kernel - u))
        np.maximum(e[:, i], won[:, i], out=e[:, i])
    return m, e


def _along(along: Side, m: Array, e: Array, y: Array, code: Array) -> None:
    """From m and e y and the code."""
    deal = _deal(along, y.shape)
    columns, codes = deal.out(m, -np.inf), deal.out(e, 0)
    (largest, top), (best, leading), (_, won) = (
        deal.windows(*each) for each in ((m, "dealt y"), (e, "dealt code"), (e, "dealt won"))
    )
    np.maximum(deal.place(columns, 0), deal.place(columns, along.kernel - 1), out=top)
    for v in range(1, along.kernel - 1):
        np.maximum(top, deal.place(columns, v), out=top)
    leading[...] = 0
    for v in reversed(range(along.kernel)):
        np.equal(deal.place(columns, v), top, out=won.view(bool))
        won *= deal.place(codes, v)
        np.maximum(leading, won, out=leading)
        codes += 1
    copy_runs(largest[..., None, :], y[..., None, :])
    copy_runs(best[..., None, :], code[..., None, :])


class _Deal:
    """How the columns are dealt out for these windows (n, oH, oW, C) along the rows."""

    def __init__(self, along: Side, windows: Shape) -> None:
        self.along, self.oW, self.C = along, *windows[2:]
        more = (along.kernel - 1) // along.stride
        self.shape = *windows[:2], self.oW + more, self.C
        self.length = prod(self.shape) - more * self.C

    def out(self, x: Array, nothing: float) -> Array:
        """x (n, oH, W, C) as such arrays (min(kW, sW), n, oH, columns, C), nothing where x has no pixel."""
        arrays = room(x, (min(self.along.kernel, self.along.stride), *self.shape), "dealt")
        for r, columns in enumerate(arrays):
            there, pixels = self.along.reach(r, x.shape[2], self.shape[2])
            copy_runs(x[:, :, pixels, None], columns[:, :, there, None])
            columns[:, :, : there.start] = columns[:, :, there.stop :] = nothing
        return arrays

    def place(self, arrays: Array, v: int) -> Array:
        """Place v of all windows, a long row."""
        return arrays.reshape(len(arrays), -1)[v % self.along.stride, v // self.along.stride * self.C :][: self.length]

    def windows(self, like: Array, name: str) -> tuple[Array, Array]:
        """Room for a number of each window: as (n, oH, oW, C), and as the long row."""
        whole = room(like, self.shape, name)
        return whole[:, :, : self.oW], whole.reshape(-1)[: self.length]


_deal = lru_cache(maxsize=64)(_Deal)


@lru_cache(maxsize=16)
def offsets_by_code(kernel: tuple[int, int], W: int, C: int) -> Array:
    """For each code, how far its place (u, v) lies from the window's first pixel; codes below kW are nobody's."""
    kH, kW = kernel
    return np.array([0] * kW + [(u * W + v) * C for u in reversed(range(kH)) for v in reversed(range(kW))])
