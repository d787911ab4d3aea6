"""The nets are the paper's: layer by layer, number by number, and what crosses between the two GPUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minialex.arrays import Array, Shape
from minialex.devices import Crossing, Device, parse_devices, strict_mode
from minialex.layers import (
    Conv2d,
    Dropout,
    Flatten,
    Layer,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    SpatialResponseNorm,
    Tanh,
    fast,
)
from minialex.net import Net
from minialex.nets import (
    NETS,
    alexnet,
    alexnet_grouped,
    alexnet_one_gpu,
    alexnet_six_conv,
    cifar10_net,
    grouped_state,
    one,
    small_towers,
    two,
)
from minialex.towers import Broadcast, Gather, Towers
from tests.narrow import Narrow, narrow_nets, one_in
from tests.twins import agree, by_group, compare


class Conv(NamedTuple):
    """A convolution of the paper, in one tower: the maps it reads and makes, its kernel, the side of its output."""

    inputs: int
    outputs: int
    kernel: int
    side: int
    towers: int = 2

    @property
    def parameters(self) -> int:
        return self.towers * (self.inputs * self.outputs * self.kernel**2 + self.outputs)

    @property
    def multiply_adds(self) -> int:
        return self.towers * self.inputs * self.outputs * self.kernel**2 * self.side**2

    @property
    def neurons(self) -> int:
        return self.towers * self.outputs * self.side**2


class Full(NamedTuple):
    """A fully connected layer of the paper, in one tower."""

    inputs: int
    outputs: int
    towers: int = 2

    @property
    def parameters(self) -> int:
        return self.towers * (self.inputs * self.outputs + self.outputs)

    @property
    def multiply_adds(self) -> int:
        return self.towers * self.inputs * self.outputs

    @property
    def neurons(self) -> int:
        return self.towers * self.outputs


# Section 3.5 and figure 2. conv3, fc6, fc7 and fc8 read both towers.
PAPER: dict[str, Conv | Full] = {
    "conv1": Conv(3, 48, 11, 55),
    "conv2": Conv(48, 128, 5, 27),
    "conv3": Conv(256, 192, 3, 13),
    "conv4": Conv(192, 192, 3, 13),
    "conv5": Conv(192, 128, 3, 13),
    "fc6": Full(2 * 128 * 6 * 6, 2048),
    "fc7": Full(4096, 2048),
    "fc8": Full(4096, 1000, towers=1),
}
# Footnote b: "the one-GPU net has the same number of kernels as the two-GPU net in the final convolutional layer".
ONE_GPU: dict[str, Conv | Full] = {
    "conv1": Conv(3, 48, 11, 55, 1),
    "conv2": Conv(48, 128, 5, 27, 1),
    "conv3": Conv(128, 192, 3, 13, 1),
    "conv4": Conv(192, 192, 3, 13, 1),
    "conv5": Conv(192, 256, 3, 13, 1),
    "fc6": Full(256 * 6 * 6, 4096, 1),
    "fc7": Full(4096, 4096, 1),
    "fc8": Full(4096, 1000, 1),
}
SIX: dict[str, Conv | Full] = PAPER | {"conv6": Conv(256, 128, 3, 6)}


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets start at zero, which is quick; where only shapes count."""
    for module in ("initial", "layers.conv", "layers.linear"):
        monkeypatch.setattr(f"minialex.{module}.gaussian", lambda shape, std, dtype, rng: np.zeros(shape, dtype))


@pytest.fixture(scope="module")
def paper_net() -> Net:
    with strict_mode():
        return alexnet(parse_devices("cpu,cpu"))


def walk(net: Net) -> Iterator[tuple[str, Layer, Shape]]:
    """Each layer inside the towers, with the shape of its output for one image."""
    shapes: tuple[Shape, ...] = ((1, *net.input_shape),)
    names = [name for name, _, _ in net.layers()]
    for stage in net.stages:
        if isinstance(stage, Towers):
            for tower, shape in zip(stage.towers, shapes, strict=True):
                for _, layer in tower.leaves():  # type: ignore[attr-defined]
                    shape = layer.output_shape(shape)
                    yield names.pop(0), layer, shape
        shapes = stage.output_shapes(shapes)


def table(net: Net) -> dict[str, dict[str, int]]:
    """For each layer with weights: parameters and neurons of both towers."""
    found: dict[str, dict[str, int]] = {}
    for name, layer, shape in walk(net):
        if layer.params:
            row = found.setdefault(name.split(".")[0], {"parameters": 0, "neurons": 0})
            row["parameters"] += sum(value.size for value in layer.params.values())
            row["neurons"] += math.prod(shape)
    return found


def shapes(layers: dict[str, Conv | Full]) -> dict[str, Shape]:
    """The parameters of a two-tower or one-tower net, by the names of state_dict."""
    found: dict[str, Shape] = {}
    for name, layer in layers.items():
        for tower in [f".{t}" for t in range(2)] if layer.towers == 2 else [""]:
            kernel = (layer.kernel, layer.kernel) if isinstance(layer, Conv) else ()
            found[f"{name}{tower}.weight"] = (layer.outputs, layer.inputs, *kernel)
            found[f"{name}{tower}.bias"] = (layer.outputs,)
    return found


# The paper's net and its relatives


def test_the_papers_figures_follow_from_the_table() -> None:
    """So that the tests below compare with the paper, not with a slip of the pen."""
    assert sum(layer.parameters for layer in PAPER.values()) == 60_965_224
    assert sum(layer.parameters for layer in ONE_GPU.values()) == 59_798_312
    assert sum(layer.parameters for layer in SIX.values()) == 60_965_224 + 590_080
    neurons = [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert [layer.neurons for layer in PAPER.values()] == neurons


@pytest.mark.parametrize(
    ("build", "layers", "text"),
    [
        (alexnet, PAPER, "cpu,cpu"),
        (alexnet, PAPER, "cpu"),
        (alexnet_one_gpu, ONE_GPU, "cpu,cpu"),
        (alexnet_six_conv, SIX, "cpu,cpu"),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_every_layer_is_the_papers(build: Callable[..., Net], layers: dict[str, Conv | Full], text: str) -> None:
    net = build(parse_devices(text))
    assert table(net) == {name: {"parameters": row.parameters, "neurons": row.neurons} for name, row in layers.items()}
    assert {name: value.shape for name, value in net.params.items()} == shapes(layers)
    assert net.num_parameters == sum(row.parameters for row in layers.values())
    work = dict.fromkeys(layers, 0)
    before = (1, *net.input_shape)
    for name, layer, shape in walk(net):
        if isinstance(layer, Conv2d | Linear):
            row = layers[name.split(".")[0]]
            before = (1, row.inputs, 1, 1) if isinstance(row, Conv) else (1, row.inputs)
            if isinstance(row, Conv):  # the input's side: what the output's side comes from
                before = (1, row.inputs, *(side_before(layer, row.side),) * 2)
            assert layer.output_shape(before) == shape
            work[name.split(".")[0]] += layer.multiply_adds(before)
    assert work == {name: row.multiply_adds for name, row in layers.items()}


def side_before(layer: Any, side: int) -> int:
    """A side from which this convolution makes `side`."""
    top, bottom, *_ = layer.padding
    return int((side - 1) * layer.stride[0] + layer.kernel_size[0] - top - bottom)


def test_conv1_gives_55_places(paper_net: Net) -> None:
    """As the 2012 code did from 224 pixels, reading zeros past the last row and column; 224 alone would give 54."""
    (conv1, shape), *_ = [(layer, shape) for name, layer, shape in walk(paper_net) if name == "conv1.0"]
    assert isinstance(conv1, Conv2d)
    assert (conv1.kernel_size, conv1.stride, conv1.padding) == ((11, 11), (4, 4), (0, 3, 0, 3))
    assert shape == (1, 48, 55, 55)


@pytest.mark.parametrize("preset", ["paper", "code2012"])
@pytest.mark.usefixtures("undrawn")
def test_the_layers_stand_in_the_presets_order(preset: str) -> None:
    """Figure 2, sections 3.3 to 3.5: ReLU, normalisation, pooling. The 2012 code: norm1 before relu1, and a norm more."""
    net = alexnet(parse_devices("cpu,cpu"), preset=preset)
    names = [name.removesuffix(".0") for name, *_ in net.layers() if not name.endswith(".1")]
    after_conv1 = "relu1 norm1 pool1" if preset == "paper" else "norm1 pool1 relu1"
    after_norm2 = "pool2" if preset == "paper" else "cnorm2 pool2"
    assert names == (
        f"conv1 {after_conv1} conv2 relu2 norm2 {after_norm2} conv3 relu3 conv4 relu4 conv5 relu5 pool5 flatten "
        "fc6 relu6 dropout6 fc7 relu7 dropout7 fc8"
    ).split(" ")
    kinds = {"conv": Conv2d, "relu": ReLU, "norm": LocalResponseNorm, "pool": MaxPool2d, "fc": Linear, "dropout": Dropout}
    kinds["cnorm"] = SpatialResponseNorm
    for name, layer, _ in walk(net):
        kind = name.split(".")[0].rstrip("0123456789")
        assert isinstance(layer, kinds.get(kind, Flatten))
        if isinstance(layer, LocalResponseNorm):
            assert (layer.size, layer.alpha, layer.beta, layer.k, layer.groups) == (5, 1e-4, 0.75, 2.0, 1)
            assert layer.alpha_over_size == (preset == "code2012")
        if isinstance(layer, SpatialResponseNorm):
            assert (layer.size, layer.alpha, layer.beta, layer.k) == (5, 1e-3, 0.75, 1.0)
        if isinstance(layer, MaxPool2d):
            assert (layer.kernel_size, layer.stride) == ((3, 3), (2, 2))  # overlapping: section 3.4
        if isinstance(layer, Dropout):
            assert layer.p == 0.5


@pytest.mark.usefixtures("undrawn")
def test_the_grouped_net_has_the_same_parameters() -> None:
    devices = parse_devices("cpu,cpu")
    net, twin = alexnet(devices), alexnet_grouped(devices)
    assert {name: value.shape for name, value in twin.params.items()} == {
        name: value.shape for name, value in grouped_state(net.state_dict()).items()
    }
    assert [name for name, *_ in twin.layers()] == [
        name.removesuffix(".0") for name, *_ in net.layers() if not name.endswith(".1")
    ]
    assert {device for _, device, _ in twin.layers()} == {devices[0]}


@pytest.mark.parametrize("build", [alexnet, alexnet_grouped, alexnet_one_gpu, alexnet_six_conv])
def test_an_unknown_preset_is_refused_in_one_line(build: Callable[..., Net]) -> None:
    with pytest.raises(ValueError, match=r"^preset must be one of paper, code2012, got 'caffe'$"):
        build(parse_devices("cpu,cpu"), preset="caffe")


@pytest.mark.parametrize("build", [alexnet, alexnet_six_conv, small_towers])
def test_two_towers_need_one_or_two_devices(build: Callable[..., Net]) -> None:
    with pytest.raises(ValueError, match=r"^a two-tower net needs one or two devices, got 3: \(cpu:0, cpu:1, cpu:2\)$"):
        build(parse_devices("cpu,cpu,cpu"))


def test_the_papers_net_is_its_grouped_twin(paper_net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """At full width, with dropout, in float32: the same start, outputs, and gradients of all 60,965,224 parameters.

    The gradients without tiles: of 659,272 neurons a few always lie within a tile's rounding of their kink.
    """
    nets = {"two towers": paper_net, "grouped": alexnet_grouped(parse_devices("cpu"))}
    agree("parameter", {which: by_group(net, net.state_dict()) for which, net in nets.items()}, 0.0)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((5, 3, 224, 224)).astype(np.float32)
    agree("output", {which: {"logits": net.forward(images[:1], train=False)} for which, net in nets.items()}, 1e-5)
    monkeypatch.setattr(fast.Conv2d, "pays", 0)
    dlogits = rng.standard_normal((1, 1000)).astype(np.float32)
    for image in images:  # one neuron may lie within any rounding
        if compare(nets, image[None], dlogits, 1e-5, train=True):
            return
    pytest.fail("for five images, two towers and the grouped net never took the same branches")


# A step of the paper's net at the paper's batch size


def test_what_crosses_at_batch_128_follows_from_the_table(paper_net: Net) -> None:
    """Section 5's batch, in float32, forward and backward. Each tower's maps cross to the other where the other reads them."""
    N, rng = 128, np.random.default_rng(0)
    loss = SoftmaxCrossEntropy()
    logits = paper_net.forward(rng.standard_normal((N, 3, 224, 224), dtype=np.float32), train=True)
    value = loss.forward(logits, rng.integers(1000, size=N))
    paper_net.backward(loss.backward())

    maps = {  # what each of two towers makes, after pooling, for one image
        "conv3": PAPER["conv2"].outputs * 13 * 13,
        "fc6": PAPER["conv5"].outputs * 6 * 6,
        "fc7": PAPER["fc6"].outputs,
        "fc8": PAPER["fc7"].outputs,
    }
    expected = [Crossing("images", "forward", "host", f"cpu:{t}", N * 3 * 224 * 224 * 4) for t in range(2)]
    for reader in ("conv3", "fc6", "fc7"):
        for direction in ("forward", "backward"):
            expected += [Crossing(reader, direction, f"cpu:{t}", f"cpu:{1 - t}", N * maps[reader] * 4) for t in range(2)]
    expected += [  # fc8 is on the first device alone
        Crossing("fc8", "forward", "cpu:1", "cpu:0", N * maps["fc8"] * 4),
        Crossing("fc8", "backward", "cpu:0", "cpu:1", N * maps["fc8"] * 4),
        Crossing("logits", "forward", "cpu:0", "host", N * 1000 * 4),
        Crossing("logits", "backward", "host", "cpu:0", N * 1000 * 4),
    ]
    assert sorted(paper_net.ledger.rows) == sorted(expected)
    assert paper_net.ledger.bytes("conv3", "forward") == 2 * 11_075_584
    assert (logits.shape, logits.dtype) == ((N, 1000), np.float32)
    assert value == pytest.approx(math.log(1000), abs=0.3)  # at the start every class is about as likely
    assert all(np.isfinite(gradient).all() and gradient.any() for gradient in paper_net.grad_dict().values())


# Other nets


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("norm", [True, False])
def test_the_cifar10_net_is_the_published_one(activation: str, norm: bool) -> None:
    net = cifar10_net(parse_devices("cpu"), activation=activation, norm=norm)
    assert {name: row["parameters"] for name, row in table(net).items()} == {
        "conv1": 3 * 25 * 32 + 32,
        "conv2": 32 * 25 * 32 + 32,
        "conv3": 32 * 25 * 64 + 64,
        "fc4": 64 * 4 * 4 * 10 + 10,
    }
    assert net.num_parameters == 89_578
    sides = [shape[2] for name, layer, shape in walk(net) if name.startswith("pool")]
    assert sides == [16, 8, 4]
    neurons = {type(layer).__name__ for _, layer, _ in walk(net) if isinstance(layer, ReLU | Tanh)}
    assert neurons == {{"relu": "ReLU", "tanh": "Tanh"}[activation]}
    norms = [layer for _, layer, _ in walk(net) if isinstance(layer, LocalResponseNorm)]
    assert len(norms) == 2 * norm
    for layer in norms:
        assert (layer.size, layer.alpha, layer.beta, layer.k, layer.alpha_over_size) == (9, 0.001, 0.75, 1.0, True)
    logits = net.forward(np.random.default_rng(0).standard_normal((2, 3, 32, 32)))
    assert logits.shape == (2, 10)


@one_in(4)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(8, 32), st.integers(8, 32)),
    maps=st.integers(1, 3),
    hidden=st.integers(1, 4),
    classes=st.integers(1, 5),
)
def test_small_towers_takes_any_image_of_8_to_32_pixels(shape: Shape, maps: int, hidden: int, classes: int) -> None:
    net = small_towers(parse_devices("cpu,cpu"), classes, input_shape=shape, maps=maps, hidden=hidden)  # type: ignore[arg-type]
    x = np.random.default_rng(0).standard_normal((2, *shape))
    logits = net.forward(x)
    assert logits.shape == (2, classes)
    net.backward(logits)
    assert net.grad_dict().keys() == net.params.keys()
    assert (net.input_shape, net.num_classes) == (shape, classes)


@pytest.mark.parametrize("side", [(7, 8), (8, 7), (33, 32), (32, 33)])
def test_small_towers_refuses_other_images_in_one_line(side: tuple[int, int]) -> None:
    with pytest.raises(
        ValueError, match=rf"^small_towers is for images of 8 x 8 to 32 x 32 pixels, got {side[0]} x {side[1]}$"
    ):
        small_towers(parse_devices("cpu,cpu"), input_shape=(1, *side))


@pytest.mark.usefixtures("undrawn")
def test_every_net_of_the_registry_can_be_built_and_prints_itself() -> None:
    for name, build in NETS.items():
        net = build(parse_devices("cpu,cpu"), num_classes=7)
        assert net.num_classes == 7, name
        assert f"{net.num_parameters:,}" in net.summary(), name


# What a net takes and gives


def little(text: str = "cpu,cpu", **options: Any) -> Net:
    devices: tuple[Device, ...] = parse_devices(text)
    little_one: dict[str, Any] = {"maps": 2, "hidden": 3, "num_classes": 4, "input_shape": (2, 8, 9)}
    return small_towers(devices, **little_one | options)


def test_the_same_seed_gives_the_same_net_wherever_it_is() -> None:
    nets = [little("cpu,cpu", seed=5), little("cpu", seed=5), little("cpu:3,cpu:1", seed=5)]
    x = np.random.default_rng(0).standard_normal((3, 2, 8, 9)).astype(np.float32)
    first, *others = [(net.state_dict(), net.forward(x, train=True)) for net in nets]
    for state, logits in others:
        assert state.keys() == first[0].keys()
        assert all(np.array_equal(state[name], value) for name, value in first[0].items())
        np.testing.assert_array_equal(logits, first[1])
    different = little(seed=6).state_dict()
    assert not any(np.array_equal(different[name], value) for name, value in first[0].items() if name.endswith("weight"))


@one_in(4)
@given(seed=st.integers(0, 9999))
def test_a_float64_net_starts_where_its_float32_twin_does(seed: int) -> None:
    single, double = little(seed=seed), little(seed=seed, dtype=np.float64)
    for name, value in double.state_dict().items():
        assert value.dtype == np.float64
        assert single.state_dict()[name].dtype == np.float32
        np.testing.assert_array_equal(single.state_dict()[name], value)


@one_in(4)
@given(narrow=narrow_nets(), dtype=st.sampled_from(["float32", "float64"]))
def test_a_net_keeps_its_dtype(narrow: Narrow, dtype: str) -> None:
    net = Narrow(**vars(narrow) | {"dtype": dtype}).towers(parse_devices("cpu,cpu"))
    logits = net.forward(narrow.images())
    net.backward(narrow.dlogits())
    assert {array.dtype for array in (logits, *net.state_dict().values(), *net.grad_dict().values())} == {np.dtype(dtype)}


@given(dtype=st.sampled_from(["uint8", "int32", "bool", "float16", "float64"]), order=st.sampled_from("CF"))
def test_images_may_be_of_any_real_numbers(dtype: str, order: Literal["C", "F"]) -> None:
    net = little()
    images = np.random.default_rng(0).integers(0, 255, (3, 2, 8, 9)).astype(dtype).copy(order=order)
    images.flags.writeable = False
    expected = net.forward(images.astype(np.float32))
    np.testing.assert_array_equal(net.forward(images), expected)
    np.testing.assert_array_equal(net.forward(images.tolist()), expected)


def test_a_pass_does_not_depend_on_what_became_of_its_arguments() -> None:
    net, rng = little(), np.random.default_rng(0)
    images, dlogits = rng.standard_normal((3, 2, 8, 9)).astype(np.float32), rng.standard_normal((3, 4)).astype(np.float32)
    logits = net.forward(images)
    net.backward(dlogits)
    expected = net.grad_dict()
    again = net.forward(images)
    images[:] = np.nan
    again[:] = np.nan
    net.backward(dlogits)
    for name, gradient in net.grad_dict().items():
        np.testing.assert_array_equal(gradient, expected[name])
    assert np.isfinite(logits).all()


def test_without_train_the_net_is_the_mean_net_and_draws_nothing() -> None:
    """Section 4.2: at test time all neurons, times 1 - p. And backward works after it too."""
    net = little()
    x = np.random.default_rng(0).standard_normal((3, 2, 8, 9))
    states = {name: rng.bit_generator.state for name, rng in net.generators().items()}
    np.testing.assert_array_equal(net.forward(x), net.forward(x))
    assert {name: rng.bit_generator.state for name, rng in net.generators().items()} == states
    net.backward(np.ones((3, 4)))
    assert not np.array_equal(net.forward(x, train=True), net.forward(x, train=True))
    assert sorted(states) == ["dropout4.0.rng", "dropout4.1.rng"]


@example(shape=[0, 2, 8, 9])
@example(shape=[1, 2, 9, 8])
@example(shape=[2, 8, 9])
@given(shape=st.lists(st.integers(0, 9), max_size=5))
def test_images_of_another_shape_are_refused_in_one_line(shape: list[int]) -> None:
    net = little()
    wrong = np.zeros(shape)
    if wrong.shape[1:] == net.input_shape and len(wrong):
        return
    with pytest.raises(ValueError, match=r"^the net expects images of shape \(N, 2, 8, 9\) with N >= 1, got \(.*\)$"):
        net.forward(wrong)


@pytest.mark.parametrize("dtype", [complex, object, "U1"])
def test_images_that_are_no_real_numbers_are_refused_in_one_line(dtype: Any) -> None:
    with pytest.raises(TypeError, match=r"^the net expects images of real numbers, got .*$"):
        little().forward(np.zeros((1, 2, 8, 9)).astype(dtype))


def test_backward_needs_forward_and_logits_gradients() -> None:
    net = little()
    with pytest.raises(RuntimeError, match=r"^Linear\(6 -> 4\): backward needs a forward pass first$"):
        net.backward(np.zeros((1, 4)))
    net.forward(np.zeros((2, 2, 8, 9)))
    with pytest.raises(ValueError, match=r"dy must have the shape of the last output, \(2, 4\), got \(3, 4\)$"):
        net.backward(np.zeros((3, 4)))


def test_the_ledger_begins_anew_with_each_forward_pass() -> None:
    net = little()
    x = np.zeros((1, 2, 8, 9))
    logits = net.forward(x)
    forward = list(net.ledger.rows)
    net.backward(logits)
    assert net.ledger.rows[: len(forward)] == forward
    assert {row.direction for row in net.ledger.rows[len(forward) :]} == {"backward"}
    net.forward(x)
    assert net.ledger.rows == forward


def test_gradients_of_pixels_are_computed_only_when_asked_for() -> None:
    net, x = little(), np.random.default_rng(0).standard_normal((2, 2, 8, 9))
    firsts = [layer for name, _, layer in net.layers() if name.startswith("conv1")]
    others = [layer for name, _, layer in net.layers() if not name.startswith("conv1")]
    gradients = []
    for wanted in (False, True):
        if wanted:  # training does not need them
            net.read_pixel_gradients(True)
        assert {layer.input_gradient for layer in firsts} == {wanted}
        assert all(layer.input_gradient for layer in others)
        net.forward(x)
        net.backward(np.ones((2, 4)))
        gradients.append(net.grad_dict())
    assert all(np.array_equal(gradient, gradients[0][name]) for name, gradient in gradients[1].items())


def test_a_net_takes_its_layers_to_its_devices() -> None:
    """Before anything is drawn or loaded."""
    page = (Broadcast(), two(lambda: Sequential(fc1=Linear(2, 2))), Gather(1, "fc2"), one(fc2=Linear(4, 1)))
    flat = Net(parse_devices("cpu:1,cpu:0"), *page, input_shape=(2,), num_classes=1)
    places = {name: array.place for name, array in flat.params.items()}  # type: ignore[attr-defined]
    tower_0 = {"fc1.0.weight": "cpu:1", "fc1.0.bias": "cpu:1"}
    assert places == tower_0 | dict.fromkeys(["fc1.1.weight", "fc1.1.bias", "fc2.weight", "fc2.bias"], "cpu:0")
    assert flat.forward(np.ones((3, 2))).shape == (3, 1)


def test_each_parameter_and_gradient_lives_on_its_towers_device() -> None:
    net = little("cpu:1,cpu:0")
    net.backward(net.forward(np.ones((1, 2, 8, 9))))
    for arrays in (net.params, net.grads):
        for name, array in arrays.items():
            tower = name.split(".")[1]
            assert array.place == {"0": "cpu:1", "1": "cpu:0"}.get(tower, "cpu:1")  # type: ignore[attr-defined]
    net.synchronize()


# State


def test_the_states_names_are_layer_tower_parameter(paper_net: Net) -> None:
    names = {f"{name}.{t}.{key}" for name in PAPER if name != "fc8" for t in (0, 1) for key in ("weight", "bias")}
    expected = names | {"fc8.weight", "fc8.bias"}
    assert set(paper_net.params) == expected
    assert {name for name in expected if name in ("conv2.0.weight", "fc8.weight")} == {"conv2.0.weight", "fc8.weight"}


@one_in(4)
@given(
    seeds=st.tuples(st.integers(0, 99), st.integers(100, 199)),
    dtypes=st.tuples(*(st.sampled_from(["float32", "float64"]),) * 2),
)
def test_a_state_makes_another_net_the_same(seeds: tuple[int, int], dtypes: tuple[str, str]) -> None:
    source, net = (little(seed=seed, dtype=np.dtype(dtype)) for seed, dtype in zip(seeds, dtypes, strict=True))
    state = source.state_dict()
    net.load_state_dict({name: np.asfortranarray(value) for name, value in state.items()})
    for name, value in net.state_dict().items():
        assert value.dtype == dtypes[1]
        np.testing.assert_array_equal(value, state[name].astype(dtypes[1]))
    x = np.random.default_rng(0).standard_normal((2, 2, 8, 9)).astype(np.float32)
    if dtypes[0] == dtypes[1]:
        np.testing.assert_array_equal(net.forward(x), source.forward(x))
    else:
        np.testing.assert_allclose(net.forward(x), source.forward(x), rtol=0, atol=1e-5)


def test_a_state_is_a_copy() -> None:
    net = little()
    x = np.random.default_rng(0).standard_normal((2, 2, 8, 9))
    before = net.forward(x)
    net.backward(before)
    state, gradients = net.state_dict(), net.grad_dict()
    for array in (*state.values(), *gradients.values()):
        assert type(array) is np.ndarray
        array[...] = 7
    np.testing.assert_array_equal(net.forward(x), before)
    loaded = {name: np.ones_like(value) for name, value in state.items()}
    net.load_state_dict(loaded)
    for array in loaded.values():
        array[...] = 7
    assert all((value == 1).all() for value in net.state_dict().values())
    assert not any((gradient == 7).all() for gradient in net.grad_dict().values())


def spoil(state: dict[str, Any], name: str, how: str) -> str:
    """Make the state wrong in one place; returns what the error must mention."""
    if how == "missing":
        del state[name]
    elif how == "unknown":
        state["conv9.0.weight"] = np.zeros(1)
        return "conv9.0.weight"
    elif how == "shape":
        state[name] = np.zeros((*state[name].shape, 1))
    elif how == "transposed":
        state[name] = np.zeros((7, *state[name].shape[1:]))
    else:
        state[name] = np.full(state[name].shape, "weights")
    return name


@given(
    name=st.sampled_from([f"{layer}.{key}" for layer in ("conv1.0", "conv3.1", "fc4.0", "fc5") for key in ("weight", "bias")]),
    how=st.sampled_from(["missing", "unknown", "shape", "transposed", "words"]),
)
def test_another_nets_state_is_refused_in_one_line_and_nothing_is_changed(name: str, how: str) -> None:
    net = little()
    before = net.state_dict()
    state: dict[str, Any] = {key: np.zeros_like(value) for key, value in before.items()}
    mention = spoil(state, name, how)
    with pytest.raises(ValueError, match=r".") as error:
        net.load_state_dict(state)
    assert mention in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


@given(narrow=narrow_nets())
def test_the_grouped_state_joins_the_towers_along_the_outputs(narrow: Narrow) -> None:
    state = narrow.state()
    joined = grouped_state(state)
    assert set(joined) == {name.replace(".0.", ".") for name in state if ".1." not in name}
    for name, value in joined.items():
        layer, key = name.split(".")
        if layer == "fc8":
            assert np.array_equal(value, state[name])
        else:
            half = len(value) // 2
            assert np.array_equal(value[:half], state[f"{layer}.0.{key}"])
            assert np.array_equal(value[half:], state[f"{layer}.1.{key}"])


def test_gradients_are_arrays_of_the_right_shape_before_and_after() -> None:
    net = little()
    assert net.grad_dict() == {}
    net.backward(net.forward(np.ones((1, 2, 8, 9))))
    gradients: dict[str, Array] = net.grad_dict()
    assert {name: g.shape for name, g in gradients.items()} == {name: w.shape for name, w in net.params.items()}


def test_a_layer_with_one_owner_is_lent_the_others_cores() -> None:
    """fc8, while the second tower has nothing to do; not what runs in pieces, which are on all cores already, nor a tower's."""
    lent = {}
    for make in (small_towers, cifar10_net):
        for name, _, layer in make(parse_devices("cpu,cpu")).layers():
            if isinstance(layer, fast.Linear):
                lent[name] = layer.side_by_side is not None
    assert lent == {"fc4.0": False, "fc4.1": False, "fc5": True, "fc4": False}
