"""What goes wrong in the backward passes of the fully connected layer and of Flatten before it."""

from __future__ import annotations

from minialex.layers import flatten, linear
from tests.checks import check_flatten, check_linear
from tests.mutants.engine import Mutant, layer

LINEAR = layer(
    "Linear",
    linear,
    check_linear,
    Mutant(
        "dW averaged over the batch",
        "(dy.T @ x)",
        "(dy.T @ x / len(x))",
        "dW is divided by N; the loss has done that already, so dy brings it along",
    ),
    Mutant(
        "dW transposed",
        "(dy.T @ x)",
        "(x.T @ dy).reshape(W.shape)",
        "the product for dW is transposed, and a reshape hides it",
    ),
    Mutant(
        "dW of the last image",
        "(dy.T @ x)",
        "(dy[-1:].T @ x[-1:])",
        "dW counts the last image of the batch only",
    ),
    Mutant(
        "db averaged over the batch",
        "dy.sum(axis=0)",
        "dy.mean(axis=0)",
        "db is averaged instead of summed over the batch",
        "_bias_gradient",
    ),
    Mutant(
        "db over the wrong axis",
        "dy.sum(axis=0)",
        "dy.sum(axis=1)",
        "db is summed over the neurons instead of over the batch",
        "_bias_gradient",
    ),
    Mutant(
        "db of the first image",
        "dy.sum(axis=0)",
        "dy[0].copy()",
        "db counts the first image of the batch only",
        "_bias_gradient",
    ),
    Mutant(
        "W transposed in dx",
        "return dy @ W.astype(x.dtype, copy=False)",
        "return dy @ W.astype(x.dtype, copy=False).T.reshape(W.shape)",
        "dx is computed with W's rows and columns mixed up, and a reshape hides it",
    ),
    Mutant(
        "gradients pile up",
        'self.grads["weight"] = (',
        'self.grads["weight"] = self.grads.get("weight", 0) + (',
        "the gradient is added to that of the last call: grads pile up",
    ),
    Mutant(
        "dW in x's dtype",
        "(dy.T @ x).astype(W.dtype, copy=False)",
        "dy.T @ x",
        "dW has the dtype of x, not that of W",
    ),
    Mutant(
        "db in float64",
        "self._bias_gradient(dy).astype(W.dtype, copy=False)",
        'dy.sum(axis=0, dtype="float64")',
        "db is summed, and left, in float64",
    ),
    Mutant(
        "dx in W's dtype",
        "return dy @ W.astype(x.dtype, copy=False)",
        "return dy @ W",
        "a float64 W makes dx float64 for float32 input",
    ),
)

CHECK = "self._check_upstream(dy, self.output_shape(shape))"
BACK = f"return {CHECK}.reshape(shape)"
FOLD = f"{CHECK}; return dy.reshape(shape) if len(shape) < 4 else dy"

FLATTEN = layer(
    "Flatten",
    flatten,
    check_flatten,
    Mutant(
        "channels-last order",
        BACK,
        f"{FOLD}.reshape(shape[0], *shape[2:], shape[1]).transpose(0, 3, 1, 2)",
        "dy is read pixel by pixel (h, w, c), but its logical order is channel by channel (c, h, w)",
    ),
    Mutant(
        "height and width swapped",
        BACK,
        f"{FOLD}.reshape(*shape[:2], *shape[:1:-1]).transpose(0, 1, 3, 2)",
        "height and width are swapped on the way back",
    ),
    Mutant(
        "column-major order",
        ".reshape(shape)",
        '.reshape(shape, order="F")',
        "dy is read with the first axis fastest",
    ),
    Mutant(
        "all axes reversed",
        ".reshape(shape)",
        ".reshape(shape[::-1]).T",
        "dy is reshaped to the reversed shape and transposed: images mix",
    ),
    Mutant(
        "order of dy's memory",
        ".reshape(shape)",
        '.ravel(order="K").reshape(shape)',
        "dy is read in the order of its memory; what counts is its logical order",
    ),
    Mutant(
        "order of x's memory",
        "x.reshape(",
        'x.ravel(order="K").reshape(',
        "x is read in the order of its memory, so channels-last maps come out pixel by pixel",
        "forward",
    ),
    Mutant(
        "left flat",
        ".reshape(shape)",
        "",
        "dx keeps dy's shape: it is not folded back to maps",
    ),
    Mutant(
        "dy's own shape changed",
        BACK,
        f"{CHECK}; dy.shape = shape; return dy",
        "the caller's dy is reshaped in place",
    ),
    Mutant(
        "always float32",
        ".reshape(shape)",
        '.reshape(shape).astype("float32")',
        "dx is always float32",
    ),
)
