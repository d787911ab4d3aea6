r"""On a GPU, bias and ReLU in one pass over the numbers, and in one pass back.

    forward     y = max(0, Y + b)                    by the layer with the bias; the ReLU behind it then has nothing to do
    backward    dY = dy [y > 0]     db = 1ᵀ dY       by the ReLU; the layer with the bias then has no db to compute

In training a Dropout behind a full layer's ReLU takes part. With m the mask, and y what all three together give,

    forward     y = m max(0, Y + b)                  by the full layer, with m drawn by the Dropout, as ever
    backward    dY = dy [y > 0] = m dy [Y + b > 0]   by the ReLU again; the Dropout, which comes first, leaves dy as it is

On a CPU there is less to be joined: a convolution in tiles rectifies its outputs while they are in the cache (conv.py).

They remain two layers, or three. A `Joint` between them says what one has done for the others. It holds only while Sequential,
which has made it, runs them one after the other: called alone, each does its own work and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from minialex.arrays import Array, Shape
from minialex.layers import activation, cuda
from minialex.layers.base import Layer
from minialex.layers.fast.workspace import filled

LONG = 1 << 16  # numbers that a loop of NumPy's is long with: beginning a loop costs as much as some thousand of them


@dataclass(eq=False)
class Joint:
    """Between a layer with a bias and the ReLU behind it, and the Dropout behind that, if there is one."""

    drop: Callable[[Array, Array], Array] | None = None  # the Dropout's: what becomes of (Y, b) when it takes part
    closed: bool = False  # whether the output of the one is the input of the other
    train: bool = False  # whether the Dropout drops
    masked: Array | None = None  # an output that has the mask already
    y: Array | None = None  # an output that is rectified already
    dY: Array | None = None  # a gradient whose sum over the positions is db
    db: Array | None = None

    def take_db(self, dY: Array) -> Array | None:
        """db, if it is the one that belongs to dY: these very numbers, perhaps in another shape."""
        ours, db = self.dY, self.db
        self.dY = self.db = None
        return db if ours is not None and (ours.data.ptr, ours.size) == (dY.data.ptr, dY.size) else None  # type: ignore[attr-defined]


class Biased(Layer):
    """What the fast Conv2d and Linear share: a bias that is added, and summed up, by kernels where there is a GPU."""

    joint: Joint | None = None

    def forward(self, x: Array, train: bool = True) -> Array:
        if self.joint is not None:
            self.joint.train = train
        y = super().forward(x, train)
        if self.joint is not None:
            self.joint.y = y if self.joint.closed and cuda.fits(y) else None
        return y

    @property
    def _rectifies(self) -> bool:
        """Whether this layer's output is to be rectified at once, for the ReLU behind it."""
        return self.joint is not None and self.joint.closed

    def _pass_on(self, y: Array) -> Array:
        """y itself, of which the ReLU learns that it is rectified, if it was to be."""
        if self.joint is not None:
            self.joint.y = y if self._rectifies else None
        return y

    def _add_bias(self, Y: Array) -> None:
        if not cuda.fits(Y):
            super()._add_bias(Y)  # type: ignore[misc]  # the plain layer's
            return
        bias = self.params["bias"].astype(Y.dtype, copy=False)
        joint = self.joint if self.joint is not None and self.joint.closed else None
        if joint is not None and joint.train and joint.drop is not None:
            joint.masked = joint.drop(Y, bias)
        else:
            cuda.bias_relu(Y, bias, relu=joint is not None)

    def _bias_gradient(self, dY: Array) -> Array:
        db = self.joint.take_db(dY) if self.joint is not None else None
        return super()._bias_gradient(dY) if db is None else db  # type: ignore[misc]


class ReLU(activation.ReLU):
    """The plain ReLU, as above on a GPU.

    On a CPU NumPy compares two arrays three times as fast as an array and a number; and a product with truth values waits while
    they are made numbers, some thousand at a time, so that all are sooner made numbers first.
    """

    joint: Joint | None = None

    def forward(self, x: Array, train: bool = True) -> Array:
        if self.joint is not None and self.joint.y is x:
            self._saved, self.joint.y = x, None
            return x
        if type(x) is not np.ndarray or x.ndim < 2:
            return super().forward(x, train)
        self._check_input(x)
        black = _black(x.shape, x.dtype)
        y = np.maximum(x.reshape(len(x) // len(black), *black.shape), black)
        self._saved = y = y.reshape(x.shape)
        return y

    def backward(self, dy: Array) -> Array:
        y = self._recall()
        self._check_upstream(dy, y.shape)
        if type(y) is np.ndarray:
            dx = (y > 0).astype(dy.dtype)
            dx *= dy
            return dx
        if not cuda.fits(y) or dy.dtype != y.dtype:
            return super().backward(dy)
        dY, db = cuda.relu_backward(_channels_last(dy), _channels_last(y))
        if self.joint is not None:
            self.joint.dY, self.joint.db = dY, db
        return dY.transpose(0, 3, 1, 2) if y.ndim == 4 else dY


@lru_cache(maxsize=16)
def _black(shape: Shape, dtype: Any) -> Array:
    """Zeros for all to read: for some whole images or rows of these, images (n, C, H, W) in channels-last memory."""
    n = N & -N if (N := shape[0]) else 1
    while n > 1 and n * prod(shape[1:]) > LONG:
        n //= 2
    if len(shape) == 4:
        return filled(0, (n, *shape[2:], shape[1]), dtype).transpose(0, 3, 1, 2)
    return filled(0, (n, *shape[1:]), dtype)


def _channels_last(x: Array) -> Array:
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
