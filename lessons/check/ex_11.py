"""Lesson 11: the sizes of AlexNet, and how many multiplications it takes."""

from __future__ import annotations

from math import ceil, prod
from typing import Any

from hypothesis import strategies as st

from lessons.check import plain
from lessons.check.exercise import EXERCISES, Arguments, Exercise, Mistake, register
from minialex import layers
from tests.checks.suite import same

Pair = tuple[int, int]


def conv_output_size(size: int, kernel: int, stride: int, padding_before: int, padding_after: int) -> int:
    """How many places a kernel can take along one side."""
    return (size + padding_before + padding_after - kernel) // stride + 1


def multiply_adds(shape_in: tuple[int, ...], out_channels: int, kernel: Pair, stride: Pair, padding: Any, groups: int) -> int:
    """Multiplications of one forward pass over an input (N, C, H, W)."""
    N, C, H, W = shape_in
    oH = conv_output_size(H, kernel[0], stride[0], padding[0], padding[1])
    oW = conv_output_size(W, kernel[1], stride[1], padding[2], padding[3])
    return N * oH * oW * out_channels * (C // groups) * prod(kernel)


@st.composite
def sizes(draw: Any) -> Arguments:
    """Kernels that fit at least once."""
    kernel, before, after = draw(st.integers(1, 11)), draw(st.integers(0, 3)), draw(st.integers(0, 3))
    return max(1, kernel - before - after) + draw(st.integers(0, 60)), kernel, draw(st.integers(1, 4)), before, after


@st.composite
def convolutions(draw: Any) -> Arguments:
    """Batches, groups and rectangular kernels."""
    groups = draw(st.integers(1, 3))
    kernel, stride = ((draw(st.integers(1, high)), draw(st.integers(1, high))) for high in (5, 3))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    shape = (draw(st.integers(1, 4)), groups * draw(st.integers(1, 4)), *(k + draw(st.integers(0, 9)) for k in kernel))
    return shape, groups * draw(st.integers(1, 5)), kernel, stride, padding, groups


def layers_agree(function: Any) -> None:
    """The sizes of AlexNet's layers: 224 -> 55 with a kernel of 11, stride 4, padding 0 and 3; then 27 and 13"""
    for asked, expected in (((224, 11, 4, 0, 3), 55), ((55, 3, 2, 0, 0), 27), ((27, 5, 1, 2, 2), 27), ((27, 3, 2, 0, 0), 13)):
        same("the size", function(*asked), expected)


def the_second_layer_is_counted(function: Any) -> None:
    """The paper's second layer, 256 kernels that read 48 of 96 maps of 27 x 27: 223.9 million an image"""
    conv2 = layers.Conv2d(96, 256, 5, padding=2, groups=2)
    asked = (1, 96, 27, 27), 256, (5, 5), (1, 1), (2, 2, 2, 2), 2
    same("the number", function(*asked), conv2.multiply_adds(asked[0]))


def _other(**changed: Any) -> Any:
    """multiply_adds with something else in the place of an argument."""

    def count(shape_in: Any, out_channels: int, kernel: Pair, stride: Pair, padding: Any, groups: int) -> int:
        given = {"out_channels": out_channels, "kernel": kernel, "stride": stride, "padding": padding, "groups": groups}
        return multiply_adds(shape_in, **(given | changed))

    return count


def _of_input(shape_in: Any, out_channels: int, kernel: Pair, stride: Pair, padding: Any, groups: int) -> int:
    return int(prod(shape_in)) * out_channels // groups * prod(kernel)


register(
    Exercise(
        name="conv_output_size",
        lesson="11",
        right=conv_output_size,
        returns=("size",),
        trials=(plain.trial(lambda: EXERCISES["conv_output_size"], sizes(), layers_agree, max_examples=60, dtypes=False),),
        reward="224, 55, 27, 13, 6: every size in AlexNet's table comes from this line.",
        then="And the work: count the multiplications.",
        lights=("conv", "pool"),
        mistakes=(
            Mistake(
                "1 missing",
                lambda s, k, t, a, b: (s + a + b - k) // t,
                "the + 1 is missing: a kernel that just fits has one place",
            ),
            Mistake("padding missing", lambda s, k, t, a, b: (s - k) // t + 1, "the padding is not counted"),
            Mistake(
                "one side twice",
                lambda s, k, t, a, b: (s + 2 * a - k) // t + 1,
                "the padding before is counted twice; before and after may differ",
            ),
            Mistake(
                "rounded up",
                lambda s, k, t, a, b: ceil((s + a + b - k) / t) + 1,
                "it is rounded up; a window that would hang over is left out",
            ),
            Mistake(
                "rounded", lambda s, k, t, a, b: round((s + a + b - k) / t) + 1, "it is rounded to the nearest; round down, //"
            ),
            Mistake("not whole", lambda s, k, t, a, b: (s + a + b - k) / t + 1, "/ gives fractions of a place; use //"),
            Mistake("stride missing", lambda s, k, t, a, b: s + a + b - k + 1, "the stride is missing"),
            Mistake("kernel missing", lambda s, k, t, a, b: (s + a + b) // t + 1, "the kernel's own size is not taken off"),
            Mistake(
                "divided after",
                lambda s, k, t, a, b: (s + a + b - k + 1) // t,
                "1 is added before the division; it belongs after it",
            ),
            Mistake(
                "kernel minus 1", lambda s, k, t, a, b: -(-(s + a + b - k) // t), "it is rounded up, and the + 1 is missing"
            ),
        ),
    )
)

register(
    Exercise(
        name="multiply_adds",
        lesson="11",
        right=multiply_adds,
        returns=("count",),
        trials=(
            plain.trial(
                lambda: EXERCISES["multiply_adds"], convolutions(), the_second_layer_is_counted, max_examples=40, dtypes=False
            ),
        ),
        reward="Convolutions do nearly all of AlexNet's work with 4% of its weights.",
        then="Put a number on each layer of the table.",
        lights=("conv", "linear"),
        mistakes=(
            Mistake(
                "groups forgotten",
                _other(groups=1),
                "the groups are forgotten: each kernel reads the channels of its own group only",
            ),
            Mistake(
                "groups divided twice",
                lambda *asked: multiply_adds(*asked) // asked[5],
                "the groups divide twice: each kernel reads fewer channels, but there are as many kernels as before",
            ),
            Mistake("stride forgotten", _other(stride=(1, 1)), "the stride is forgotten: there are fewer output positions"),
            Mistake("padding forgotten", _other(padding=(0, 0, 0, 0)), "the padding is forgotten"),
            Mistake(
                "padding of the height for the width",
                lambda shape, out, kernel, stride, padding, groups: multiply_adds(
                    shape, out, kernel, stride, (*padding[:2], *padding[:2]), groups
                ),
                "W is padded like H, with top and bottom; left and right are the last two of padding",
            ),
            Mistake(
                "one image",
                lambda shape, *asked: multiply_adds((1, *shape[1:]), *asked),
                "the batch is forgotten: N images take N times the work",
            ),
            Mistake(
                "input positions",
                _of_input,
                "the positions of the input are counted; a kernel is applied once for each output position",
            ),
            Mistake(
                "input channels forgotten",
                lambda shape, *asked: multiply_adds((shape[0], asked[-1], *shape[2:]), *asked),
                "the input channels are forgotten: each kernel reads all channels of its group",
            ),
            Mistake(
                "kernel forgotten", lambda *asked: multiply_adds(*asked) // prod(asked[2]), "the kernel's size is forgotten"
            ),
            Mistake(
                "output channels forgotten",
                lambda *asked: multiply_adds(*asked) // asked[1],
                "the output channels are forgotten",
            ),
            Mistake(
                "doubled",
                lambda *asked: 2 * multiply_adds(*asked),
                "multiplications and additions are counted one by one; count each pair once",
            ),
        ),
    )
)
