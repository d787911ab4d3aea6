"""The communicating layers: each against its formula in NumPy, and whole two-tower nets against nets that never communicate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from minialex.arrays import Array
from minialex.devices import Crossing, Device, Ledger, pack, parse_devices
from minialex.devices.strict import raw
from minialex.gradcheck import check_layer
from minialex.layers import (
    Conv2d,
    Dropout,
    Flatten,
    Layer,
    Linear,
    LocalResponseNorm,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
)
from minialex.net import Net
from minialex.nets import one, two
from minialex.optim import SGD
from minialex.towers import Broadcast, Exchange, Gather, Stage, Towers, join
from tests.narrow import Narrow, narrow_nets, one_in
from tests.strategies import ORDERS, Order, lay_out
from tests.twins import agree, compare

Activation = tuple[Array, ...]


class Towered:
    """Activations of some towers: on which device each is, how many maps it has, and the rest of the shape."""

    def __init__(self, places: list[int], maps: list[int], N: int, rest: tuple[int, ...], dtype: str, order: Order, seed: int):
        self.places, self.maps, self.N, self.rest, self.dtype, self.order, self.seed = places, maps, N, rest, dtype, order, seed
        self.names = [f"cpu:{place}" for place in places]
        self.devices: tuple[Device, ...] = parse_devices(",".join(self.names))
        self.cuts = [slice(sum(maps[:t]), sum(maps[: t + 1])) for t in range(len(maps))]

    def __repr__(self) -> str:
        rest = f"N={self.N}, rest={self.rest}, {self.dtype}, {self.order}, seed={self.seed}"
        return f"Towered(places={self.places}, maps={self.maps}, {rest})"

    def values(self, maps: int, draw: int) -> Array:
        return np.random.default_rng((self.seed, draw)).standard_normal((self.N, maps, *self.rest)).astype(self.dtype)

    def on(self, device: Device, values: Array) -> Array:
        """On this device, read-only, in the drawn memory order."""
        there = lay_out(device.put(values), self.order)
        there.flags.writeable = False
        return there

    def xs(self, draw: int = 0) -> tuple[list[Array], Activation]:
        """Each tower's maps, on the host and on its device."""
        host = [self.values(maps, 10 * draw + t) for t, maps in enumerate(self.maps)]
        return host, tuple(self.on(device, x) for device, x in zip(self.devices, host, strict=True))

    def joined(self, draw: int, devices: tuple[Device, ...]) -> tuple[list[Array], Activation]:
        """Gradients of the joined maps, one on each of these devices."""
        host = [self.values(sum(self.maps), 100 + 10 * draw + i) for i in range(len(devices))]
        return host, tuple(self.on(device, dy) for device, dy in zip(devices, host, strict=True))

    def bytes(self, t: int) -> int:
        """Of tower t's maps."""
        return int(np.prod((self.N, self.maps[t], *self.rest))) * np.dtype(self.dtype).itemsize


@st.composite
def towered(draw: DrawFn) -> Towered:
    """One to three towers, on devices that they may share, with unequal numbers of maps: images or vectors."""
    towers = draw(st.integers(1, 3))
    size = st.integers(1, 3)
    return Towered(
        places=draw(st.lists(st.integers(0, 2), min_size=towers, max_size=towers)),
        maps=draw(st.lists(size, min_size=towers, max_size=towers)),
        N=draw(size),
        rest=draw(st.sampled_from([(), (2, 3), (1, 4), (3, 1)])),
        dtype=draw(st.sampled_from(["float32", "float64"])),
        order=draw(st.sampled_from(ORDERS)),
        seed=draw(st.integers(0, 9999)),
    )


def placed(stage: Stage, towers: Towered) -> Ledger:
    ledger = Ledger()
    stage.place(towers.devices, ledger)
    return ledger


def check(got: Activation, expected: list[Array], devices: tuple[Device, ...], tolerance: float = 0.0) -> None:
    """Each array as expected, in the same dtype, on its device."""
    assert len(got) == len(expected) == len(devices)
    for array, values, device in zip(got, expected, devices, strict=True):
        np.testing.assert_allclose(device.get(array), values, rtol=tolerance, atol=tolerance)
        assert array.dtype == values.dtype
        assert array.place == device.name  # type: ignore[attr-defined]


def apart(outputs: Activation, outs: tuple[Device, ...], inputs: Activation, ins: tuple[Device, ...]) -> None:
    """What is on different devices has no memory in common."""
    for y, to in zip(outputs, outs, strict=True):
        for x, source in zip(inputs, ins, strict=True):
            assert to is source or not np.shares_memory(raw(y), raw(x))


@given(towers=towered(), draws=st.integers(1, 3))
def test_exchange_joins_forward_and_adds_backward(towers: Towered, draws: int) -> None:
    """y_t = [x_0, x_1, ...]; dx_t = sum_s dy_s[maps of t]; and again, through the same buffers."""
    exchange, devices = Exchange("conv3"), towers.devices
    placed(exchange, towers)
    for draw in range(draws):
        host, xs = towers.xs(draw)
        ys = exchange.forward(xs)
        check(ys, [np.concatenate(host, axis=1)] * len(devices), devices)
        apart(ys, devices, xs, devices)
        host_dys, dys = towers.joined(draw, devices)
        dxs = exchange.backward(dys)
        check(dxs, [sum(dy[:, cut] for dy in host_dys) for cut in towers.cuts], devices, tolerance=1e-6)  # type: ignore[misc]
        apart(dxs, devices, dys, devices)


@given(towers=towered())
def test_exchange_adds_in_the_order_of_the_towers(towers: Towered) -> None:
    """So the sum is the same, to the last bit, wherever the towers are."""
    exchange = Exchange("conv3")
    placed(exchange, towers)
    exchange.forward(towers.xs()[1])
    host, dys = towers.joined(0, towers.devices)
    for device, dx, cut in zip(towers.devices, exchange.backward(dys), towers.cuts, strict=True):
        total = host[0][:, cut]
        for dy in host[1:]:
            total = total + dy[:, cut]
        np.testing.assert_array_equal(device.get(dx), total)


@given(towers=towered(), data=st.data())
def test_gather_joins_on_one_device_and_hands_back_slices(towers: Towered, data: st.DataObject) -> None:
    """y = [x_0, x_1, ...]; dx_t = dy[maps of t]."""
    owner = data.draw(st.integers(0, len(towers.maps) - 1), label="owner")
    gather, devices = Gather(owner, "fc8"), towers.devices
    home = gather.place(devices, Ledger())
    assert home == (devices[owner],)
    host, xs = towers.xs()
    ys = gather.forward(xs)
    check(ys, [np.concatenate(host, axis=1)], home)
    apart(ys, home, xs, devices)
    (host_dy,), dys = towers.joined(0, home)
    dxs = gather.backward(dys)
    check(dxs, [host_dy[:, cut] for cut in towers.cuts], devices)
    apart(dxs, devices, dys, home)


@given(towers=towered())
def test_broadcast_gives_each_device_the_batch(towers: Towered) -> None:
    broadcast = Broadcast(towers.devices)
    images = lay_out(towers.values(3, 0), towers.order)
    ys = broadcast.forward((images,))
    check(ys, [images] * len(towers.devices), towers.devices)
    assert not any(y.flags.writeable for y in ys)  # CPU devices read the host's own array
    assert broadcast.backward(ys) == ()


@given(towers=towered())
def test_the_ledger_holds_what_crossed_and_nothing_else(towers: Towered) -> None:
    names, size = towers.names, towers.bytes
    different = [(s, t) for s in range(len(names)) for t in range(len(names)) if names[s] != names[t]]
    exchange, gather, broadcast = Exchange("conv3"), Gather(0, "fc8"), Broadcast()
    ledger = placed(exchange, towers)
    xs = towers.xs()[1]
    exchange.forward(xs)
    once = {(s, names[t]) for s, t in different}  # a device that holds two towers needs one copy for both
    assert sorted(ledger.rows) == sorted(Crossing("conv3", "forward", names[s], to, size(s)) for s, to in once)
    ledger.clear()
    exchange.backward(towers.joined(0, towers.devices)[1])
    assert sorted(ledger.rows) == sorted(Crossing("conv3", "backward", names[s], names[t], size(t)) for s, t in different)

    ledger = placed(gather, towers)
    gather.forward(xs)
    away = [t for t in range(len(names)) if names[t] != names[0]]
    assert ledger.rows == [Crossing("fc8", "forward", names[t], names[0], size(t)) for t in away]
    ledger.clear()
    gather.backward(towers.joined(0, towers.devices[:1])[1])
    assert ledger.rows == [Crossing("fc8", "backward", names[0], names[t], size(t)) for t in away]

    ledger = placed(broadcast, towers)
    images = towers.values(3, 0)
    broadcast.forward((images,))
    assert ledger.rows == [Crossing("images", "forward", "host", name, images.nbytes) for name in dict.fromkeys(names)]


@given(towers=towered())
def test_what_would_cross_is_known_from_the_shapes(towers: Towered) -> None:
    xs, shapes = towers.xs()[1], tuple((towers.N, maps, *towers.rest) for maps in towers.maps)
    itemsize = np.dtype(towers.dtype).itemsize
    for stage in (Exchange("conv3"), Gather(0, "fc8")):
        ledger = placed(stage, towers)
        ys = stage.forward(xs)
        assert stage.output_shapes(shapes) == tuple(y.shape for y in ys)
        forward, backward = stage.elements(shapes)
        assert ledger.bytes(direction="forward") == forward * itemsize
        stage.backward(tuple(device.put(device.get(y)) for device, y in zip(stage_devices(stage, towers), ys, strict=True)))
        assert ledger.bytes(direction="backward") == backward * itemsize


def stage_devices(stage: Stage, towers: Towered) -> tuple[Device, ...]:
    return towers.devices if isinstance(stage, Exchange) else towers.devices[:1]


@given(towers=towered(), train=st.booleans())
def test_towers_runs_each_layer_on_its_own_device(towers: Towered, train: bool) -> None:
    layers = [Recorder(t) for t in range(len(towers.maps))]
    stage: Any = Towers(*layers)
    placed(stage, towers)
    host, xs = towers.xs()
    check(stage.forward(xs, train), [x * (t + 2) for t, x in enumerate(host)], towers.devices)
    assert [layer.train for layer in layers] == [train] * len(layers)
    check(stage.backward(xs), [x * (t + 3) for t, x in enumerate(host)], towers.devices)


class Recorder(ReLU):
    """x (t + 2) forward, dy (t + 3) backward."""

    def __init__(self, t: int) -> None:
        super().__init__()
        self.t = t

    def forward(self, x: Array, train: bool = True) -> Array:
        self.train = train
        return x * (self.t + 2)

    def backward(self, dy: Array) -> Array:
        return dy * (self.t + 3)


@pytest.mark.parametrize(("layers", "text"), [(2, "cpu"), (1, "cpu,cpu"), (3, "cpu,cpu")])
def test_towers_need_a_place_each(layers: int, text: str) -> None:
    with pytest.raises(ValueError, match=rf"Towers: {layers} towers need as many places, got {text.count(',') + 1}"):
        Towers(*(ReLU() for _ in range(layers))).place(parse_devices(text), Ledger())


def test_joined_images_are_channels_last_in_memory() -> None:
    parts = tuple(pack(np.random.default_rng(i).standard_normal((2, 3, 4, 5))) for i in range(2))
    joined = join(parts)
    np.testing.assert_array_equal(joined, np.concatenate(parts, axis=1))
    assert joined.transpose(0, 2, 3, 1).flags.c_contiguous
    assert join(parts[:1]) is parts[0]


# A small net of all four, differentiated numerically


def small_net(
    devices: tuple[Device, ...], C: int, maps: int, seed: int, neuron: type[Layer] = Tanh, dropout: float = 0.0
) -> Net:
    """Two towers that meet at conv2, fc3 and fc4; with tanh it has no kinks. Parameters from N(0, 1/fan_in), biases N(0, 1)."""
    net = Net(
        devices,
        Broadcast(),
        two(lambda: Sequential(conv1=Conv2d(C, maps, 2, dtype=float), neuron1=neuron(), norm1=LocalResponseNorm(3, alpha=0.7))),
        Exchange("conv2"),
        two(lambda: Sequential(conv2=Conv2d(2 * maps, 2, (2, 1), dtype=float), neuron2=neuron(), flatten=Flatten())),
        Exchange("fc3"),
        two(lambda: Sequential(fc3=Linear(2 * 2 * 2 * 2, 3, dtype=float), neuron3=neuron(), dropout3=Dropout(dropout))),
        Gather(0, "fc4"),
        one(fc4=Linear(6, 3, dtype=float)),
        input_shape=(C, 4, 3),
        num_classes=3,
        dtype=float,
    )
    rng = np.random.default_rng(seed)
    fan_in = {name: np.prod(value.shape[1:]) for name, value in net.params.items()}
    net.load_state_dict({name: rng.standard_normal(value.shape) / np.sqrt(fan_in[name]) for name, value in net.params.items()})
    return net


@one_in(5)
@given(text=st.sampled_from(["cpu,cpu", "cpu:0,cpu:0"]), C=st.integers(1, 2), maps=st.integers(1, 3), seed=st.integers(0, 9999))
def test_every_gradient_of_a_two_tower_net_is_a_slope(text: str, C: int, maps: int, seed: int) -> None:
    """Along a random direction in each parameter: (L(w + hv) - L(w - hv)) / 2h, Richardson's way, = <dL/dw, v>."""
    net, rng, h = small_net(parse_devices(text), C, maps, seed), np.random.default_rng((seed, 1)), 1e-3
    x, dy = rng.standard_normal((2, C, 4, 3)), rng.standard_normal((2, 3))
    net.forward(x)
    net.backward(dy)
    gradients, state = net.grad_dict(), net.state_dict()
    for name, gradient in gradients.items():
        v: Array = np.asarray(rng.standard_normal(gradient.shape))

        def loss(step: float, name: str = name, v: Array = v) -> Array:
            net.load_state_dict(state | {name: state[name] + step * v})
            return dy * net.forward(x)

        wide, near = ((loss(step) - loss(-step)) / (2 * step) for step in (h, h / 2))
        terms = (4 * near - wide) / 3
        scale = np.abs(terms).sum() + np.abs(gradient * v).sum()
        assert abs(terms.sum() - (gradient * v).sum()) <= 1e-8 * scale, name


def test_the_gradient_checker_finds_nothing() -> None:
    """With ReLU and dropout, whose kinks and draws are the checker's business."""
    net = small_net(parse_devices("cpu,cpu"), 2, 3, seed=1, neuron=ReLU, dropout=0.4)
    report = check_layer(net, np.random.default_rng(0).standard_normal((3, 2, 4, 3)), every=1)
    assert report.coordinates == net.num_parameters


# Two towers, the same on one device, and the grouped net


def twins(narrow: Narrow) -> dict[str, Net]:
    return {
        "two towers": narrow.towers(parse_devices("cpu,cpu")),
        "both on cpu:0": narrow.towers(parse_devices("cpu:0,cpu:0")),
        "one device": narrow.towers(parse_devices("cpu")),
        "grouped": narrow.grouped(parse_devices("cpu")),
    }


@one_in(4)
@given(narrow=narrow_nets(), train=st.booleans())
def test_towers_together_apart_and_grouped_are_the_same_function(narrow: Narrow, train: bool) -> None:
    assert compare(twins(narrow), narrow.images(), narrow.dlogits(), 1e-10, train)


@settings(one_in(4), derandomize=True)
@given(narrow=narrow_nets(wide=True, dtype="float32"), train=st.booleans())
def test_in_float32_too(narrow: Narrow, train: bool) -> None:
    """The same examples every time: now and then, sums cancel so far that 1e-5 of the largest gradient is too much to ask."""
    assume(compare(twins(narrow), narrow.images(), narrow.dlogits(), 1e-5, train))


@pytest.mark.parametrize(
    ("dtype", "tolerance", "preset"), [("float64", 1e-10, "paper"), ("float32", 1e-5, "paper"), ("float64", 1e-10, "code2012")]
)
def test_twenty_steps_of_training_keep_equal_losses(dtype: str, tolerance: float, preset: str) -> None:
    """With dropout: the masks of a tower are the same on any device, and those of its group."""
    narrow = Narrow(maps=(6, 5, 6, 4, 5), neurons=(12, 10), N=6, num_classes=4, dtype=dtype, preset=preset)
    labels = np.arange(narrow.N) % narrow.num_classes
    losses: dict[str, dict[str, Array]] = {}
    for which, net in twins(narrow).items():
        loss, update = SoftmaxCrossEntropy(), SGD(net, lr=0.02)
        history = []
        for _ in range(20):
            history.append(loss.forward(net.forward(narrow.images(), train=True), labels))
            net.backward(loss.backward())
            update.step()
        losses[which] = {"losses": np.array(history)}
    agree("after training,", losses, tolerance)
    history = list(losses["two towers"]["losses"])
    assert len(set(history)) == 20
    assert history[-1] < 0.9 * history[0]


def test_dropout_masks_of_the_two_towers_differ() -> None:
    """Else the towers would not be independent, and the test above would not notice."""
    net = replace(Narrow(neurons=(40, 40)), dropout=0.5).towers(parse_devices("cpu,cpu"))
    masks = {name: rng.random(40) for name, rng in net.generators().items()}
    assert sorted(masks) == [f"dropout{n}.{t}.rng" for n in (6, 7) for t in (0, 1)]
    assert len({tuple(mask) for mask in masks.values()}) == 4
