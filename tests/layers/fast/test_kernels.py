"""The fast layers on a GPU: the same claims hold of them there. The kernels run on the CPU, from the same source.

Where there is a GPU, `pytest -m gpu` makes the same claims of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minialex import layers
from minialex.layers import cuda, fast
from minialex.layers.fast.workspace import workspace
from tests import checks
from tests.checks.conv import columns_may_be_made_for_any_number_of_images
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.suite import Suite, copies, gradients, host, same
from tests.cuda import stand_in
from tests.cuda.compiled import compiler
from tests.layers.fast.hosted import hosted, put, there
from tests.strategies import tiled_cases

KERNELS_OF = {
    "Conv2d": {"im2col", "col2im", "bias_relu"},
    "OneImageOfColumns": {"im2col", "col2im", "bias_relu"},
    "Linear": {"bias_relu"},
    "ReLU": {"relu_backward"},
    "MaxPool2d": {"max_pool_forward", "max_pool_backward"},
    "AvgPool2d": {"avg_pool_forward", "avg_pool_backward"},
    "LocalResponseNorm": {"lrn_forward", "lrn_backward"},
    "Dropout": {"dropout"},
}


class OneImageOfColumns(fast.Conv2d):
    workspace_bytes = {"numpy": 1, "cupy": 1}  # noqa: RUF012


class OneImageAtATime(fast.Blocked):
    block_bytes = {"numpy": 1, "cupy": 1}  # noqa: RUF012


TWINS: list[tuple[Suite, Any, Any]] = [
    (checks.CONV2D, fast.Conv2d, None),
    (checks.CONV2D, OneImageOfColumns, tiled_cases()),
    (checks.LINEAR, fast.Linear, None),
    (checks.RELU, fast.ReLU, None),
    (checks.MAX_POOL2D, fast.MaxPool2d, None),
    (checks.AVG_POOL2D, fast.AvgPool2d, None),
    (checks.LOCAL_RESPONSE_NORM, fast.LocalResponseNorm, None),
    (checks.DROPOUT, fast.Dropout, None),
]


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest) -> Iterator[bool]:
    """One GPU, made up or real; gives whether it is made up."""
    made_up = request.param == "stand-in"
    if made_up:
        compiler()
    with stand_in.gpu() if made_up else stand_in.real_gpu():
        stand_in.RawModule.launched.clear()
        yield made_up


def launched() -> set[str]:
    return {name.removesuffix("_vectors") for name in stand_in.RawModule.launched}


@pytest.mark.parametrize(("suite", "cls", "cases"), TWINS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_claimed_of_the_plain_layer_holds_on_a_gpu(suite: Suite, cls: Any, cases: Any, gpu: bool) -> None:
    claims = {*suite.properties, *suite.facts} - {columns_may_be_made_for_any_number_of_images}  # in a CPU's workspace
    suite.run(hosted(cls), max_examples=15, shrink=True, cases=cases, only=claims)
    assert not gpu or launched() == KERNELS_OF[cls.__name__]


@pytest.mark.parametrize("cls", [fast.Sequential, fast.Blocked, OneImageAtATime])
def test_what_is_claimed_of_sequential_holds_on_a_gpu(cls: Any, gpu: bool) -> None:
    checks.SEQUENTIAL.run(hosted_outside(cls), max_examples=10, shrink=True, only=(*NUMBERS, *MANNERS))


def hosted_outside(cls: Any) -> Any:
    """The class for a tail inside, and hosted for the whole: only the caller of the whole sees host arrays."""

    def make(*inside: Any, **named: Any) -> Any:
        whole = any(isinstance(layer, layers.Sequential) for layer in inside)
        return (hosted(cls) if whole else cls)(*inside, **named)

    return make


# Bias and ReLU in one


def stack(kind: Any, sequential: Any, C: int, dtype: Any, seed: int) -> Any:
    """Two joints and what may stand around them, with parameters from N(0, 1)."""
    made = sequential(
        conv=kind.Conv2d(C, 4, 3, padding=1, dtype=dtype),
        relu=kind.ReLU(),
        thin=kind.Dropout(0.2, rng=np.random.default_rng((seed, 1))),
        norm=kind.LocalResponseNorm(3, 0.5),
        bare=kind.Conv2d(4, 3, (2, 1), dtype=dtype),
        pool=kind.MaxPool2d(2),
        late=kind.ReLU(),
        flatten=layers.Flatten(),
        linear=kind.Linear(18, 5, dtype=dtype),
        sharp=kind.ReLU(),
        drop=kind.Dropout(0.4, rng=np.random.default_rng(seed)),
        last=kind.Linear(5, 3, dtype=dtype),
    )
    rng = np.random.default_rng(seed)
    for _, leaf in made.leaves():
        leaf.params.update({key: rng.standard_normal(value.shape).astype(dtype) for key, value in leaf.params.items()})
    return made


@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul")  # OpenBLAS looks at what `out` held: nan
@pytest.mark.parametrize("sequential", [fast.Sequential, fast.Blocked])
@settings(max_examples=20)
@given(N=st.integers(1, 3), C=st.integers(1, 4), train=st.booleans(), seed=st.integers(0, 999), data=st.data())
def test_joined_layers_agree_with_the_plain_ones(sequential: Any, N: int, C: int, train: bool, seed: int, data: Any) -> None:
    compiler()
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    with stand_in.gpu():
        agree(sequential, N, C, train, seed, dtype)


@pytest.mark.parametrize("sequential", [fast.Sequential, fast.Blocked])
def test_joined_layers_agree_with_the_plain_ones_on_a_gpu(sequential: Any, gpu: bool) -> None:
    for seed, dtype in enumerate([np.float32, np.float64]):
        agree(sequential, 3, 2, True, seed, dtype)
    names = stand_in.RawModule.launched
    if gpu:
        assert len([name for name in names if name.startswith("bias_relu")]) == 2 * 2 * 4, "once for each bias and forward pass"
        assert len([name for name in names if name.startswith("relu_backward")]) == 2 * 3 * 3, (
            "once for each ReLU and backward pass"
        )
        assert names.count("bias_relu_dropout") == 2 * 2, "once for each dropout and forward pass"
        assert names.count("dropout") == 2 * (2 + 3), "once for each pass of the one behind the convolution"


def agree(sequential: Any, N: int, C: int, train: bool, seed: int, dtype: Any, kind: Any = fast) -> None:
    tolerance = 1e-12 if dtype == np.float64 else 5e-5
    x, dy = (np.random.default_rng((seed, k)).standard_normal(shape) for k, shape in enumerate([(N, C, 5, 6), (N, 3)]))
    results = []
    for make, chain in ((layers, layers.Sequential), (kind, hosted(sequential))):
        net = stack(make, chain, C, dtype, seed)
        for _ in range(2):  # the second pass finds what the first has left
            y = net.forward(x.astype(dtype), train)
            received = copies(gradients(net, net.backward(dy.astype(dtype))))
        again = copies(gradients(net, net.backward(dy.astype(dtype))))
        for name, value in received.items():
            same(f"{name}, the second time,", again[name], value)
        results.append({"y": y} | received)
    for name, expected in results[0].items():
        same(name, results[1][name], expected, tolerance)


def test_joined_layers_do_nothing_twice(gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the ReLU's maximum nor the sum for db is computed on its own, and no mask."""
    net = fast.Sequential(fast.Conv2d(1, 2, 2), fast.ReLU(), layers.Flatten(), fast.Linear(24, 3), fast.ReLU(), fast.Dropout())

    def never(*arguments: Any) -> Any:
        raise AssertionError("done again")

    for plain, work in ((layers.ReLU, "forward"), (layers.Conv2d, "_bias_gradient"), (layers.Linear, "_bias_gradient")):
        monkeypatch.setattr(plain, work, never)
    monkeypatch.setattr(cuda, "dropout", never)
    with there(net):
        y = net.forward(put(np.ones((2, 1, 4, 5), np.float32)))
        net.backward(put(np.ones(y.shape, np.float32)))
    for joint in net.joints:
        assert (joint.closed, joint.y, joint.masked, joint.dY, joint.db) == (False, *[None] * 4), "the joint holds memory"


def test_alone_a_joined_layer_is_itself(gpu: bool) -> None:
    """What Sequential has its layers do for each other is done only there."""
    alone_each_is_itself(fast)


def alone_each_is_itself(kind: Any) -> None:
    rng = np.random.default_rng(0)
    conv, relu = hosted(kind.Conv2d)(1, 2, 2), hosted(kind.ReLU)()
    joined = kind.Sequential(conv, relu)
    x = rng.standard_normal((2, 1, 4, 5), dtype=np.float32)
    y = conv.forward(x)
    assert (y < 0).any()
    same("max(0, y)", relu.forward(y), np.maximum(y, 0))
    dy = rng.standard_normal(y.shape, dtype=np.float32)
    dY = relu.backward(dy)
    same("dY", dY, dy * (y > 0))
    conv.backward(dy)
    same("db", conv.grads["bias"], dy.sum(axis=(0, 2, 3)), 1e-5)
    with pytest.raises(TypeError):
        joined.forward([1.0])  # type: ignore[arg-type]
    assert not joined.joints[0].closed, "an error leaves the layers joined"


# Bias, ReLU and dropout in one


@settings(max_examples=30)
@given(
    N=st.integers(1, 9),
    D=st.integers(1, 9),
    slices=st.integers(1, 2),
    p=st.sampled_from([0.0, 0.3, 0.9]),
    seed=st.integers(0, 999),
    trains=st.lists(st.booleans(), min_size=1, max_size=3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_full_layer_with_relu_and_dropout_is_the_plain_ones(
    N: int, D: int, slices: int, p: float, seed: int, trains: list[bool], dtype: Any
) -> None:
    compiler()
    with stand_in.gpu():
        a_full_layer_agrees(N, D, slices, p, seed, trains, dtype)


def test_a_full_layer_with_relu_and_dropout_is_the_plain_ones_on_a_gpu(gpu: bool) -> None:
    a_full_layer_agrees(128, 515, 2, 0.5, 1, [True, False, True], np.float32)


def a_full_layer_agrees(
    N: int, D: int, slices: int, p: float, seed: int, trains: list[bool], dtype: Any, kind: Any = fast
) -> None:
    """y, all gradients, and what is left of the generators; and once more where forward or backward goes layer by layer."""
    tolerance = 1e-12 if dtype == np.float64 else 5e-5
    nets = []
    for make, wrap in ((layers, lambda chain: chain), (kind, hosted)):
        rngs = [np.random.default_rng((seed, s)) for s in range(slices)]
        parts = make.Linear(4, D * slices, dtype=dtype), make.ReLU(), make.Dropout(p, rng=rngs)
        nets.append(wrap(make.Sequential)(*parts))
        rng = np.random.default_rng(seed)
        for leaf in parts:
            leaf.params.update({key: rng.standard_normal(v.shape).astype(dtype) for key, v in leaf.params.items()})
    plain, ours = nets
    for step, train in enumerate(trains):
        rng = np.random.default_rng((seed, step))
        x, dy = (rng.standard_normal((N, width)).astype(dtype) for width in (4, D * slices))
        same("y", ours.forward(x, train), plain.forward(x, train), tolerance)
        expected, received = (copies(gradients(net, net.backward(dy))) for net in (plain, ours))
        same("dL/d(ReLU's y)", host(ours.layers[2].backward(put(dy))), plain.layers[2].backward(dy))
        with there(ours):
            alone = put(dy)
            for layer in reversed(ours.layers):
                alone = layer.backward(alone)
            passed = put(x)
            for each, layer in zip(plain.layers, ours.layers, strict=True):
                x, passed = each.forward(x, train), layer.forward(passed, train)
        same("y, layer by layer,", passed, x, tolerance)
        of_whole = copies(gradients(ours, ours.backward(dy)))
        same("dx of the whole, after that,", of_whole["dx"], plain.backward(dy), tolerance)
        for name, value in expected.items():
            same(name, received[name], value, tolerance)
        same("dx, layer by layer,", alone, expected["dx"], tolerance)
        states = [[rng.bit_generator.state for rng in net.layers[2].rngs] for net in nets]
        assert states[0] == states[1], "the generators have come apart"


def test_alone_a_joined_dropout_is_itself(gpu: bool) -> None:
    """Forward and backward, whatever Sequential has had the layer before do for it."""
    full, relu, dropout = fast.Linear(2, 300), fast.ReLU(), fast.Dropout(0.5)
    joined = fast.Sequential(full, relu, dropout)
    x = put(np.ones((2, 2), np.float32))
    with there(joined):
        seen = host(joined.forward(x))
        y = full.forward(x)
        assert (host(y) < 0).any(), "the full layer alone rectifies"
        rectified = relu.forward(y)
        assert (host(rectified) > 0).sum() > (seen > 0).sum(), "the ReLU alone drops"
        dropped = host(dropout.forward(rectified))
    assert 0 < (dropped > 0).sum() < (host(rectified) > 0).sum()


# Dropout, workspace


@settings(max_examples=20)
@given(N=st.integers(1, 9), D=st.integers(1, 9), slices=st.integers(1, 2), seed=st.integers(0, 999))
def test_a_gpu_draws_the_masks_of_a_cpu(N: int, D: int, slices: int, seed: int) -> None:
    compiler()
    with stand_in.gpu():
        the_masks_are_equal(N, D, slices, seed)


def test_a_real_gpu_draws_them_too(gpu: bool) -> None:
    the_masks_are_equal(128, 515, 2, 1)


def the_masks_are_equal(N: int, D: int, slices: int, seed: int, kind: Any = fast.Dropout) -> None:
    x = 1 + np.arange(N * D * slices, dtype=np.float32).reshape(N, D * slices)
    kinds = (layers.Dropout, hosted(kind))
    plain, ours = (each(0.3, rng=[np.random.default_rng((seed, s)) for s in range(slices)]) for each in kinds)
    for train in (True, False, True):
        same("y", ours.forward(x, train), plain.forward(x, train))
        same("dx", ours.backward(x), plain.backward(x))
        states = [[rng.bit_generator.state for rng in layer.rngs] for layer in (plain, ours)]
        assert states[0] == states[1], "the generators have come apart"


def test_the_workspace_is_kept_one_for_each_stream(gpu: bool) -> None:
    import cupy  # noqa: PLC0415

    x = put(np.ones(3, np.float32))
    first = workspace(x, 100)
    assert first.size >= 100
    assert workspace(x, 7) is first
    assert workspace(put(np.ones(3)), 7).dtype == np.float64
    assert workspace(x, 100) is first
    with cupy.cuda.Stream(non_blocking=True):
        assert workspace(x, 7) is not first
    larger = workspace(x, 101)
    assert larger.size >= 101
    assert workspace(x, 100) is larger
