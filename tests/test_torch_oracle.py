"""A judge from outside: PyTorch's autograd in float64 computes the same y, dx, dW and db for the same cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given

from minialex import layers
from tests.checks.suite import gradients, same
from tests.reference import Array
from tests.strategies import (
    AvgPoolCase,
    Case,
    ConvCase,
    FlattenCase,
    LinearCase,
    LossCase,
    LRNCase,
    MaxPoolCase,
    PoolCase,
    ReLUCase,
    SequentialCase,
    SigmoidCase,
    SpatialNormCase,
    TanhCase,
    conv_cases,
    four,
    linear_cases,
    loss_cases,
    lrn_cases,
    pool_cases,
    sequential_cases,
    shaped_cases,
    spatial_norm_cases,
    two,
)

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # tiny arrays: a second thread only gets in the way
F = torch.nn.functional
TOLERANCE = 1e-10

Tensor: TypeAlias = Any
Params: TypeAlias = dict[str, Tensor]


def tensor(values: Array) -> Tensor:
    """A leaf of the graph, in C order: torch has no negative strides."""
    return torch.tensor(np.array(values, order="C"), requires_grad=True)


def judge(case: Case, cls: Any, function: Callable[[Tensor, Params], Tensor]) -> None:
    """Layer and function agree in y and in every gradient, for a random upstream gradient."""
    layer, x = case.layer(cls), case.x()
    y = layer.forward(x)
    dy = case.dy(y.shape)
    received = gradients(layer, layer.backward(dy))
    leaves = {"x": tensor(x)} | {name: tensor(value) for name, value in layer.params.items()}
    expected = function(leaves["x"], leaves)
    same("y", y, expected.detach().numpy(), TOLERANCE)
    expected.backward(torch.tensor(np.array(dy, order="C")))
    for name, leaf in leaves.items():
        same(f"d{name}", received[f"d{name}"], leaf.grad.numpy(), TOLERANCE)


def padded(x: Tensor, padding: tuple[int, int, int, int], value: float) -> Tensor:
    """x with a border; torch names the last axis first."""
    top, bottom, left, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def convolution(x: Tensor, weight: Tensor, bias: Tensor, case: ConvCase) -> Tensor:
    return F.conv2d(padded(x, four(case.padding), 0.0), weight, bias, two(case.stride), groups=case.groups)


@given(case=conv_cases())
def test_conv2d(case: ConvCase) -> None:
    judge(case, layers.Conv2d, lambda x, p: convolution(x, p["weight"], p["bias"], case))


def border(case: PoolCase) -> tuple[int, int, int, int]:
    """Padding that covers all windows, so that torch can do without ceil_mode: it knows no asymmetric padding itself."""
    kernel, stride, (top, bottom, left, right) = case.window["kernel"], case.window["stride"], case.window["padding"]
    _, _, oH, oW = case.build(layers.MaxPool2d).output_shape(case.shape)
    below = (oH - 1) * stride[0] + kernel[0] - top - case.shape[2]
    beside = (oW - 1) * stride[1] + kernel[1] - left - case.shape[3]
    return top, max(bottom, below), left, max(right, beside)


@given(case=pool_cases(MaxPoolCase))
def test_max_pool2d(case: MaxPoolCase) -> None:
    window = case.window["kernel"], case.window["stride"]
    judge(case, layers.MaxPool2d, lambda x, _: F.max_pool2d(padded(x, border(case), -np.inf), *window))


@given(case=pool_cases(AvgPoolCase))
def test_avg_pool2d(case: AvgPoolCase) -> None:
    """The mean of real pixels is the mean with padding over the share of real pixels."""
    window = case.window["kernel"], case.window["stride"]

    def mean(x: Tensor, _: Params) -> Tensor:
        share = F.avg_pool2d(padded(torch.ones_like(x), border(case), 0.0), *window)
        return F.avg_pool2d(padded(x, border(case), 0.0), *window) / share

    judge(case, layers.AvgPool2d, mean)


def torch_can(case: PoolCase) -> bool:
    """Symmetric padding of at most half the kernel is what torch's own pooling takes."""
    (top, bottom, left, right), (kH, kW) = case.window["padding"], case.window["kernel"]
    return top == bottom and left == right and 2 * top <= kH and 2 * left <= kW


@given(case=pool_cases(MaxPoolCase).filter(torch_can))
def test_max_pool2d_of_torch_itself(case: MaxPoolCase) -> None:
    """Where torch pads, its own padding and ceil_mode give the same."""
    kernel, stride, (top, _, left, _) = case.window["kernel"], case.window["stride"], case.window["padding"]
    judge(case, layers.MaxPool2d, lambda x, _: F.max_pool2d(x, kernel, stride, (top, left), ceil_mode=case.ceil_mode))


@given(case=pool_cases(AvgPoolCase).filter(torch_can))
def test_avg_pool2d_of_torch_itself(case: AvgPoolCase) -> None:
    """Where torch pads, count_include_pad=False and ceil_mode give the same."""
    kernel, stride, (top, _, left, _) = case.window["kernel"], case.window["stride"], case.window["padding"]

    def mean(x: Tensor, _: Params) -> Tensor:
        return F.avg_pool2d(x, kernel, stride, (top, left), ceil_mode=case.ceil_mode, count_include_pad=False)

    judge(case, layers.AvgPool2d, mean)


@given(case=lrn_cases(grouped=False))
def test_local_response_norm(case: LRNCase) -> None:
    """torch divides alpha by the size, so it gets size * alpha; even windows reach one further down, in both."""
    alpha = case.alpha if case.alpha_over_size else case.alpha * case.size
    judge(
        case,
        layers.LocalResponseNorm,
        lambda x, _: F.local_response_norm(x, case.size, alpha=alpha, beta=case.beta, k=case.k),
    )


@given(case=spatial_norm_cases())
def test_spatial_response_norm(case: SpatialNormCase) -> None:
    """torch has no such layer; but zeros around the image, and means over squares, padding counted, are what it is made of."""
    n = case.size

    def norm(x: Tensor, _: Params) -> Tensor:
        before, behind = n // 2, n - 1 - n // 2
        means = F.avg_pool2d(padded(x * x, (before, behind, before, behind), 0.0), n, stride=1)
        return x / (case.k + case.alpha * means) ** case.beta

    judge(case, layers.SpatialResponseNorm, norm)


@given(case=linear_cases())
def test_linear(case: LinearCase) -> None:
    judge(case, layers.Linear, lambda x, p: F.linear(x, p["weight"], p["bias"]))


@given(case=shaped_cases(ReLUCase))
def test_relu(case: ReLUCase) -> None:
    judge(case, layers.ReLU, lambda x, _: F.relu(x))


@given(case=shaped_cases(TanhCase))
def test_tanh(case: TanhCase) -> None:
    judge(case, layers.Tanh, lambda x, _: torch.tanh(x))


@given(case=shaped_cases(SigmoidCase))
def test_sigmoid(case: SigmoidCase) -> None:
    judge(case, layers.Sigmoid, lambda x, _: torch.sigmoid(x))


@given(case=shaped_cases(FlattenCase))
def test_flatten(case: FlattenCase) -> None:
    judge(case, layers.Flatten, lambda x, _: x.reshape(len(x), -1))


@given(case=sequential_cases())
def test_sequential(case: SequentialCase) -> None:
    def chain(x: Tensor, p: Params) -> Tensor:
        x = torch.tanh(F.conv2d(padded(x, (1, 0, 1, 1), 0.0), p["conv.weight"], p["conv.bias"]))
        x = F.local_response_norm(x, 3, alpha=3 * 0.5, beta=0.75, k=2.0)
        return F.linear(F.avg_pool2d(x, 2).flatten(1), p["3.linear.weight"], p["3.linear.bias"])

    judge(case, layers.Sequential, chain)


@given(case=loss_cases())
def test_softmax_cross_entropy(case: LossCase) -> None:
    loss, logits = layers.SoftmaxCrossEntropy(), case.x()
    value = loss.forward(logits, case.labels())
    leaf = tensor(logits)
    expected = F.cross_entropy(leaf, torch.tensor(case.labels().astype(np.int64)))
    expected.backward()
    assert abs(value - expected.item()) <= TOLERANCE * (1 + value), f"the loss is {value}, expected {expected.item()}"
    same("dlogits", loss.backward(), leaf.grad.numpy(), TOLERANCE)
