"""ONNX as an outside judge of the forward passes: its own test cases, those that our layers can express.

Cases of other ranks, dilations, automatic padding, integers and the like are passed over; how many must remain is counted,
so that the judge cannot fall silent. Its tolerance is 1e-3, and it says nothing of backward passes: a smoke test beside torch.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minialex.layers import (
    AvgPool2d,
    Conv2d,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
)
from tests.reference import Array

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the judge is absent")

Attributes = dict[str, Any]
Judged = Callable[[Attributes, list[Array]], Array | None]  # None: our layers cannot express this case


def conv(a: Attributes, inputs: list[Array]) -> Array | None:
    x, weight, *bias = inputs
    if x.ndim != 4 or set(a.get("dilations", [1])) != {1} or a.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    O, C, *kernel = weight.shape
    layer = Conv2d(C * a.get("group", 1), O, tuple(kernel), tuple(a.get("strides", [1, 1])), sides(a), a.get("group", 1))
    layer.params |= {"weight": weight} | ({"bias": bias[0]} if bias else {})
    return layer.forward(x)


def max_pool(a: Attributes, inputs: list[Array]) -> Array | None:
    return pool(MaxPool2d, a, inputs[0]) if set(a.get("dilations", [1])) == {1} else None


def average_pool(a: Attributes, inputs: list[Array]) -> Array | None:
    plain = not a.get("count_include_pad") and set(a.get("dilations", [1])) == {1}
    return pool(AvgPool2d, a, inputs[0]) if plain else None


def pool(cls: Any, a: Attributes, x: Array) -> Array | None:
    if x.ndim != 4 or x.dtype.kind != "f" or a.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    layer = cls(tuple(a["kernel_shape"]), tuple(a.get("strides", [1, 1])), sides(a), bool(a.get("ceil_mode", 0)))
    return layer.forward(x)


def lrn(a: Attributes, inputs: list[Array]) -> Array | None:
    n, alpha, beta, k = a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)
    return LocalResponseNorm(n, alpha, beta, k, alpha_over_size=True).forward(inputs[0])


def gemm(a: Attributes, inputs: list[Array]) -> Array | None:
    if not a.get("transB") or a.get("transA") or a.get("alpha", 1.0) != 1 or a.get("beta", 1.0) != 1 or len(inputs) < 3:
        return None
    x, weight, bias = inputs
    layer = Linear(weight.shape[1], weight.shape[0])
    layer.params |= {"weight": weight, "bias": np.broadcast_to(bias, (1, len(weight)))[0]}
    return layer.forward(x)


def flatten(a: Attributes, inputs: list[Array]) -> Array | None:
    return Flatten().forward(inputs[0]) if a.get("axis", 1) == 1 else None


def cross_entropy(a: Attributes, inputs: list[Array]) -> Array | None:
    plain = a.get("reduction") == b"mean" and "ignore_index" not in a and len(inputs) == 2 and inputs[0].ndim == 2
    return np.array(SoftmaxCrossEntropy().forward(*inputs)) if plain else None


def sides(a: Attributes) -> tuple[int, int, int, int]:
    """ONNX writes all beginnings first: (top, left, bottom, right)."""
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    return top, bottom, left, right


OURS: dict[str, Judged] = {
    "Conv": conv,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LRN": lrn,
    "Gemm": gemm,
    "Flatten": flatten,
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "Relu": lambda a, inputs: ReLU().forward(inputs[0]),
    "Tanh": lambda a, inputs: Tanh().forward(inputs[0]),
    "Sigmoid": lambda a, inputs: Sigmoid().forward(inputs[0]),
}
AT_LEAST = {"Conv": 15, "MaxPool": 7, "AveragePool": 7, "LRN": 2, "Gemm": 1, "Flatten": 2, "SoftmaxCrossEntropyLoss": 1}


@cache
def cases() -> tuple[Any, ...]:
    """All of ONNX's cases of a single operation that one of our layers has."""
    from onnx.backend.test.loader import load_model_tests  # noqa: PLC0415

    with warnings.catch_warnings(action="ignore"):
        found = [*load_model_tests(kind="node"), *load_model_tests(kind="pytorch-converted")]
    loaded = [(case, case.model or onnx.load(Path(case.model_dir) / "model.onnx")) for case in found]
    return tuple((c, m) for c, m in loaded if len(m.graph.node) == 1 and m.graph.node[0].op_type in OURS)


def data_sets(case: Any) -> Iterator[tuple[list[Array], list[Array]]]:
    """Inputs and outputs, from memory or from the case's folder."""
    if case.data_sets is not None:
        yield from case.data_sets
        return

    def read(folder: Path, kind: str) -> list[Array]:
        files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
        return [onnx.numpy_helper.to_array(onnx.load_tensor(path)) for path in files]

    for folder in sorted(Path(case.model_dir).glob("test_data_set_*")):
        yield read(folder, "input"), read(folder, "output")


def in_order(model: Any, inputs: list[Array]) -> list[Array]:
    """What the operation reads, in its order: the case's inputs, and the weights that stand in the model itself."""
    known = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    known |= dict(zip((i.name for i in model.graph.input if i.name not in known), inputs, strict=True))
    return [known[name] for name in model.graph.node[0].input if name]


@pytest.mark.parametrize("operation", OURS)
def test_onnx_agrees(operation: str) -> None:
    judged: Counter[str] = Counter()
    for case, model in cases():
        node = model.graph.node[0]
        if node.op_type != operation:
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        for inputs, outputs in data_sets(case):
            got = OURS[operation](attributes, in_order(model, inputs))
            if got is not None:
                judged[operation] += 1
                assert got.dtype.kind == "f", case.name
                np.testing.assert_allclose(got, outputs[0], case.rtol, max(case.atol, 1e-6), err_msg=case.name)
    assert judged[operation] >= AT_LEAST.get(operation, 1)
