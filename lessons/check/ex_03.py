"""Lesson 03: convolution, from a loop to one matrix product."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lessons.check.cases import convolutions
from lessons.check.ex_01 import FORWARD
from lessons.check.ex_04 import Pair, Sides, conv_with, patches_with
from lessons.check.exercise import Exercise, Mistake, Trial, register
from minialex.arrays import Array
from tests.checks.conv import CONV2D
from tests.checks.every_layer import a_batch_is_the_sum_of_its_samples, forward_follows_the_definition
from tests.checks.im2col import IM2COL


def im2col(x: Array, kernel: Pair, stride: Pair, padding: Sides) -> Array:
    """columns[n, i, j, u, v, c] = x_padded[n, c, i sH + u, j sW + v]."""
    (kH, kW), (sH, sW), (top, bottom, left, right) = kernel, stride, padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    N, C, H, W = padded.shape
    oH, oW = (H - kH) // sH + 1, (W - kW) // sW + 1
    columns = np.empty((N, oH, oW, kH, kW, C), x.dtype)
    for u in range(kH):
        for v in range(kW):
            columns[:, :, :, u, v] = padded[:, :, u : u + sH * oH : sH, v : v + sW * oW : sW].transpose(0, 2, 3, 1)
    return columns


def conv_forward(x: Array, weight: Array, bias: Array, stride: Pair, padding: Sides) -> Array:
    """Y = X Wᵀ + b, brought back to (N, O, oH, oW)."""
    O, _, kH, kW = weight.shape
    X = im2col(x, (kH, kW), stride, padding)
    N, oH, oW = X.shape[:3]
    Y = X.reshape(N * oH * oW, -1) @ weight.transpose(0, 2, 3, 1).reshape(O, -1).T + bias
    return Y.reshape(N, oH, oW, O).transpose(0, 3, 1, 2)


def conv_naive(x: Array, weight: Array, bias: Array, stride: Pair, padding: Sides) -> Array:
    """One output number after the other: a patch times a kernel, summed up."""
    (kH, kW), (sH, sW), (top, bottom, left, right) = weight.shape[2:], stride, padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    N, _, H, W = padded.shape
    y = np.empty((N, len(weight), (H - kH) // sH + 1, (W - kW) // sW + 1), x.dtype)
    for n, o, i, j in np.ndindex(*y.shape):
        y[n, o, i, j] = (padded[n, :, i * sH : i * sH + kH, j * sW : j * sW + kW] * weight[o]).sum() + bias[o]
    return y


def _swapped(padding: Sides) -> Sides:
    return padding[1], padding[0], padding[3], padding[2]


def _crossed(padding: Sides) -> Sides:
    return padding[2], padding[3], padding[0], padding[1]


def _fit(x: Array, kernel: Pair, stride: Pair, padding: Sides, wrong: Pair) -> Array:
    """The right number of patches, cut at wrong strides, as far as the image goes."""
    columns = im2col(x, kernel, stride, padding)
    H, W = (x.shape[2] + padding[0] + padding[1], x.shape[3] + padding[2] + padding[3])
    padded = np.pad(x, ((0, 0), (0, 0), padding[:2], padding[2:]))
    made = np.zeros_like(columns)
    for i, j in np.ndindex(*columns.shape[1:3]):
        top, left = min(i * wrong[0], H - kernel[0]), min(j * wrong[1], W - kernel[1])
        patch = padded[:, :, top : top + kernel[0], left : left + kernel[1]]
        made[:, i, j] = patch.transpose(0, 2, 3, 1)
    return made


def _edges(x: Array, kernel: Pair, stride: Pair, padding: Sides) -> Array:
    grown = np.pad(x, ((0, 0), (0, 0), padding[:2], padding[2:]), mode="edge")
    return im2col(grown, kernel, stride, (0, 0, 0, 0))


def _upside_down(x: Array, kernel: Pair, stride: Pair, padding: Sides) -> Array:
    return im2col(x, kernel, stride, padding)[:, :, :, ::-1, ::-1]


def _slices_reshaped(x: Array, kernel: Pair, stride: Pair, padding: Sides) -> Array:
    columns = im2col(x, kernel, stride, padding)
    N, oH, oW, _, _, C = columns.shape
    for u, v in np.ndindex(*kernel):
        columns[:, :, :, u, v] = columns[:, :, :, u, v].transpose(0, 3, 1, 2).reshape(N, oH, oW, C)
    return columns


def _conv(columns: Any) -> Any:
    """A convolution that makes its patches so."""

    def convolve(x: Array, weight: Array, bias: Array, stride: Pair, padding: Sides) -> Array:
        X = columns(x, weight.shape[2:], stride, padding)
        Y = X.reshape(*X.shape[:3], -1) @ weight.transpose(0, 2, 3, 1).reshape(len(weight), -1).T + bias
        return Y.transpose(0, 3, 1, 2)

    return convolve


def _without(axis: str) -> Any:
    """A convolution that leaves something out of its sum."""

    def convolve(x: Array, weight: Array, bias: Array, stride: Pair, padding: Sides) -> Array:
        kernel = np.zeros_like(weight)
        if axis == "channels":
            kernel[:, :1] = weight[:, :1]
        elif axis == "row":
            kernel[:, :, : max(1, weight.shape[2] - 1)] = weight[:, :, : max(1, weight.shape[2] - 1)]
        else:
            kernel[:, :, :, : max(1, weight.shape[3] - 1)] = weight[:, :, :, : max(1, weight.shape[3] - 1)]
        return conv_forward(x, kernel, bias, stride, padding)

    return convolve


def _stride_inside(strict: bool) -> Any:
    """A convolution whose kernel takes the strides, and not its places; strict: what lies outside raises, else it counts 0."""

    def convolve(x: Array, weight: Array, bias: Array, stride: Pair, padding: Sides) -> Array:
        padded = np.pad(x, ((0, 0), (0, 0), padding[:2], padding[2:]))
        y = conv_naive(x, 0 * weight, bias, stride, padding)
        for i, j, u, v in np.ndindex(*y.shape[2:], *weight.shape[2:]):
            row, column = i + u * stride[0], j + v * stride[1]
            if strict or (row < padded.shape[2] and column < padded.shape[3]):
                y[:, :, i, j] += padded[:, :, row, column] @ weight[:, :, u, v].T
        return y

    return convolve


def _channel_first(x: Array, weight: Array, bias: Array, stride: Pair, padding: Sides) -> Array:
    X = im2col(x, weight.shape[2:], stride, padding)
    return (X.reshape(*X.shape[:3], -1) @ weight.reshape(len(weight), -1).T + bias).transpose(0, 3, 1, 2)


def _not_moved(x: Array, weight: Array, bias: Array, stride: Pair, padding: Sides) -> Array:
    y = conv_forward(x, weight, bias, stride, padding)
    return np.ascontiguousarray(y.transpose(0, 2, 3, 1)).reshape(y.shape)


def _of_size(x: Array, weight: Array, stride: Pair, padding: Sides) -> int:
    return int(np.prod(weight.shape[1:]))


CONVOLUTION = (
    Mistake("bias missing", lambda x, w, b, s, p: conv_forward(x, w, 0 * b, s, p), "the bias is not added"),
    Mistake(
        "bias added for every product",
        lambda x, w, b, s, p: conv_forward(x, w, _of_size(x, w, s, p) * b, s, p),
        "the bias is added inside the sum, once for every pixel of the patch; once for every output is meant",
    ),
    Mistake(
        "bias added for every channel",
        lambda x, w, b, s, p: conv_forward(x, w, w.shape[1] * b, s, p),
        "the bias is added once for every input channel; once for every output is meant",
    ),
    Mistake(
        "kernel turned",
        lambda x, w, b, s, p: conv_forward(x, w[:, :, ::-1, ::-1], b, s, p),
        "the kernel is turned by 180 degrees, as mathematicians do; here patch and kernel are multiplied as they lie",
    ),
    Mistake(
        "averaged",
        lambda x, w, b, s, p: conv_forward(x, w / _of_size(x, w, s, p), b, s, p),
        "the products are averaged; add them up",
    ),
    Mistake("first channel", _without("channels"), "only the first input channel is read; the sum runs over all of them"),
    Mistake("last row left out", _without("row"), "the kernel's last row is left out of the sum"),
    Mistake("last column left out", _without("column"), "the kernel's last column is left out of the sum"),
    Mistake(
        "stride forgotten",
        _conv(lambda x, k, s, p: _fit(x, k, s, p, (1, 1))),
        "the stride is forgotten: neighbouring patches start one pixel apart",
    ),
    Mistake(
        "kernel for stride",
        _conv(lambda x, k, s, p: _fit(x, k, s, p, k)),
        "neighbouring patches start a kernel's size apart; the stride says how far",
    ),
    *(
        Mistake(
            f"stride inside the kernel{', no further than the image' * (not strict)}",
            _stride_inside(strict),
            "the stride is taken inside the kernel; it belongs to the place: the pixel is at i sH + u, j sW + v",
        )
        for strict in (True, False)
    ),
    Mistake(
        "stride's height and width swapped",
        lambda x, w, b, s, p: conv_forward(x, w, b, s[::-1], p),
        "the stride's height and width are swapped",
    ),
    Mistake("padding forgotten", lambda x, w, b, s, p: conv_forward(x, w, b, s, (0, 0, 0, 0)), "the padding is forgotten"),
    Mistake(
        "padding's sides swapped",
        lambda x, w, b, s, p: conv_forward(x, w, b, s, _swapped(p)),
        "top and bottom, left and right padding are swapped",
    ),
    Mistake(
        "padding's directions swapped",
        lambda x, w, b, s, p: conv_forward(x, w, b, s, _crossed(p)),
        "the padding's height and width are swapped: its order is top, bottom, left, right",
    ),
    Mistake("edge repeated", _conv(_edges), "the border repeats the image's edge; it should be zeros"),
    Mistake(
        "kernel read channel first",
        _channel_first,
        "the kernel's numbers are read channel first, but the columns have the channel last: transpose W before reshaping it",
    ),
    Mistake(
        "Y not moved",
        _not_moved,
        "Y is reshaped to (N, O, oH, oW), but its rows are positions: reshape to (N, oH, oW, O) first, then move the last axis",
    ),
)
SIZES = "The output has (H + top + bottom - kH) // sH + 1 rows, and as many columns by the same rule."

register(
    Exercise(
        name="conv_naive",
        lesson="03",
        right=conv_naive,
        returns=("y",),
        trials=(
            Trial(
                replace(
                    CONV2D,
                    cases=convolutions(),
                    properties=(forward_follows_the_definition, a_batch_is_the_sum_of_its_samples),
                    facts=(),
                ),
                lambda function: conv_with(forward=function),
            ),
        ),
        reward="Slow, and right: this is the specification that everything faster is measured by.",
        then="Time it, and reckon how long AlexNet would take. Then you will want im2col.",
        lights=("conv",),
        keeps_dtype=False,
        shape_hint=SIZES,
        mistakes=CONVOLUTION,
    )
)

register(
    Exercise(
        name="im2col",
        lesson="03",
        right=im2col,
        returns=("columns",),
        trials=(Trial(replace(IM2COL, cases=convolutions()), lambda function: patches_with(your_im2col=function)),),
        reward="Every patch is a row now, and a convolution is one matrix product.",
        then="Write conv_forward: three lines.",
        lights=("conv",),
        shape_hint=f"columns are (N, oH, oW, kH, kW, C). {SIZES.replace('The output', 'oH and oW: the output')}",
        mistakes=(
            Mistake("stride forgotten", lambda x, k, s, p: _fit(x, k, s, p, (1, 1)), "the stride is forgotten"),
            Mistake(
                "kernel for stride",
                lambda x, k, s, p: _fit(x, k, s, p, k),
                "neighbouring patches start a kernel's size apart; the stride says how far",
            ),
            Mistake(
                "stride's height and width swapped",
                lambda x, k, s, p: im2col(x, k, s[::-1], p),
                "the stride's height and width are swapped",
            ),
            Mistake(
                "one stride for both directions",
                lambda x, k, s, p: im2col(x, k, (s[0], s[0]), p),
                "the vertical stride is used in both directions",
            ),
            Mistake("padding forgotten", lambda x, k, s, p: im2col(x, k, s, (0, 0, 0, 0)), "the padding is forgotten"),
            Mistake(
                "padding's sides swapped",
                lambda x, k, s, p: im2col(x, k, s, _swapped(p)),
                "top and bottom, left and right padding are swapped",
            ),
            Mistake(
                "padding's directions swapped",
                lambda x, k, s, p: im2col(x, k, s, _crossed(p)),
                "the padding's height and width are swapped: its order is top, bottom, left, right",
            ),
            Mistake("edge repeated", _edges, "the border repeats the image's edge; it should be zeros"),
            Mistake("patches upside down", _upside_down, "the patches lie upside down"),
            Mistake(
                "u and v swapped",
                lambda x, k, s, p: im2col(x, k, s, p).swapaxes(3, 4),
                "the row u and the column v inside the patch are swapped",
            ),
            Mistake(
                "i and j swapped",
                lambda x, k, s, p: im2col(x, k, s, p).swapaxes(1, 2),
                "the patch's row i and column j are swapped",
            ),
            Mistake(
                "channels not last",
                lambda x, k, s, p: im2col(x, k, s, p).transpose(0, 1, 2, 5, 3, 4),
                "the channel stands before u and v; it should be the last axis",
            ),
            Mistake(
                "reshaped where axes should be moved",
                lambda x, k, s, p: np.ascontiguousarray(im2col(x, k, s, p).transpose(0, 1, 2, 5, 3, 4)).reshape(
                    im2col(x, k, s, p).shape
                ),
                "the patch (C, kH, kW) is reshaped to (kH, kW, C); its axes should be moved",
            ),
            Mistake(
                "slices reshaped",
                _slices_reshaped,
                "a slice (N, C, oH, oW) is reshaped to (N, oH, oW, C); move its channels to the end: transpose(0, 2, 3, 1)",
            ),
        ),
    )
)

register(
    Exercise(
        name="conv_forward",
        lesson="03",
        right=conv_forward,
        returns=("y",),
        trials=(
            Trial(
                replace(CONV2D, cases=convolutions(), properties=FORWARD, facts=()),
                lambda function: conv_with(forward=function),
            ),
        ),
        reward="The same numbers as your loop, out of one matrix product.",
        then="Race the two in the next cell.",
        lights=("conv",),
        shape_hint=SIZES,
        mistakes=CONVOLUTION,
    )
)
