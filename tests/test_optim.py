"""The paper's update rule, against the rule itself written as a loop."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex import optim
from minialex.arrays import Array
from minialex.devices import parse_devices
from minialex.layers import Conv2d, Linear, ReLU, Sequential
from minialex.nets import small_towers
from minialex.optim import SGD
from tests.strategies import ORDERS, Order, lay_out

rates = st.sampled_from([0.0, 1e-4, 0.01, 0.3])
factors = st.sampled_from([0.0, 0.5, 0.9, 0.99])


def rule(w: Array, gradients: list[Array], rates: list[float], momentum: float, decay: float) -> tuple[Array, Array]:
    """Section 5, one number at a time: v <- momentum v - decay lr w - lr g; w <- w + v. Returns w and v."""
    w, v = w.astype(np.float64), np.zeros(w.shape)
    for g, lr in zip(gradients, rates, strict=True):
        for at in np.ndindex(w.shape):
            v[at] = momentum * v[at] - decay * lr * w[at] - lr * g[at]
            w[at] = w[at] + v[at]
    return w, v


def writable(values: Array, order: Order) -> Array:
    x = lay_out(values, order)
    x.flags.writeable = True
    return x


def model(seed: int, order: Order, dtype: Any) -> Sequential:
    """A convolution and a linear layer, parameters N(0, 1) in this memory order."""
    rng = np.random.default_rng(seed)
    net = Sequential(conv=Conv2d(2, 3, (2, 1), dtype=dtype), relu=ReLU(), fc=Linear(3, 2, dtype=dtype))
    for layer in net.layers:
        for name, value in layer.params.items():
            layer.params[name] = writable(np.asarray(rng.standard_normal(value.shape), dtype), order)
    return net


def draw_gradients(net: Sequential, order: Order, seed: int, step: int) -> dict[str, Array]:
    rng = np.random.default_rng((seed, step))
    for layer in net.layers:
        layer.grads = {n: lay_out(np.asarray(rng.standard_normal(w.shape), w.dtype), order) for n, w in layer.params.items()}
    return {name: g.copy() for name, g in net.grads.items()}


@given(
    rate=st.lists(rates, min_size=1, max_size=5),
    momentum=factors,
    decay=st.sampled_from([0.0, 0.0005, 0.3]),
    bias_lr=st.sampled_from([1.0, 2.0, 0.0]),
    orders=st.tuples(st.sampled_from(ORDERS), st.sampled_from(ORDERS)),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 9999),
)
def test_sgd_is_the_papers_rule(
    rate: list[float], momentum: float, decay: float, bias_lr: float, orders: tuple[Order, Order], dtype: str, seed: int
) -> None:
    """With the rate changed between steps, any memory order, weight decay on weights only; in place, gradients untouched."""
    net = model(seed, orders[0], dtype)
    start, arrays = {name: w.copy() for name, w in net.params.items()}, dict(net.params)
    update = SGD(net, momentum=momentum, weight_decay=decay, bias_lr=bias_lr)
    gradients = []
    for step, lr in enumerate(rate):
        gradients.append(draw_gradients(net, orders[1], seed, step))
        update.lr = lr
        update.step()
        assert all(np.array_equal(net.grads[name], g) for name, g in gradients[-1].items())
    for name, w in net.params.items():
        own = [lr * bias_lr for lr in rate] if name.endswith("bias") else rate
        own_decay = 0.0 if name.endswith("bias") else decay
        expected, velocity = rule(start[name], [g[name] for g in gradients], own, momentum, own_decay)
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(w, expected, rtol=tolerance, atol=tolerance, err_msg=name)
        np.testing.assert_allclose(update.velocity[name], velocity, rtol=tolerance, atol=tolerance, err_msg=name)
        assert w is arrays[name]
        assert w.dtype == update.velocity[name].dtype == dtype


@given(rows=st.sampled_from([1, 3, 127]), columns=st.sampled_from([1, 129, 2 * optim.CHUNK + 1]), seed=st.integers(0, 99))
def test_large_arrays_are_updated_to_the_last_number(rows: int, columns: int, seed: int) -> None:
    """Sizes around the pieces in which the CPU works: less than one, a few, one row in more than one."""
    columns = min(columns, 6 * optim.CHUNK // rows)
    rng = np.random.default_rng(seed)
    w, g, v = (rng.standard_normal((rows, columns)) for _ in range(3))
    new_v = 0.9 * v - 0.0005 * 0.1 * w - 0.1 * g
    expected = w + new_v
    optim.update(w, g, v, 0.1, 0.9, 0.0005)
    np.testing.assert_allclose(v, new_v, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(w, expected, rtol=1e-12, atol=1e-14)


def test_the_old_velocity_keeps_its_pace_when_the_rate_drops() -> None:
    """The rate is inside the velocity: with rate 0 and no gradient, w still moves on, by 0.9 of the last step."""
    layer = Linear(1, 1, dtype=np.float64)
    layer.params["weight"] = np.array([[1.0]])
    layer.grads = {"weight": np.array([[2.0]]), "bias": np.array([0.0])}
    update = SGD(layer, lr=0.1, momentum=0.9, weight_decay=0.5)
    update.step()
    first = -0.5 * 0.1 * 1.0 - 0.1 * 2.0
    assert layer.params["weight"].item() == pytest.approx(1 + first, abs=1e-15)
    update.lr = 0.0
    update.step()
    assert layer.params["weight"].item() == pytest.approx(1 + first + 0.9 * first, abs=1e-15)


def test_each_device_updates_its_own_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    where: dict[str, set[str]] = {}
    update = optim.update

    def watched(w: Any, dw: Any, v: Any, *numbers: float) -> None:
        assert w.place == dw.place == v.place
        where.setdefault(w.place, set()).add(threading.current_thread().name.split("_")[0])
        update(w, dw, v, *numbers)

    monkeypatch.setattr(optim, "update", watched)
    net = small_towers(parse_devices("cpu,cpu"), dtype=np.float64)
    sgd, x = SGD(net, lr=0.1), np.random.default_rng(0).standard_normal((2, *net.input_shape))
    before = net.state_dict()
    net.backward(net.forward(x))
    sgd.step()
    assert where == {"cpu:0": {"cpu:0"}, "cpu:1": {"cpu:1"}}
    assert sgd.velocity.keys() == before.keys()
    gradients = net.grad_dict()
    for name, w in net.state_dict().items():
        decay = 0.0 if name.endswith("bias") else 0.0005
        np.testing.assert_allclose(w, before[name] - decay * 0.1 * before[name] - 0.1 * gradients[name], rtol=0, atol=1e-15)


def test_two_updates_of_one_net_do_not_share_their_velocity() -> None:
    layer = Linear(2, 2)
    layer.grads = {name: np.ones_like(w) for name, w in layer.params.items()}
    one, other = SGD(layer, lr=0.1), SGD(layer, lr=0.1)
    one.step()
    assert other.velocity == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": -0.1},
        {"lr": float("nan")},
        {"momentum": -0.1},
        {"momentum": 1.0},
        {"momentum": float("nan")},
        {"weight_decay": -1e-9},
        {"bias_lr": -1.0},
    ],
)
def test_wrong_numbers_are_refused_in_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"^SGD: ") as error:
        SGD(Linear(1, 1), **wrong)
    ((name, value),) = wrong.items()
    assert f"{name}={value}" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_step_needs_gradients() -> None:
    net = small_towers(parse_devices("cpu,cpu"))
    before = net.state_dict()
    with pytest.raises(RuntimeError, match=r"conv1\.0\.weight has no gradient yet; run backward before step\(\)"):
        SGD(net).step()
    with pytest.raises(RuntimeError, match=r"^SGD: weight has no gradient yet; run backward before step\(\)$"):
        SGD(Linear(1, 1)).step()
    assert all(np.array_equal(w, before[name]) for name, w in net.state_dict().items())
