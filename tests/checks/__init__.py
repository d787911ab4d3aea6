"""What must be true of a layer: properties that hold for every drawn case, and facts that need no drawing.

`check_conv2d(cls)` and its sisters run all of them on the class they are given, and raise `Refuted`, an AssertionError that
names the claim, the case and the numbers, if it is wrong. The tests give them minialex's own layers, the mutants classes
with a planted error, the lessons what a learner wrote:

    check_max_pool2d(MaxPool2d)                                  # the right class: returns in less than a second
    check_max_pool2d(Mutant, max_examples=50)                    # raises; the same cases are drawn every time
    check_max_pool2d(YourPool, shrink=True, only=NUMBERS)        # raises, with the smallest case that fails

A property is a function of (cls, case), a fact a function of (cls). Both say in their first line what they claim.
"""

from __future__ import annotations

from tests.checks.activation import RELU, SIGMOID, TANH, check_relu, check_sigmoid, check_tanh
from tests.checks.conv import CONV2D, check_conv2d
from tests.checks.dropout import DROPOUT, check_dropout
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.flatten import FLATTEN, check_flatten
from tests.checks.im2col import IM2COL, check_im2col
from tests.checks.linear import LINEAR, check_linear
from tests.checks.loss import SOFTMAX_CROSS_ENTROPY, check_softmax_cross_entropy
from tests.checks.lrn import LOCAL_RESPONSE_NORM, check_local_response_norm
from tests.checks.pool import AVG_POOL2D, MAX_POOL2D, check_avg_pool2d, check_max_pool2d
from tests.checks.sequential import SEQUENTIAL, check_sequential
from tests.checks.spatial_norm import SPATIAL_RESPONSE_NORM, check_spatial_response_norm
from tests.checks.suite import Refuted, Suite

__all__ = [
    "AVG_POOL2D",
    "CONV2D",
    "DROPOUT",
    "FLATTEN",
    "IM2COL",
    "LINEAR",
    "LOCAL_RESPONSE_NORM",
    "MANNERS",
    "MAX_POOL2D",
    "NUMBERS",
    "RELU",
    "SEQUENTIAL",
    "SIGMOID",
    "SOFTMAX_CROSS_ENTROPY",
    "SPATIAL_RESPONSE_NORM",
    "TANH",
    "Refuted",
    "Suite",
    "check_avg_pool2d",
    "check_conv2d",
    "check_dropout",
    "check_flatten",
    "check_im2col",
    "check_linear",
    "check_local_response_norm",
    "check_max_pool2d",
    "check_relu",
    "check_sequential",
    "check_sigmoid",
    "check_softmax_cross_entropy",
    "check_spatial_response_norm",
    "check_tanh",
]
