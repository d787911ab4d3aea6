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

import numpy as np

from minialex.arrays import Array, empty
from minialex.layers.fast.runs import copy_runs
from minialex.layers.fast.sides import Side
from minialex.layers.fast.workspace import room


def have_codes(kernel: tuple[int, int]) -> bool:
    """Whether the codes of such windows are bytes."""
    kH, kW = kernel
    return kW * (kH + 1) <= 256


def maxima_and_codes(sides: tuple[Side, Side], images: Array, y: Array, code: Array) -> None:
    """Write both, y and uint8 code (n, oH, oW, C), for contiguous images (n, H, W, C)."""
    (down, along), (n, oH, oW, C) = sides, y.shape
    columns, bytes_ = (n, oH, images.shape[2], C), empty(images, (0,), np.uint8)
    m = down.along(np.maximum, -np.inf, images, room(images, columns, "columns of windows"))
    e, won = room(bytes_, columns, "rows of winners"), room(bytes_, columns, "won")
    e[...] = along.kernel  # whoever stands last must be m if nobody else is
    for u in range(down.kernel - 1):
        i, rows = down.reach(u, images.shape[1], oH)
        np.equal(images[:, rows], m[:, i], out=won[:, i].view(bool))
        won[:, i] *= np.uint8(along.kernel * (down.kernel - u))
        np.maximum(e[:, i], won[:, i], out=e[:, i])
    _, pixels = _dealt(along, m, oW, -np.inf)
    codes, of_pixels = _dealt(along, e, oW, 0)
    shape = n, oH, oW + (along.kernel - 1) // along.stride, C
    largest, best, won = (
        room(like, shape, f"dealt {name}") for like, name in ((images, "y"), (bytes_, "code"), (bytes_, "won"))
    )
    top, leading, here = (each.reshape(-1)[: len(pixels[0])] for each in (largest, best, won))
    np.maximum(pixels[0], pixels[-1], out=top)
    for others in pixels[1:-1]:
        np.maximum(top, others, out=top)
    leading[...] = 0
    for v in reversed(range(along.kernel)):
        np.equal(pixels[v], top, out=here.view(bool))
        here *= of_pixels[v]
        np.maximum(leading, here, out=leading)
        codes += 1
    copy_runs(largest[:, :, :oW, None], y[..., None, :])
    copy_runs(best[:, :, :oW, None], code[..., None, :])


def _dealt(along: Side, x: Array, windows: int, nothing: float) -> tuple[Array, list[Array]]:
    """x (n, oH, W, C) in such arrays, nothing where there is no pixel; and each place of the windows in them, a long row."""
    n, oH, W, C = x.shape
    more = (along.kernel - 1) // along.stride
    arrays = room(x, (min(along.kernel, along.stride), n, oH, windows + more, C), f"dealt {x.dtype}")
    for r, columns in enumerate(arrays):
        there, pixels = along.reach(r, W, windows + more)
        copy_runs(x[:, :, pixels, None], columns[:, :, there, None])
        columns[:, :, : there.start] = columns[:, :, there.stop :] = nothing
    rows = arrays.reshape(len(arrays), -1)
    length = rows.shape[1] - more * C
    return arrays, [rows[v % along.stride, v // along.stride * C :][:length] for v in range(along.kernel)]


@lru_cache(maxsize=16)
def offsets_by_code(kernel: tuple[int, int], W: int, C: int) -> Array:
    """For each code, how far its place (u, v) lies from the window's first pixel; codes below kW are nobody's."""
    kH, kW = kernel
    return np.array([0] * kW + [(u * W + v) * C for u in reversed(range(kH)) for v in reversed(range(kW))])
