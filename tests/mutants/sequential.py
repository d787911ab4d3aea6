"""What goes wrong in the chain rule."""

from __future__ import annotations

from minialex.layers import sequential
from tests.checks import check_sequential
from tests.mutants.engine import Mutant, layer

STEP = "dy = layer.backward(dy)"
FIRST, LAST = "layer is self.layers[0]", "layer is self.layers[-1]"

SEQUENTIAL = layer(
    "Sequential",
    sequential,
    check_sequential,
    Mutant(
        "not in reverse",
        "reversed(self.layers)",
        "self.layers",
        "backward runs through the layers from first to last",
    ),
    Mutant(
        "first layer left out",
        "reversed(self.layers)",
        "self.layers[:0:-1]",
        "backward stops before the first layer",
    ),
    Mutant(
        "last layer left out",
        "reversed(self.layers)",
        "self.layers[-2::-1]",
        "backward starts one layer too early",
    ),
    Mutant(
        "gradient not handed on",
        STEP,
        f"top = layer.backward(dy) if {LAST} else layer.backward(top)",
        "dy is not replaced by what the layers return: it comes back as it was given",
    ),
    Mutant(
        "last step's result not returned",
        STEP,
        f"dx = layer.backward(dy); dy = dy if {FIRST} else dx",
        "what is returned is the gradient of the first layer's output, not of its input",
    ),
    Mutant(
        "one name for all gradients",
        'f"{name}.{key}": value',
        "key: value",
        "the gradients of all layers have the same names, so the last one overwrites the others",
        "grads",
    ),
    Mutant(
        "inner names without the outer one",
        '(f"{name}.{inner}", leaf)',
        "(inner, leaf)",
        "layers of a Sequential inside the Sequential lose its name, so names may meet",
        "leaves",
    ),
    Mutant(
        "gradients copied",
        "value in layer.grads.items()",
        "value in ((key, grad.copy()) for key, grad in layer.grads.items())",
        "grads holds copies, which the next backward pass does not renew",
        "grads",
    ),
    Mutant(
        "narrowed on the way",
        STEP,
        'dy = layer.backward(dy).astype("float32")',
        "the gradient is narrowed to float32 between the layers",
    ),
    Mutant(
        "train not handed on",
        "layer.forward(x, train)",
        "layer.forward(x)",
        "the layers are not told whether this is training",
        "forward",
    ),
)
