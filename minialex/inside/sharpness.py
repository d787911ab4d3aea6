r"""How fast a net can learn before its steps overshoot: the sharpest curvature of the loss, and the rate that it allows.

Near a point w, along a direction v of unit length with curvature c, the loss is a parabola, and momentum's update (optim.py)
on a parabola runs away where (Polyak 1964)

    lr > 2 (1 + momentum) / c

The curvature that matters is that of Gauss and Newton, G = Jᵀ S J: how the logits z bend the loss, S, carried back to the
parameters by J = dz/dw. It leaves out what the net's own kinks add, and is never negative. Its largest eigenvalue comes from
power iteration, v <- Gv / |Gv|, with what a net can do anyway:

    u = Jv = [z(w + e v) - z(w - e v)] / 2e        s[n, c] = p[n, c] (u[n, c] - sum_k p[n, k] u[n, k]) / N        Gv = Jᵀ s

Jᵀ is the backward pass. For the last layer alone, z = W h + b, it can be written down: if every image gave the same h and the
net knew nothing of K classes, one class's logit along h would have the curvature |h|² / K. So biases that make h large, and few
classes, both make a net's start sharp.
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from minialex.arrays import Array
from minialex.evaluation import softmax
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net

Vector = dict[str, Array]  # a number for each parameter

STEP = {"f4": 1e-2, "f8": 1e-4}  # e, by the net's dtype: the length of a step among all parameters


def sharpness(net: Net, images: Array, labels: Array, iterations: int = 4, train: bool = True) -> float:
    """The largest eigenvalue of G for the batch's mean loss, after so many power iterations that begin with the gradient.

    images (N, C, H, W), as the net takes them; labels (N,) int64. train: with dropout, every pass with the same masks. The
    parameters and the generators are put back. A lower bound, which more iterations raise; each costs three passes forward and
    one backward.
    """
    start, e = net.state_dict(), STEP[net.dtype.str[1:]]
    states = {name: rng.bit_generator.state for name, rng in net.generators().items()}

    def logits(v: Vector, step: float) -> Array:
        for name, rng in net.generators().items():
            rng.bit_generator.state = states[name]
        net.load_state_dict({name: w + np.asarray(step * v[name], w.dtype) if step else w for name, w in start.items()})
        return net.forward(images, train).astype(np.float64)

    loss, found = SoftmaxCrossEntropy(), 0.0
    try:
        z = logits({}, 0)
        p = softmax(z)
        loss.forward(z, labels)
        net.backward(loss.backward())
        for _ in range(iterations):
            v = _unit(net.grad_dict())
            u = (logits(v, e) - logits(v, -e)) / (2 * e)
            s = p * (u - (p * u).sum(axis=1, keepdims=True)) / len(p)
            found = max(found, float((u * s).sum()))  # v·Gv
            logits({}, 0)
            net.backward(s)
    finally:
        net.load_state_dict(start)
        for name, rng in net.generators().items():
            rng.bit_generator.state = states[name]
    return found


def largest_rate(curvature: float, momentum: float = 0.9) -> float:
    """2 (1 + momentum) / curvature: above it, steps along that direction overshoot more and more."""
    return 2 * (1 + momentum) / curvature if curvature > 0 else inf


def _unit(vector: Vector) -> Vector:
    length = sqrt(sum(float(np.square(part, dtype=np.float64).sum()) for part in vector.values()))
    return {name: part / length if length else part for name, part in vector.items()}
