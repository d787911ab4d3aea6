"""The checker is checked: right layers of every kind pass, and each planted error is refused with its place and its cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minialex.gradcheck import GradientError, check_gradient, check_layer, check_loss

Array = np.ndarray[Any, Any]


def values(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


class Affine:
    """y = x Wᵀ + b, with room for one planted error: `spoil` may change dx and the gradients before they are returned."""

    def __init__(self, inputs: int, outputs: int, spoil: Callable[[dict[str, Array]], Any] = lambda grads: None) -> None:
        self.params = {"weight": values(outputs, inputs, seed=1), "bias": values(outputs, seed=2)}
        self.grads: dict[str, Array] = {}
        self.spoil = spoil

    def forward(self, x: Array, train: bool = True) -> Array:
        self.x = x.copy()
        return x @ self.params["weight"].T + self.params["bias"]

    def backward(self, dy: Array) -> Array | None:
        found = {"x": dy @ self.params["weight"], "weight": dy.T @ self.x, "bias": dy.sum(axis=0)}
        self.spoil(found)
        dx = found.pop("x", None)
        self.grads = found
        return dx


class Elementwise:
    """y = f(x), dx = dy * slope(x)."""

    def __init__(self, f: Callable[[Array], Array], slope: Callable[[Array], Array]) -> None:
        self.f, self.slope = f, slope

    def forward(self, x: Array, train: bool = True) -> Array:
        self.x = x.copy()
        return self.f(x)

    def backward(self, dy: Array) -> Array:
        return dy * self.slope(self.x)


def tanh() -> Elementwise:
    return Elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2)


def relu(at_zero: float = 0.0) -> Elementwise:
    return Elementwise(lambda x: np.where(x.real > 0, x, 0), lambda x: np.where(x == 0, at_zero, x > 0))


class Softmax:
    """y = softmax(x) over the last axis; lazy: says that the gradient is zero, which an upstream of ones would believe."""

    def __init__(self, lazy: bool = False) -> None:
        self.lazy = lazy

    def forward(self, x: Array, train: bool = True) -> Array:
        e = np.exp(x - x.real.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, dy: Array) -> Array:
        dx = self.y * (dy - (dy * self.y).sum(axis=-1, keepdims=True))
        return dx * 0 if self.lazy else dx


class Window:
    """y[n, i] = max(x[n, i], x[n, i + 1]): overlapping windows. share: how much each of two equal inputs gets."""

    def __init__(self, share: tuple[float, float] = (1.0, 0.0)) -> None:
        self.share = share

    def forward(self, x: Array, train: bool = True) -> Array:
        self.x = x.copy()
        return np.maximum(x[:, :-1], x[:, 1:])

    def backward(self, dy: Array) -> Array:
        left, right, dx = self.x[:, :-1], self.x[:, 1:], np.zeros_like(self.x)
        dx[:, :-1] += dy * np.where(left == right, self.share[0], left > right)
        dx[:, 1:] += dy * np.where(left == right, self.share[1], left < right)
        return dx


class Blur:
    """y = x summed over 3 x 3 neighbours, padded with zeros; `spoil` changes dx."""

    def __init__(self, spoil: Callable[[Array], Any] = lambda dx: None) -> None:
        self.spoil = spoil

    def forward(self, x: Array, train: bool = True) -> Array:
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        H, W = x.shape[-2:]
        return sum(padded[..., u : u + H, v : v + W] for u in range(3) for v in range(3))  # type: ignore[return-value]

    def backward(self, dy: Array) -> Array:
        dx = self.forward(dy)
        self.spoil(dx)
        return dx


class Noisy(Elementwise):
    """Dropout: y = m x; `secret` draws the mask from a generator that generators() does not name."""

    def __init__(self, secret: bool = False) -> None:
        self.rng, self.secret = np.random.default_rng(5), secret

    def forward(self, x: Array, train: bool = True) -> Array:
        self.mask = self.rng.random(x.shape) > 0.5 if train else 0.5
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy * self.mask

    def generators(self) -> dict[str, np.random.Generator]:
        return {} if self.secret else {"mask": self.rng}


class Chain:
    """Layers in a row, with the params of all merged under new keys."""

    def __init__(self, *layers: Any) -> None:
        self.layers = layers

    def forward(self, x: Array, train: bool = True) -> Array:
        for layer in self.layers:
            x = layer.forward(x, train)
        return x

    def backward(self, dy: Array) -> Array:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    @property
    def params(self) -> dict[str, Array]:
        return {f"{i}.{k}": a for i, part in enumerate(self.layers) for k, a in getattr(part, "params", {}).items()}

    @property
    def grads(self) -> dict[str, Array]:
        return {f"{i}.{k}": a for i, part in enumerate(self.layers) for k, a in getattr(part, "grads", {}).items()}


class CrossEntropy:
    """The mean over the batch of -log softmax(logits)[label]; scale 1 is right."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def forward(self, logits: Array, labels: Array) -> Any:
        shifted = logits - logits.real.max(axis=1, keepdims=True)
        self.log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.labels = labels
        return -self.log_p[np.arange(len(labels)), labels].mean().item()

    def backward(self) -> Array:
        one_hot = np.eye(self.log_p.shape[1])[self.labels]
        return self.scale * (np.exp(self.log_p) - one_hot) / len(self.labels)


def refused(layer: Any, x: Array, **options: Any) -> str:
    with pytest.raises(GradientError) as caught:
        check_layer(layer, x, **options)
    return str(caught.value)


# ---- right layers pass


@pytest.mark.parametrize("method", ["central", "complex"])
@pytest.mark.parametrize("every", [1, 64])
@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 5), d=st.integers(1, 7), seed=st.integers(0, 2**32), scale=st.sampled_from([1e-3, 1.0, 30.0]))
def test_right_layers_pass(method: str, every: int, n: int, d: int, seed: int, scale: float) -> None:
    x = scale * values(n, d, seed=seed)
    for layer in (Affine(d, 3), tanh(), Softmax(), relu(), Chain(Affine(d, 3), tanh(), Affine(3, 2))):
        if method == "central" or not isinstance(layer, Chain):
            report = check_layer(layer, x, seed=seed, method=method, every=every)
            assert report.error <= report.tolerance
            assert report.kinks == 0
            assert report.coordinates == x.size + sum(a.size for a in getattr(layer, "params", {}).values())


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(4)), flips=st.tuples(*[st.sampled_from([1, -1])] * 4), seed=st.integers(0, 2**32))
def test_any_memory_order_is_kept(order: list[int], flips: tuple[int, ...], seed: int) -> None:
    x = values(2, 3, 4, 5, seed=seed).transpose(order)[tuple(slice(None, None, step) for step in flips)]
    x.flags.writeable = False
    before, seen = x.copy(), []

    def forward(x: Array) -> Array:
        seen.append(x.strides)
        return np.sin(x)

    check_gradient(forward, lambda dy: dy * np.cos(x), x)
    assert np.array_equal(x, before)
    assert set(seen) == {x.strides}


def test_the_layer_is_left_as_it_was() -> None:
    layer, noisy = Affine(4, 3), Noisy()
    before, arrays, state = {k: a.tobytes() for k, a in layer.params.items()}, dict(layer.params), noisy.rng.bit_generator.state
    for method in ("central", "complex"):
        check_layer(layer, values(2, 4), method=method)
        check_layer(noisy, values(2, 40), method=method)
        assert {k: a.tobytes() for k, a in layer.params.items()} == before
        assert all(layer.params[k] is a for k, a in arrays.items())
        assert noisy.rng.bit_generator.state == state


def test_a_forward_that_fails_half_way_leaves_the_params() -> None:
    layer = Affine(4, 3)
    before, calls = {k: a.tobytes() for k, a in layer.params.items()}, iter(range(9))

    class Fails(Affine):
        def forward(self, x: Array, train: bool = True) -> Array:
            if next(calls) == 8:
                raise RuntimeError("out of memory")
            return layer.forward(x, train)

        def backward(self, dy: Array) -> None:
            layer.backward(dy)
            self.grads = layer.grads

    failing = Fails(4, 3)
    failing.params = layer.params
    with pytest.raises(RuntimeError, match="out of memory"):
        check_layer(failing, values(2, 4))
    assert {k: a.tobytes() for k, a in layer.params.items()} == before


def test_the_report_is_a_line() -> None:
    line = str(check_layer(Affine(4, 3), values(2, 4)))
    assert "23 coordinates" in line
    assert "0 kinks" in line
    assert "\n" not in line


def test_without_dx_only_the_params_are_checked() -> None:
    assert check_layer(Affine(4, 3, lambda grads: grads.pop("x")), values(2, 4)).coordinates == 15


def test_a_layer_that_returns_its_input_as_a_view() -> None:
    check_gradient(lambda x: x.reshape(2, -1), lambda dy: dy.reshape(2, 3, 4), values(2, 3, 4))


def test_train_reaches_the_layer() -> None:
    layer = Noisy()
    check_layer(layer, values(3, 5), train=False)
    assert np.ndim(layer.mask) == 0


@pytest.mark.parametrize("method", ["central", "complex"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_a_loss_passes(method: str, scale: float) -> None:
    logits, labels = scale * values(6, 5), np.array([0, 4, 2, 2, 1, 3])
    check_loss(CrossEntropy(), logits, labels, method=method)


@pytest.mark.parametrize(("method", "spread"), [("central", 1e2), ("complex", 1e4)])
def test_small_gradients_beside_large_ones_are_seen(method: str, spread: float) -> None:
    sizes = np.array([1.0, 1 / spread, spread])
    check_gradient(lambda x: x * sizes, lambda dy: dy * sizes, values(4, 3), method=method)
    with pytest.raises(GradientError, match=r"axis 1 is \[1\]"):
        check_gradient(lambda x: x * sizes, lambda dy: dy * sizes * [1, 1.00001, 1], values(4, 3), method=method)


# ---- planted errors: each refused, with its array and its cause


def scale_of(key: str, factor: float) -> Callable[[dict[str, Array]], Any]:
    return lambda grads: grads.update({key: grads[key] * factor})


@pytest.mark.parametrize("method", ["central", "complex"])
@pytest.mark.parametrize("key", ["x", "weight", "bias"])
@pytest.mark.parametrize(
    ("factor", "cause"),
    [
        (2.0, "received is 2 times expected"),
        (2.001 / 2, "received is 1.0005 times expected"),
        (-1.0, "opposite sign"),
        (0.0, "does not flow"),
        (1 / 6, "the batch is 6"),
        (6.0, "the batch is 6"),
    ],
)
def test_a_factor(key: str, factor: float, cause: str, method: str) -> None:
    message = refused(Affine(4, 3, scale_of(key, factor)), values(6, 4), method=method)
    assert message.startswith(f"{key}[")
    assert cause in message


@pytest.mark.parametrize(
    ("spoil", "starts", "cause"),
    [
        (lambda g: g.update(weight=g["weight"].T.copy()), "weight[", "transposed"),
        (lambda g: g.update(weight=g["weight"][:, ::-1].copy()), "weight[", "wrong places"),
        (lambda g: g.update(x=g["x"].ravel()[np.r_[7, 5, 0:5, 6, 8:24]].reshape(6, 4)), "x[", "wrong places"),
        (lambda g: g.update(x=g["x"] + 1e-3 * values(6, 4)), "x[", "no pattern"),
        (lambda g: g["x"].__setitem__((2, 1), 9.0), "x[2, 1]", "only this one"),
        (lambda g: g["x"].__setitem__((slice(None), 1), 9.0), "x[", "axis 1 is [1]"),
        (lambda g: g.pop("bias"), "bias", "no gradient"),
        (lambda g: g.update(bias=None), "bias", "no gradient"),
        (lambda g: g.update(x=g["x"].astype(np.float32)), "x", "float32"),
        (lambda g: g.update(bias=g["bias"][None]), "bias", "(1, 4)"),
        (lambda g: g["weight"].__setitem__((1, 1), np.nan), "weight", "finite"),
    ],
)
def test_a_planted_error(spoil: Callable[[dict[str, Array]], Any], starts: str, cause: str) -> None:
    message = refused(Affine(4, 4, spoil), values(6, 4))
    assert message.startswith(starts)
    assert cause in message


@settings(deadline=None, max_examples=30)
@given(
    d=st.integers(1, 5),
    outputs=st.integers(1, 5),
    n=st.integers(1, 40),
    key=st.sampled_from(["x", "weight", "bias"]),
    size=st.sampled_from([1e-4, 0.1, 10.0]),
    data=st.data(),
)
def test_one_wrong_number_is_found(d: int, outputs: int, n: int, key: str, size: float, data: st.DataObject) -> None:
    shape = {"x": (n, d), "weight": (outputs, d), "bias": (outputs,)}[key]
    place = tuple(data.draw(st.integers(0, length - 1)) for length in shape)
    layer = Affine(d, outputs, lambda grads: grads[key].__setitem__(place, grads[key][place] + size))
    assert refused(layer, values(n, d)).startswith(f"{key}{list(place)}: ")


@settings(deadline=None, max_examples=10)
@given(place=st.tuples(st.integers(0, 9), st.integers(0, 999)), method=st.sampled_from(["central", "complex"]))
def test_one_wrong_number_in_ten_thousand_is_found(place: tuple[int, int], method: str) -> None:
    def slope(x: Array) -> Array:
        wrong = np.cos(x)
        wrong[place] += 0.5
        return wrong

    message = refused(Elementwise(np.sin, slope), values(10, 1000), method=method)
    assert message.startswith(f"x{list(place)}: ")
    assert "only this one" in message


def test_a_lazy_softmax() -> None:
    assert "does not flow" in refused(Softmax(lazy=True), values(3, 5))


def test_a_scrambled_upstream() -> None:
    class Scrambled(Affine):
        def backward(self, dy: Array) -> Array | None:
            return super().backward(dy[::-1])

    assert refused(Scrambled(4, 3), values(6, 4)).startswith("x[")


def test_a_missing_mask() -> None:
    message = refused(Elementwise(lambda x: np.maximum(x, 0), np.ones_like), values(4, 6))
    assert "a mask is missing" in message


def test_a_lost_part() -> None:
    assert "part of the gradient" in refused(Elementwise(np.tanh, lambda x: (1 - np.tanh(x) ** 2) * (x > 0)), values(4, 6))


def test_padding() -> None:
    def spoil(dx: Array) -> None:
        dx[..., 0, :] *= 1.5
        dx[..., :, -1] *= 1.5

    check_layer(Blur(), values(1, 2, 4, 6))
    assert "padding" in refused(Blur(spoil), values(1, 2, 4, 6))


def test_a_channel() -> None:
    assert "axis 1 is [2 3]" in refused(Blur(lambda dx: dx[:, 2:4].__imul__(2)), values(2, 5, 3, 2))


@pytest.mark.parametrize("victim", ["x", "dy", "weight"])
@pytest.mark.parametrize("when", ["forward", "backward"])
def test_a_changed_argument(victim: str, when: str) -> None:
    class Careless(Affine):
        def forward(self, x: Array, train: bool = True) -> Array:
            y, self.arrays = super().forward(x, train), {"x": x, "weight": self.params["weight"]}
            if when == "forward" and victim != "dy":
                self.arrays[victim] *= 2
            return y

        def backward(self, dy: Array) -> Array | None:
            dx = super().backward(dy)
            if when == "backward" or victim == "dy":
                (self.arrays | {"dy": dy})[victim][...] = 0
            return dx

    assert refused(Careless(4, 3), values(6, 4)).startswith(f"{victim} was changed")


def test_gradients_that_pile_up() -> None:
    class Piles(Affine):
        def backward(self, dy: Array) -> Array | None:
            before, dx = self.grads.get("weight", 0), super().backward(dy)
            self.grads["weight"] = self.grads["weight"] + before
            return dx

    assert "second backward" in refused(Piles(4, 3), values(6, 4))


def test_randomness_that_nobody_can_rewind() -> None:
    assert "generators()" in refused(Noisy(secret=True), values(6, 4))


def test_a_forward_that_changes_the_dtype_or_gives_nan() -> None:
    assert "float32" in refused(Elementwise(lambda x: x.astype(np.float32), np.ones_like), values(3, 2))
    assert "finite" in refused(Elementwise(lambda x: x * np.nan, np.ones_like), values(3, 2))


def test_nan_beside_the_point_is_no_pass() -> None:
    x = values(3, 2)
    assert "x[" in refused(Elementwise(lambda z: np.where(z.real == x, z, np.nan), np.ones_like), x)


@pytest.mark.parametrize("scale", [3.0, 1 / 3, 1 + 1e-5])
def test_a_wrong_loss(scale: float) -> None:
    with pytest.raises(GradientError, match=f"received is {scale:.6g} times"):
        check_loss(CrossEntropy(scale), values(3, 5), np.array([1, 0, 4]))


# ---- kinks


@pytest.mark.parametrize("at_zero", [0, 0.5, 1])
@pytest.mark.parametrize("every", [1, 64])
def test_a_subgradient_is_right_and_is_reported(at_zero: float, every: int) -> None:
    x = values(6, 10)
    x[[1, 4], [3, 0]] = 0
    assert check_layer(relu(at_zero), x, every=every).kinks == 2


@pytest.mark.parametrize("at_zero", [2, -1, 1.001, -0.001])
@pytest.mark.parametrize("every", [1, 64])
def test_a_wrong_gradient_at_a_kink_is_no_subgradient(at_zero: float, every: int) -> None:
    x = values(6, 10)
    x[4, 3] = 0
    message = refused(relu(at_zero), x, every=every)
    assert message.startswith("x[4, 3]: ")
    assert "kink" in message


@settings(deadline=None, max_examples=40)
@given(exponent=st.floats(-6.5, -3), sign=st.sampled_from([1, -1]), factor=st.sampled_from([1.0, 0.5, 1.01]))
def test_close_to_a_kink_there_is_one_right_answer(exponent: float, sign: int, factor: float) -> None:
    x = values(5, 5)
    x[2, 2] = sign * 10**exponent
    layer = Elementwise(lambda x: np.maximum(x, -x), lambda x: np.sign(x) * np.where(abs(x) < 2e-3, factor, 1))
    if factor == 1:
        assert check_layer(layer, x).kinks == 0
    else:
        assert refused(layer, x).startswith("x[2, 2]: ")


def test_two_kinks_at_the_same_distance_on_both_sides() -> None:
    x = values(5, 5)
    x[2, 2] = 0  # L(h) - 2 L(0) + L(-h) is zero for every h here; only D(h) and D(h/2) tell
    layer = Elementwise(lambda x: x.clip(-5e-5, 5e-5), lambda x: (abs(x) < 5e-5).astype(float))
    assert check_layer(layer, x).kinks == 0


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), power=st.integers(-3, 3))
def test_a_sharp_bend_is_no_excuse(seed: int, power: int) -> None:
    sharp = 10.0**power
    x = values(4, 4, seed=seed) / sharp
    x[0, 0] = 3.0  # the largest number, which sets the step

    def slope(x: Array) -> Array:
        return sharp * (1 - np.tanh(sharp * x) ** 2)

    assert check_layer(Elementwise(lambda x: np.tanh(sharp * x), slope), x).kinks == 0
    refused(Elementwise(lambda x: np.tanh(sharp * x), lambda x: slope(x) * 1.0001), x)


@pytest.mark.parametrize("share", [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_a_tie_of_two_maxima(share: tuple[float, float]) -> None:
    x = values(5, 8)
    x[2, 3] = x[2, 4] = 3.0
    assert check_layer(Window(share), x).kinks == 2


def test_the_inputs_of_a_tie_share_one_gradient() -> None:
    x = values(5, 8)
    x[2, 3] = x[2, 4] = 3.0
    assert "tie" in refused(Window((1.0, 1.0)), x)  # each alone is between the slopes, 0 and 1; but both move y by 1
    assert "tie" in refused(Window((0.0, 0.0)), x)


def test_too_many_kinks() -> None:
    x = values(5, 8)
    x[0] = 0
    assert "choose" in refused(relu(), x)
    assert check_layer(relu(), x, max_kinks=0.5).kinks == 8


# ---- what cannot be checked is said, not passed


def test_float32_is_refused_with_advice() -> None:
    with pytest.raises(TypeError, match=r"x .*float64"):
        check_layer(tanh(), values(3, 2).astype(np.float32))
    layer = Affine(4, 3)
    layer.params["bias"] = layer.params["bias"].astype(np.float32)
    with pytest.raises(TypeError, match=r"bias is float32.*float64"):
        check_layer(layer, values(2, 4))


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: x * x.astype(float),  # ComplexWarning
        lambda x: np.multiply(x, x, out=np.empty(x.shape)),  # TypeError
        lambda x: x.real * x.real,  # in silence
    ],
)
def test_a_layer_that_loses_imaginary_parts(forward: Callable[[Array], Array]) -> None:
    x = values(3, 2)
    check_gradient(forward, lambda dy: 2 * dy * x, x)
    with pytest.raises(TypeError, match="no complex steps"):
        check_gradient(forward, lambda dy: 2 * dy * x, x, method="complex")


def test_complex_steps_do_not_reach_merged_params() -> None:
    with pytest.raises(TypeError, match="no complex steps"):
        check_layer(Chain(Affine(4, 3), tanh()), values(2, 4), method="complex")


def test_bad_options_and_arrays() -> None:
    with pytest.raises(ValueError, match="'central' or 'complex', got 'forward'"):
        check_layer(tanh(), values(3, 2), method="forward", tolerance=1e-6)
    for bad in (np.array([1.0, np.inf]), np.ones((0, 3)), np.arange(3)):
        with pytest.raises(TypeError, match=r"x is .* must be"):
            check_layer(tanh(), bad)


def test_nothing_to_check_is_no_pass() -> None:
    with pytest.raises(GradientError, match="nothing to check"):
        check_gradient(np.sin, lambda dy: None, values(3))
