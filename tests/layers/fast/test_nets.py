"""Whole nets whose layers run as kernels, on GPUs that are not there: they learn what they learn on CPU devices."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex import checkpoint
from minialex.arrays import Array, channels_last
from minialex.devices import parse_devices
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.nets import cifar10_net, small_towers
from minialex.optim import SGD, update
from tests.cuda.compiled import compiler
from tests.cuda.stand_in import RawModule, installed
from tests.narrow import Narrow, narrow_nets, one_in

IN_TRAINING = {
    *("im2col", "col2im", "bias_relu", "relu_backward", "lrn_forward", "lrn_backward"),
    *("max_pool_forward", "max_pool_backward", "bias_relu_dropout", "sgd_update"),
}


@pytest.fixture(autouse=True)
def a_compiler() -> Iterator[None]:
    compiler()
    RawModule.launched.clear()
    yield
    gc.collect()


def launched() -> set[str]:
    return {name.removesuffix("_vectors") for name in RawModule.launched}


def learn(net: Net, optimizer: SGD, steps: int, first: int = 0, N: int = 3) -> list[float]:
    """A few steps with dropout; returns the losses."""
    loss, losses = SoftmaxCrossEntropy(), []
    for step in range(first, first + steps):
        images = np.random.default_rng(step).standard_normal((N, *net.input_shape))
        losses.append(loss.forward(net.forward(images, train=True), np.arange(N) % net.num_classes))
        net.backward(loss.backward())
        optimizer.step()
    return losses


def same_numbers(net: Net, twin: Net) -> None:
    """Parameters and gradients are equal, but for rounding."""
    for which in ("state_dict", "grad_dict"):
        got, expected = getattr(net, which)(), getattr(twin, which)()
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, rtol=0, atol=1e-11 * np.abs(value).max(), err_msg=f"{which} {name}")
    assert net.generators().keys() == twin.generators().keys()
    for name, rng in twin.generators().items():
        assert net.generators()[name].bit_generator.state == rng.bit_generator.state, name


def small(text: str) -> Net:
    return small_towers(parse_devices(text), dtype=np.float64, input_shape=(2, 9, 12), maps=4, hidden=5)


@pytest.mark.parametrize("peers", [True, False])
@pytest.mark.parametrize("text", ["0,1", "0,0"])
def test_a_net_learns_with_kernels_as_on_cpus(text: str, peers: bool) -> None:
    with installed(2, peers=peers) as machine:
        net, twin = small(text), small("cpu,cpu")
        losses = [learn(each, SGD(each, lr=0.05), 4) for each in (net, twin)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)
        same_numbers(net, twin)
        assert launched() == IN_TRAINING
    assert not machine.late


@one_in(6)
@given(narrow=narrow_nets(), text=st.sampled_from(["0,1", "0,0"]))
def test_alexnets_page_runs_with_kernels_as_on_cpus(narrow: Narrow, text: str) -> None:
    with installed(2):
        net, twin = narrow.towers(parse_devices(text)), narrow.towers(parse_devices("cpu,cpu"))
        got, expected = net.forward(narrow.images(), True), twin.forward(narrow.images(), True)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        net.backward(narrow.dlogits())
        twin.backward(narrow.dlogits())
        same_numbers(net, twin)


def test_the_cifar10_net_learns_with_kernels_as_on_cpus() -> None:
    """Average pooling, and ReLU behind pooling, where it is joined to nothing."""
    with installed(1):
        net, twin = (cifar10_net(parse_devices(text), dtype=np.float64) for text in ("0", "cpu"))
        for each in (net, twin):
            learn(each, SGD(each), 2)
        same_numbers(net, twin)
        assert {"avg_pool_forward", "avg_pool_backward"} <= launched()


def test_a_run_goes_on_elsewhere_as_it_would_have_here(tmp_path: Any) -> None:
    """From a CPU to GPUs and back: the masks of dropout go on, and parameters come back in channels-last memory."""
    with installed(2):
        whole = small("cpu,cpu")
        losses = learn(whole, SGD(whole, lr=0.05), 6)
        resumed = []
        for part, text in enumerate(["cpu,cpu", "0,1", "cpu,cpu"]):
            net = small(text)
            optimizer = SGD(net, lr=0.05)
            if part:
                checkpoint.restore(net, optimizer, checkpoint.load(tmp_path / "run.ckpt"))
                weight: Any = net.params["conv2.0.weight"]
                assert weight.transpose(0, 2, 3, 1).flags.c_contiguous
            resumed += learn(net, optimizer, 2, first=2 * part)
            checkpoint.save(tmp_path / "run.ckpt", checkpoint.capture(net, optimizer))
        np.testing.assert_allclose(resumed, losses, rtol=1e-12)


# Memory


def test_after_the_first_steps_no_columns_are_allocated() -> None:
    with installed(1) as machine:
        net = small("0,0")
        optimizer = SGD(net)
        largest = []
        allocate = machine.live.add
        machine.live.add = lambda memory: (largest.append(memory.high - memory.low), allocate(memory))[1]  # type: ignore[method-assign]
        counts = []
        for step in range(4):
            largest.clear()
            learn(net, optimizer, 1, first=step, N=16)
            counts.append((len(largest), max(largest)))
        columns = 16 * 9 * 12 * 9 * 4 * 8  # conv2's, the largest
        assert counts[0][1] == columns
        assert max(size for _, size in counts[1:]) < columns
        assert counts[1][0] == counts[2][0] == counts[3][0]


def test_the_update_takes_channels_last_memory_as_it_is() -> None:
    rng = np.random.default_rng(0)
    with installed(1) as machine:
        (device,) = parse_devices("0")
        for shape in ((4, 3, 2, 5), (4, 1, 3, 3), (6, 5), (7,)):
            for order in (channels_last, np.asfortranarray, np.ascontiguousarray):
                host = [order(rng.standard_normal(shape)) for _ in range(3)]
                there: list[Any] = [device.put(array) for array in host]
                before, RawModule.launched[:] = machine.allocations[0], []
                device.submit(update, *there, 0.1, 0.9, 0.5).result()
                assert machine.allocations[0] == before, f"{shape}: a copy was made"
                assert launched() == {"sgd_update"}
                w, dw, v = host
                update(w, dw, v, 0.1, 0.9, 0.5)
                for got, expected in zip(there, (w, dw, v), strict=True):
                    np.testing.assert_array_equal(device.get(got), expected)


def test_the_update_of_arrays_that_do_not_lie_alike_is_right_too() -> None:
    rng = np.random.default_rng(0)
    with installed(1):
        (device,) = parse_devices("0")
        for orders in ((channels_last, np.array, channels_last), (channels_last, channels_last, np.array)):
            host = [order(rng.standard_normal((4, 3, 2, 5))) for order in orders]
            there: list[Array] = [device.put(array) for array in host]
            for arrays, run in ((there, device.submit), (host, lambda work, *rest: work(*rest))):
                run(update, *arrays, 0.1, 0.9, 0.5)
            for got, expected in zip(there, host, strict=True):
                np.testing.assert_array_equal(device.get(got), expected)
