"""How nets start: section 5 of the paper, the 2012 code's values, He's for the small net; each array from its own generator."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.arrays import Array
from minialex.devices import parse_devices
from minialex.initial import INITIALS, Initial, initialise
from minialex.net import Net
from minialex.nets import alexnet, alexnet_grouped, alexnet_one_gpu, alexnet_six_conv, cifar10_net, small_towers
from minialex.seeds import generator
from tests.narrow import Narrow

ONES = {
    "conv2",
    "conv4",
    "conv5",
    "conv6",
    "fc6",
    "fc7",
}  # "the second, fourth, and fifth convolutional layers, and ... hidden"
CODE = {"conv3": 0.03, "conv4": 0.03, "conv5": 0.03, "conv6": 0.03}


def mark(shape: tuple[int, ...], std: float, dtype: Any, rng: Any) -> Array:
    return np.broadcast_to(np.asarray(std, dtype), shape)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of drawing it, fill a weight with its standard deviation."""
    for module in ("initial", "layers.conv", "layers.linear"):
        monkeypatch.setattr(f"minialex.{module}.gaussian", mark)


def starts(net: Net) -> tuple[dict[str, float], dict[str, float]]:
    """For each layer (both towers alike): the standard deviation of its weights, and its biases."""
    found: dict[str, dict[str, set[float]]] = {"weight": {}, "bias": {}}
    for name, value in net.params.items():
        base, kind = name.split(".")[0], name.rsplit(".", 1)[1]
        found[kind].setdefault(base, set()).update({float(value.min()), float(value.max())})
    assert all(len(numbers) == 1 for layers in found.values() for numbers in layers.values())
    weights, biases = ({base: numbers.pop() for base, numbers in layers.items()} for layers in found.values())
    return weights, biases


@pytest.mark.parametrize("build", [alexnet, alexnet_grouped, alexnet_one_gpu, alexnet_six_conv])
@pytest.mark.parametrize("preset", ["paper", "code2012"])
@pytest.mark.usefixtures("marked")
def test_the_papers_nets_start_as_it_says_or_as_the_code_did(build: Callable[..., Net], preset: str) -> None:
    weights, biases = starts(build(parse_devices("cpu,cpu"), preset=preset))
    for base, std in weights.items():
        assert std == np.float32(CODE.get(base, 0.01) if preset == "code2012" else 0.01), base
    assert biases == {base: float(base in ONES) for base in weights}


@pytest.mark.usefixtures("marked")
def test_the_cifar10_net_starts_as_the_published_one() -> None:
    weights, biases = starts(cifar10_net(parse_devices("cpu"), dtype=np.float64))
    assert weights == {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01, "fc4": 0.01}
    assert set(biases.values()) == {0.0}


@given(C=st.integers(1, 3), maps=st.integers(1, 4), hidden=st.integers(1, 5))
def test_the_small_net_starts_as_he_et_al_say(C: int, maps: int, hidden: int) -> None:
    """Standard deviation sqrt(2 / fan_in)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minialex.initial.gaussian", mark)
        net = small_towers(parse_devices("cpu,cpu"), input_shape=(C, 8, 8), maps=maps, hidden=hidden, dtype=np.float64)
    weights, biases = starts(net)
    fan_in = {"conv1": 9 * C, "conv2": 9 * maps, "conv3": 9 * 4 * maps, "fc4": 4 * maps * 2 * 2, "fc5": 2 * hidden}
    assert weights == pytest.approx({base: sqrt(2 / n) for base, n in fan_in.items()}, rel=1e-12)
    assert set(biases.values()) == {0.0}


@given(std=st.sampled_from([0.01, 0.03, None]), seed=st.integers(0, 9999))
def test_weights_are_gaussian_with_mean_0(std: float | None, seed: int) -> None:
    """Mean and standard deviation of 40,000 numbers, to five standard errors; a fifth of them beyond 1.2816 of it."""
    net = small_towers(parse_devices("cpu"), maps=30, hidden=2)
    initialise(net, seed, Initial(std=std))
    weight = net.state_dict()["conv3.0.weight"].astype(np.float64)
    expected = sqrt(2 / (9 * 120)) if std is None else std
    error = 5 / sqrt(weight.size)
    assert abs(weight.mean()) < expected * error
    assert abs(weight.std() / expected - 1) < error
    assert abs(np.mean(np.abs(weight) > 1.28155 * expected) - 0.2) < error


@given(seed=st.integers(0, 9999))
def test_each_array_has_its_own_stream_of_numbers(seed: int) -> None:
    """Named by the array: a net in which one layer is wider starts the same in all the others."""
    net = small_towers(parse_devices("cpu,cpu"), seed=seed, maps=4, hidden=3)
    wider = small_towers(parse_devices("cpu,cpu"), seed=seed, maps=4, hidden=5)
    a, b = net.state_dict(), wider.state_dict()
    for name in ("conv1.0", "conv1.1", "conv2.0", "conv2.1", "conv3.0", "conv3.1"):
        np.testing.assert_array_equal(a[f"{name}.weight"], b[f"{name}.weight"])
        rng = generator(seed, f"{name}.weight")
        shape = a[f"{name}.weight"].shape
        std = np.float32(sqrt(2 / np.prod(shape[1:])))
        np.testing.assert_array_equal(a[f"{name}.weight"], rng.standard_normal(shape, dtype=np.float32) * std)
    assert not np.array_equal(a["conv1.0.weight"], a["conv1.1.weight"])


def test_each_dropout_has_its_own_generator() -> None:
    narrow = Narrow(seed=3)
    for net in (narrow.towers(parse_devices("cpu,cpu")), narrow.grouped(parse_devices("cpu"))):
        drawn = {name: rng.random(4).tolist() for name, rng in net.generators().items()}
        expected = [generator(3, f"dropout{n}.{t}").random(4).tolist() for n in (6, 7) for t in (0, 1)]
        assert sorted(drawn.values()) == sorted(expected)


def test_initialise_draws_again_on_the_devices() -> None:
    net = small_towers(parse_devices("cpu,cpu"), seed=1)
    first = net.state_dict()
    assert initialise(net, 2, INITIALS["he"]) is net
    second = net.state_dict()
    assert not np.array_equal(first["conv1.0.weight"], second["conv1.0.weight"])
    initialise(net, 1, INITIALS["he"])
    assert all(np.array_equal(value, first[name]) for name, value in net.state_dict().items())
    places: Any = {name: value.place for name, value in net.params.items()}  # type: ignore[attr-defined]
    assert places["conv1.1.weight"] == places["conv1.1.bias"] == "cpu:1"


def test_a_negative_seed_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^seed must not be negative, got -1$"):
        small_towers(parse_devices("cpu,cpu"), seed=-1)
