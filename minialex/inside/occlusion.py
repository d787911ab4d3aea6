r"""Where in an image a net looks: cover a square of it, and see how much less sure the net becomes (Zeiler and Fergus 2014).

With s(x) the score of a class, P_k the squares and x without P_k the image with that square made the mean colour,

    map[pixel] = mean over the squares P_k that cover the pixel of  s(x) - s(x without P_k)

For a net that is linear, s(x) = w x, one square takes away the sum of w x over its pixels, and the map is that sum, blurred
over the squares; with squares of one pixel it is w x itself.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from minialex.arrays import Array
from minialex.evaluation import BATCH_SIZE, log_softmax
from minialex.net import Net

Score = Literal["probability", "logit"]


def occlusion(
    net: Net,
    image: Array,
    label: int,
    *,
    size: int | None = None,
    stride: int | None = None,
    score: Score = "probability",
    fill: float = 0.0,
    batch_size: int = BATCH_SIZE,
) -> Array:
    """image (C, H, W), as the net takes it -> (H, W) float64: how far the class's score falls when the pixel is covered.

    size: the square's side (a sixth of the image's, but at least 2); stride: from one square to the next (a quarter of
    the size). fill: what covers it; 0 is the mean that was subtracted. Negative where the net is surer without the pixel.
    """
    _, H, W = image.shape
    size = min(H, W, max(2, min(H, W) // 6)) if size is None else size
    stride = max(1, size // 4) if stride is None else stride
    if not (1 <= size <= min(H, W) and 1 <= stride <= size):
        raise ValueError(f"occlusion: a square of {size}, moved by {stride}, cannot cover an image of {H} x {W}")
    if not 0 <= label < net.num_classes:
        raise ValueError(f"occlusion: the net has the classes 0..{net.num_classes - 1}, got {label}")
    places = [(top, left) for top in _places(H, size, stride) for left in _places(W, size, stride)]
    whole = _scores(net, image[None], label, score)[0]
    total, count = np.zeros((H, W)), np.zeros((H, W))
    for start in range(0, len(places), batch_size):
        some = places[start : start + batch_size]
        covered = np.repeat(image[None], len(some), axis=0)
        for one, (top, left) in zip(covered, some, strict=True):
            one[:, top : top + size, left : left + size] = fill
        for fall, (top, left) in zip(whole - _scores(net, covered, label, score), some, strict=True):
            total[top : top + size, left : left + size] += fall
            count[top : top + size, left : left + size] += 1
    return total / count


def _places(length: int, size: int, stride: int) -> list[int]:
    """Where squares begin along one side, the last at the very end."""
    last = length - size
    return sorted({*range(0, last + 1, stride), last})


def _scores(net: Net, images: Array, label: int, score: Score) -> Array:
    logits = net.forward(images).astype(np.float64)
    return logits[:, label] if score == "logit" else np.exp(log_softmax(logits)[:, label])
