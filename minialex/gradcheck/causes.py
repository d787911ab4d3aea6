"""What a wrong gradient looks like, and the mistake that most often looks so."""

from functools import partial
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def likeliest_cause(g: Array, tested: Array, wrong: Array, expected: Array, received: Array, batch: int) -> str:
    """The first of the usual mistakes that fits all that was seen; it claims nothing of coordinates that were not tested.

    g: the gradient received, whole. tested: flat indices into g; wrong, expected, received: what was found at each.
    """
    e, r = expected, received
    whole = len(tested) == g.size
    like = partial(np.allclose, r, rtol=1e-8, atol=1e-8 * np.fmax.reduce(abs(e), initial=0.0))  # fmax passes nan by
    factor = r @ e / (e @ e or 1.0)
    squares = [axis for axis in range(1, g.ndim) if whole and g.shape[axis] == g.shape[axis - 1]]
    transposed = any(like(e.reshape(g.shape).swapaxes(axis, axis - 1).ravel()) for axis in squares)
    at = np.array(np.unravel_index(tested, g.shape))
    along = [f"{i} is {np.unique(k[wrong])}" for i, k in enumerate(at) if not np.isin(k[wrong], k[~wrong]).any()]
    depth = np.minimum(at, np.array(g.shape)[:, None] - 1 - at)[-2:].min(axis=0, initial=g.size)
    already = like(e)  # then a factor of 1, a symmetric array or a sorted one would "explain" everything
    causes = [
        ("each may be right, but not all together: at a tie, one input gets the gradient", not wrong.any()),
        ("received is zero everywhere: the gradient does not flow", not g.any()),
        ("received has the opposite sign", like(-e)),
        (f"received is {factor:.6g} times expected; the batch is {batch}", like(factor * e) and not already),
        ("received is transposed", transposed and not already),
        ("the right numbers in the wrong places", whole and like(np.sort(e)[r.argsort().argsort()]) and not already),
        ("only this one is wrong", wrong.sum() == 1),
        ("wrong only where expected is zero: a mask is missing", not e[wrong].any()),
        ("zero wherever it is wrong: part of the gradient does not flow", not r[wrong].any()),
        (f"wrong just where axis {' or axis '.join(along)}", along and not wrong.all()),
        ("wrong near the border, right inside: padding", g.ndim > 2 and depth[wrong].max(initial=0) < depth.max()),
    ]
    return next((cause for cause, fits in causes if fits), "no pattern")
