"""Lesson 04: convolution, backwards."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from lessons.check.cases import convolutions
from lessons.check.exercise import Exercise, Function, Mistake, Planted, Trial, register
from minialex import layers
from minialex.arrays import Array, Shape
from minialex.layers.im2col import im2col
from tests.checks.conv import CONV2D
from tests.checks.every_layer import NUMBERS
from tests.checks.im2col import IM2COL
from tests.mutants import conv as conv_mutants

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


def col2im(columns: Array, x_shape: Shape, stride: Pair, padding: Sides) -> Array:
    """Every pixel collects what stands in the places it was copied to."""
    _, oH, oW, kH, kW, _ = columns.shape
    (N, C, H, W), (sH, sW), (top, bottom, left, right) = x_shape, stride, padding
    padded = np.zeros((N, top + H + bottom, left + W + right, C), columns.dtype)
    for u in range(kH):
        for v in range(kW):
            padded[:, u : u + sH * oH : sH, v : v + sW * oW : sW] += columns[:, :, :, u, v]
    return padded[:, top : top + H, left : left + W].transpose(0, 3, 1, 2)


def conv_backward(dy: Array, x: Array, weight: Array, stride: Pair, padding: Sides) -> tuple[Array, Array, Array]:
    """dW = dYᵀ X, db = sum of dY's rows, dx = col2im(dY W)."""
    O, C, kH, kW = weight.shape
    X = im2col(x, (kH, kW), stride, padding)
    dY = dy.transpose(0, 2, 3, 1).reshape(-1, O)
    W = weight.transpose(0, 2, 3, 1).reshape(O, -1)
    dweight = (dY.T @ X.reshape(len(dY), -1)).reshape(O, kH, kW, C).transpose(0, 3, 1, 2)
    return col2im((dY @ W).reshape(X.shape), x.shape, stride, padding), dweight, dY.sum(axis=0)


def conv_with(forward: Function | None = None, backward: Function | None = None) -> Any:
    """minialex's Conv2d, with a learner's functions in it."""

    class YourConv2d(layers.Conv2d):
        def forward(self, x: Array, train: bool = True) -> Array:
            if forward is None:
                return super().forward(x, train)
            self._saved = x
            weight, bias = (self.params[key].astype(x.dtype, copy=False) for key in ("weight", "bias"))
            return forward(x, weight, bias, self.stride, self.padding)

        def backward(self, dy: Array) -> Array:
            if backward is None:
                return super().backward(dy)
            x = self._recall()
            weight = self.params["weight"].astype(x.dtype, copy=False)
            dx, self.grads["weight"], self.grads["bias"] = backward(dy, x, weight, self.stride, self.padding)
            return dx

    return YourConv2d


def patches_with(your_im2col: Function | None = None, your_col2im: Function | None = None) -> Any:
    """im2col and its adjoint as one thing to check, one of the two a learner's."""
    names = {"im2col": staticmethod(your_im2col or im2col), "col2im": staticmethod(your_col2im or layers.col2im)}
    return type("YourPatches", (), names)


def planted_backward(fresh: ModuleType) -> Function:
    """conv_backward, as a mutant of Conv2d computes it."""
    return backward_of(fresh.Conv2d)


def backward_of(cls: Any) -> Function:
    """conv_backward, as a class computes it."""

    def backward(dy: Array, x: Array, weight: Array, stride: Pair, padding: Sides) -> tuple[Array, Array, Array]:
        O, C, kH, kW = weight.shape
        layer = cls(C, O, (kH, kW), stride, padding)
        layer.params = {"weight": weight, "bias": np.zeros(O, weight.dtype)}
        layer.workspace_bytes = {"numpy": 1}  # one image at a time, so that mistakes between blocks of images show
        layer.forward(x)
        return layer.backward(dy), layer.grads["weight"], layer.grads["bias"]

    return backward


def planted_scatter(fresh: ModuleType) -> Function:
    """conv_backward with a mutant of col2im in it."""
    return backward_of(conv_mutants.convolution(fresh))


def planted_col2im(fresh: ModuleType) -> Function:
    """col2im, as a mutant of it computes it."""
    function: Function = fresh.col2im
    return function


register(
    Exercise(
        name="col2im",
        lesson="04",
        right=col2im,
        returns=("dx",),
        trials=(Trial(replace(IM2COL, cases=convolutions()), lambda function: patches_with(your_col2im=function)),),
        reward="It is the exact transpose of im2col: <im2col(x), d> = <x, col2im(d)> for every x and d.",
        then="Put it to work in conv_backward.",
        lights=("conv",),
        shape_hint="Cut the padding off with [top : top + H, left : left + W]; a slice that ends at -bottom is empty for 0.",
        planted=(Planted(conv_mutants.COL2IM, planted_col2im),),
    )
)

register(
    Exercise(
        name="conv_backward",
        lesson="04",
        right=conv_backward,
        returns=("dx", "dweight", "dbias"),
        trials=(Trial(replace(CONV2D, cases=convolutions(), properties=NUMBERS, facts=()), lambda f: conv_with(backward=f)),),
        reward="This is the heart of AlexNet: all five of its convolutions learn by the lines that you have just written.",
        then="Give it a kernel of 11 x 11 with stride 4, as conv1 has, and time it.",
        lights=("conv",),
        mistakes=(
            Mistake(
                "forward's weights for dx, turned twice",
                lambda dy, x, weight, stride, padding: conv_backward(dy, x, weight[:, :, ::-1, ::-1], stride, padding),
                "the kernel is rotated by 180 degrees, as for a full convolution; col2im has turned it already",
            ),
            Mistake(
                "columns in another order",
                lambda dy, x, weight, stride, padding: conv_backward(
                    dy,
                    x,
                    np.ascontiguousarray(weight)
                    .reshape(weight.shape[0], -1)
                    .reshape(weight.shape[0], *weight.shape[2:], weight.shape[1])
                    .transpose(0, 3, 1, 2),
                    stride,
                    padding,
                ),
                "W's matrix is read channel first, but the columns have the channel last: transpose W before reshaping it",
            ),
            Mistake(
                "averaged over the batch",
                lambda dy, x, weight, stride, padding: tuple(
                    part / len(x) for part in conv_backward(dy, x, weight, stride, padding)
                ),
                "it is divided by N; the loss has done that already, so dy brings it along",
            ),
        ),
        planted=(Planted(conv_mutants.CONV2D, planted_backward), Planted(conv_mutants.COL2IM, planted_scatter)),
    )
)
