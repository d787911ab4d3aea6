"""What goes wrong in the backward passes of the neurons."""

from __future__ import annotations

from minialex.layers import activation
from tests.checks import check_relu, check_sigmoid, check_tanh
from tests.mutants.engine import Mutant, layer

UPSTREAM = "self._check_upstream(dy, y.shape)"
DY_OVERWRITTEN = "the caller's dy is overwritten"
WIDENED = "the factor is float64, so float32 becomes float64"

RELU = layer(
    "ReLU",
    activation,
    check_relu,
    Mutant(
        "mask missing",
        "(y > 0)",
        "(y >= 0)",
        "every gradient passes: y >= 0 is always true, it is y > 0 (or x > 0) that counts",
    ),
    Mutant(
        "mask upside down",
        "(y > 0)",
        "(y <= 0)",
        "the gradient passes where the neuron was silent",
    ),
    Mutant(
        "mask of the gradient",
        "(y > 0)",
        "(dy > 0)",
        "the mask looks at the sign of dy, not of x",
    ),
    Mutant(
        "mask of both",
        "(y > 0)",
        "((y > 0) & (dy > 0))",
        "negative gradients are cut off, too (guided backpropagation)",
    ),
    Mutant(
        "y for its derivative",
        "(y > 0)",
        "y",
        "dy is multiplied by y itself where its derivative, 0 or 1, is meant",
    ),
    Mutant(
        "leaks",
        "(y > 0)",
        "((y > 0) + 0.01 * (y <= 0)).astype(y.dtype)",
        "silent neurons pass a hundredth of the gradient (leaky ReLU)",
    ),
    Mutant(
        "slope 1 at the kink",
        "self._saved = y = array_module(x).maximum(x, 0)",
        "y = array_module(x).maximum(x, 0); self._saved = x >= 0",
        "at x = 0 the derivative is 1; here it is taken as 0",
        "forward",
    ),
    Mutant(
        "dy overwritten",
        f"return {UPSTREAM} * (y > 0)",
        f"{UPSTREAM}; dy *= y > 0; return dy",
        DY_OVERWRITTEN,
    ),
    Mutant(
        "always float64",
        "(y > 0)",
        '(y > 0).astype("float64")',
        WIDENED,
    ),
)

TANH = layer(
    "Tanh",
    activation,
    check_tanh,
    Mutant(
        "square missing",
        "(1 - y * y)",
        "(1 - y)",
        "the derivative is 1 - y², here it is 1 - y",
    ),
    Mutant(
        "plus for minus",
        "(1 - y * y)",
        "(1 + y * y)",
        "the derivative is 1 - y², here it is 1 + y²",
    ),
    Mutant(
        "sign flipped",
        "(1 - y * y)",
        "(y * y - 1)",
        "the derivative has the wrong sign",
    ),
    Mutant(
        "sigmoid's derivative",
        "(1 - y * y)",
        "(y * (1 - y))",
        "y (1 - y) is the derivative of the sigmoid, not of tanh",
    ),
    Mutant(
        "y for its derivative",
        "(1 - y * y)",
        "y",
        "dy is multiplied by y itself, not by its derivative",
    ),
    Mutant(
        "x where y is meant",
        "self._saved = y = array_module(x).tanh(x)",
        "self._saved, y = x, array_module(x).tanh(x)",
        "1 - y² is computed with x in the place of y",
        "forward",
    ),
    Mutant(
        "tanh taken twice",
        "(1 - y * y)",
        "(1 - array_module(y).tanh(y) ** 2)",
        "tanh is taken once more of y, which is tanh x already",
    ),
    Mutant(
        "derivative squared",
        "(1 - y * y)",
        "(1 - y * y) ** 2",
        "the derivative is applied twice",
    ),
    Mutant(
        "dy overwritten",
        f"return {UPSTREAM} * (1 - y * y)",
        f"{UPSTREAM}; dy *= 1 - y * y; return dy",
        DY_OVERWRITTEN,
    ),
    Mutant(
        "always float64",
        "(1 - y * y)",
        '(1 - y * y).astype("float64")',
        WIDENED,
    ),
)

SIGMOID = layer(
    "Sigmoid",
    activation,
    check_sigmoid,
    Mutant(
        "1 - y missing",
        "(y * (1 - y))",
        "y",
        "the derivative is y (1 - y), here it is y",
    ),
    Mutant(
        "y missing",
        "(y * (1 - y))",
        "(1 - y)",
        "the derivative is y (1 - y), here it is 1 - y",
    ),
    Mutant(
        "plus for minus",
        "(y * (1 - y))",
        "(y * (1 + y))",
        "the derivative is y (1 - y), here it is y (1 + y)",
    ),
    Mutant(
        "sign flipped",
        "(y * (1 - y))",
        "(y * (y - 1))",
        "the derivative has the wrong sign",
    ),
    Mutant(
        "tanh's derivative",
        "(y * (1 - y))",
        "(1 - y * y)",
        "1 - y² is the derivative of tanh, not of the sigmoid",
    ),
    Mutant(
        "inner derivative missing",
        "(y * (1 - y))",
        "(0.5 * (1 - (2 * y - 1) ** 2))",
        "the inner derivative of tanh(x / 2), 1/2, is missing",
    ),
    Mutant(
        "slope of the middle everywhere",
        "(y * (1 - y))",
        "(0 * y + 0.25)",
        "the derivative is 1/4 at x = 0 only",
    ),
    Mutant(
        "x where y is meant",
        "self._saved = y = 0.5 * (1 + array_module(x).tanh(0.5 * x))",
        "self._saved, y = x, 0.5 * (1 + array_module(x).tanh(0.5 * x))",
        "y (1 - y) is computed with x in the place of y",
        "forward",
    ),
    Mutant(
        "dy overwritten",
        f"return {UPSTREAM} * (y * (1 - y))",
        f"{UPSTREAM}; dy *= y * (1 - y); return dy",
        DY_OVERWRITTEN,
    ),
    Mutant(
        "always float64",
        "(y * (1 - y))",
        '(y * (1 - y)).astype("float64")',
        WIDENED,
    ),
)
