"""What the tests are run on: Hypothesis draws the structure of a case, a seeded generator its numbers.

A case says everything about one layer and its input: sizes (height and width differ, kernels are rectangular, padding has
four sides), the memory order of x and of dy, and a seed. Its values do not come from Hypothesis, which likes zeros and
repetitions: there ReLU and max-pooling have their kinks. They come from `default_rng(seed)`, away from the kinks, and the
kinks have tests of their own.

Each case knows its specification: `expected` and `expected_gradients` are the loops of reference.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from minialex import layers
from tests import reference
from tests.reference import Array, Pair, Sides

Order: TypeAlias = Literal["C", "F", "channels last", "reversed", "sliced"]
Numbers: TypeAlias = int | tuple[int, ...]  # an int, (h, w), or for padding (top, bottom, left, right)
Gradients: TypeAlias = dict[str, Array]  # "dx", and "dweight" for the parameter "weight", ...
Put: TypeAlias = Callable[[Array], Array]  # brings a host array to where the layer shall work

ORDERS: tuple[Order, ...] = ("C", "F", "channels last", "reversed", "sliced")


def lay_out(values: Array, order: Order) -> Array:
    """The same values in another memory order, on the same device. A NumPy array comes read-only."""
    backwards = (slice(None, None, -1),) * values.ndim
    if order == "F":
        x = values.copy(order="F")
    elif order == "channels last" and values.ndim > 1:
        x = np.moveaxis(np.moveaxis(values, 1, -1).copy(order="C"), -1, 1)
    elif order == "reversed":
        x = values[backwards].copy(order="C")[backwards]
    elif order == "sliced":  # every second number of a larger array, whose others are so large that using one shows
        whole = np.full_like(values, 99, shape=tuple(2 * size + 1 for size in values.shape), order="C")
        x = whole[(slice(1, None, 2),) * values.ndim]
        x[...] = values
    else:
        x = values.copy(order="C")
    if isinstance(x, np.ndarray):
        x.flags.writeable = False
    return x


def two(value: Numbers) -> Pair:
    """(h, w)."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def four(value: Numbers) -> Sides:
    """(top, bottom, left, right)."""
    if isinstance(value, int):
        return value, value, value, value
    return (value[0], value[0], value[1], value[1]) if len(value) == 2 else (value[0], value[1], value[2], value[3])


def set_parameter(layer: Any, name: str, value: Array) -> None:
    """Put a parameter into a layer; "conv.weight" is the weight of a Sequential's layer "conv"."""
    if "." in name:
        place, name = name.rsplit(".", 1)
        layer = dict(layer.leaves())[place]
    layer.params[name] = value


@dataclass(frozen=True, kw_only=True)
class Case:
    """One layer and its input; the subclasses add the layer's arguments."""

    shape: tuple[int, ...]
    order: Order = "C"  # of x
    dy_order: Order = "C"
    seed: int = 0

    def build(self, cls: Any) -> Any:
        """The layer, as its constructor leaves it."""
        return cls()

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        """y, by the loops of the specification."""
        raise NotImplementedError

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        """dx and the gradient of each parameter, by the loops of the specification."""
        raise NotImplementedError

    def layer(self, cls: Any, dtype: Any = np.float64, put: Put = np.asarray) -> Any:
        """The layer with parameters from N(0, 1), where zeros would hide a wrong gradient."""
        layer, rng = self.build(cls), np.random.default_rng((self.seed, 1))
        for name, value in layer.params.items():
            set_parameter(layer, name, put(rng.standard_normal(value.shape).astype(dtype)))
        return layer

    def values(self) -> Array:
        """The numbers of x, in float64."""
        return np.random.default_rng((self.seed, 2)).standard_normal(self.shape)

    def x(self, dtype: Any = np.float64, put: Put = np.asarray) -> Array:
        """The input, read-only, in the drawn memory order."""
        return lay_out(put(self.values().astype(dtype)), self.order)

    def dy(self, shape: tuple[int, ...], dtype: Any = np.float64, put: Put = np.asarray, *, draw: int = 0) -> Array:
        """A random upstream gradient, read-only, in the drawn memory order; each `draw` is another one."""
        values = np.random.default_rng((self.seed, 3, draw)).standard_normal(shape)
        return lay_out(put(values.astype(dtype)), self.dy_order)


def memory(draw: DrawFn) -> dict[str, Any]:
    """The fields that every case has besides its shape."""
    orders = st.sampled_from(ORDERS)
    return {"order": draw(orders), "dy_order": draw(orders), "seed": draw(st.integers(0, 999_999))}


def one_or_two(largest: int) -> SearchStrategy[Numbers]:
    """A kernel size or a stride: mostly (h, w), now and then an int."""
    size = st.integers(1, largest)
    return st.one_of(st.tuples(size, size), size)


def paddings(largest: Pair) -> SearchStrategy[Numbers]:
    """Up to `largest` = (h, w) on each side: four sides mostly, now and then a pair or an int."""
    h, w = st.integers(0, largest[0]), st.integers(0, largest[1])
    return st.one_of(st.tuples(h, h, w, w), st.tuples(h, w), st.integers(0, min(largest)))


def image_sizes(draw: DrawFn, kernel: Pair, padding: Sides, overhang: Pair = (0, 0)) -> Pair:
    """(H, W), H != W, both large enough for the kernel to fit once, when it may hang over the edge by `overhang`."""
    top, bottom, left, right = padding
    H = max(1, kernel[0] - top - bottom - overhang[0]) + draw(st.integers(0, 5))
    W = max(1, kernel[1] - left - right - overhang[1]) + draw(st.integers(0, 5))
    return H, W + (H == W)


# Convolution


@dataclass(frozen=True, kw_only=True)
class ConvCase(Case):
    """Conv2d(C, out_channels, kernel_size, stride, padding, groups) on x of `shape` (N, C, H, W)."""

    out_channels: int
    kernel_size: Numbers
    stride: Numbers = 1
    padding: Numbers = 0
    groups: int = 1

    def build(self, cls: Any) -> Any:
        groups = {"groups": self.groups} if self.groups > 1 else {}
        return cls(self.shape[1], self.out_channels, self.kernel_size, self.stride, self.padding, **groups)

    @property
    def geometry(self) -> dict[str, Any]:
        """The arguments of the loops."""
        return {"stride": two(self.stride), "padding": four(self.padding), "groups": self.groups}

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.conv2d(x, params["weight"], params["bias"], **self.geometry)

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        dx, dweight, dbias = reference.conv2d_backward(dy, x, params["weight"], **self.geometry)
        return {"dx": dx, "dweight": dweight, "dbias": dbias}


@st.composite
def conv_cases(draw: DrawFn) -> ConvCase:
    """Groups of unequal input and output width, strides up to 3, so that some pixels may be passed over."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inputs, outputs = groups * draw(st.integers(1, 3 if groups == 1 else 2)), groups * draw(st.integers(1, 2))
    kernel_size, stride, padding = draw(one_or_two(3)), draw(one_or_two(3)), draw(paddings((2, 2)))
    return ConvCase(
        shape=(draw(st.integers(1, 3)), inputs, *image_sizes(draw, two(kernel_size), four(padding))),
        out_channels=outputs,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        groups=groups,
        **memory(draw),
    )


@st.composite
def tiled_cases(draw: DrawFn) -> ConvCase:
    """Kernels of 2 to 5 pixels a stride, images of one tile and of several, which need not end where a tile does."""
    groups, stride = draw(st.sampled_from([1, 1, 1, 2])), draw(st.sampled_from([1, 1, 1, 2, (1, 2), (3, 1)]))
    kernel = tuple(draw(st.integers(s + 1, min(5 * s, 6))) for s in two(stride))
    padding = draw(paddings((2, 2)))
    H, W = image_sizes(draw, kernel, four(padding))
    return ConvCase(
        shape=(draw(st.integers(1, 3)), groups * draw(st.integers(1, 2)), H + draw(st.integers(0, 4)), W),
        out_channels=groups * draw(st.integers(1, 2)),
        kernel_size=kernel,
        stride=stride,
        padding=padding,
        groups=groups,
        **memory(draw),
    )


# Pooling


@dataclass(frozen=True, kw_only=True)
class PoolCase(Case):
    """A pooling layer (kernel_size, stride, padding, ceil_mode) on x of `shape` (N, C, H, W), no two pixels equal."""

    kernel_size: Numbers
    stride: Numbers | None = None
    padding: Numbers = 0
    ceil_mode: bool = False

    def build(self, cls: Any) -> Any:
        return cls(self.kernel_size, self.stride, self.padding, self.ceil_mode)

    def values(self) -> Array:
        """All different, and mostly negative, so that padding with zeros would win."""
        distinct = np.linspace(-3, 1, int(np.prod(self.shape)))
        return np.random.default_rng((self.seed, 2)).permutation(distinct).reshape(self.shape)

    @property
    def window(self) -> dict[str, Any]:
        """The arguments of the loops."""
        return {
            "kernel": two(self.kernel_size),
            "stride": two(self.kernel_size if self.stride is None else self.stride),
            "padding": four(self.padding),
            "ceil_mode": self.ceil_mode,
        }


class MaxPoolCase(PoolCase):
    """MaxPool2d."""

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.max_pool2d(x, **self.window)

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        return {"dx": reference.max_pool2d_backward(dy, x, **self.window)}


class AvgPoolCase(PoolCase):
    """AvgPool2d."""

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.avg_pool2d(x, **self.window)

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        return {"dx": reference.avg_pool2d_backward(dy, x, **self.window)}


@st.composite
def pool_cases(draw: DrawFn, kind: Any) -> Any:
    """Windows that overlap, meet or leave gaps; padding smaller than the window, so that each sees a pixel."""
    kernel_size, stride, ceil_mode = draw(one_or_two(3)), draw(st.none() | one_or_two(3)), draw(st.booleans())
    kernel, step = two(kernel_size), two(kernel_size if stride is None else stride)
    padding = draw(paddings((kernel[0] - 1, kernel[1] - 1)))
    overhang = (step[0] - 1, step[1] - 1) if ceil_mode else (0, 0)
    sizes = image_sizes(draw, kernel, four(padding), overhang)
    return kind(
        shape=(draw(st.integers(1, 2)), draw(st.integers(1, 3)), *sizes),
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        **memory(draw),
    )


# Local response normalisation


@dataclass(frozen=True, kw_only=True)
class LRNCase(Case):
    """LocalResponseNorm(size, alpha, beta, k) on x of `shape` (N, C, H, W)."""

    size: int
    alpha: float
    beta: float
    k: float
    alpha_over_size: bool = False
    groups: int = 1

    def build(self, cls: Any) -> Any:
        named: dict[str, Any] = {"alpha_over_size": True} if self.alpha_over_size else {}
        if self.groups > 1:
            named["groups"] = self.groups
        return cls(self.size, self.alpha, self.beta, self.k, **named)

    @property
    def constants(self) -> dict[str, Any]:
        """The arguments of the loops."""
        alpha = self.alpha / self.size if self.alpha_over_size else self.alpha
        return {"size": self.size, "alpha": alpha, "beta": self.beta, "k": self.k, "groups": self.groups}

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.lrn(x, **self.constants)

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        return {"dx": reference.lrn_backward(dy, x, **self.constants)}


@st.composite
def lrn_cases(draw: DrawFn, *, odd: bool = False, grouped: bool = True) -> LRNCase:
    """alpha from 0.1 to 1, since the paper's 1e-4 hides a missing term; windows even, odd, and wider than all channels."""
    groups = draw(st.sampled_from([1, 1, 2, 3])) if grouped else 1
    return LRNCase(
        shape=(draw(st.integers(1, 2)), groups * draw(st.integers(1, 8 // groups)), *image_sizes(draw, (1, 1), (0,) * 4)),
        size=draw(st.sampled_from([1, 3, 5, 7] if odd else range(1, 8))),
        alpha=draw(st.integers(1, 10)) / 10,
        beta=draw(st.sampled_from([0.75, 0.5, 0.6, 1.0])),
        k=draw(st.sampled_from([1.0, 2.0, 1.5])),
        alpha_over_size=draw(st.booleans()),
        groups=groups,
        **memory(draw),
    )


@dataclass(frozen=True, kw_only=True)
class SpatialNormCase(Case):
    """SpatialResponseNorm(size, alpha, beta, k) on x of `shape` (N, C, H, W)."""

    size: int
    alpha: float
    beta: float
    k: float

    def build(self, cls: Any) -> Any:
        return cls(self.size, self.alpha, self.beta, self.k)

    @property
    def constants(self) -> dict[str, Any]:
        """The arguments of the loops."""
        return {"size": self.size, "alpha": self.alpha, "beta": self.beta, "k": self.k}

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.spatial_norm(x, **self.constants)

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        return {"dx": reference.spatial_norm_backward(dy, x, **self.constants)}


@st.composite
def spatial_norm_cases(draw: DrawFn) -> SpatialNormCase:
    """H and W differ and may be smaller than the square; alpha is such that alpha / size² is from 0.1 to 1."""
    size = draw(st.integers(1, 6))
    return SpatialNormCase(
        shape=(draw(st.integers(1, 2)), draw(st.integers(1, 3)), *image_sizes(draw, (1, 1), (0,) * 4)),
        size=size,
        alpha=draw(st.integers(1, 10)) / 10 * size**2,
        beta=draw(st.sampled_from([0.75, 0.5, 0.6, 1.0])),
        k=draw(st.sampled_from([1.0, 2.0, 1.5])),
        **memory(draw),
    )


# Vectors, and layers that work on one number at a time


@dataclass(frozen=True, kw_only=True)
class LinearCase(Case):
    """Linear(D, out_features) on x of `shape` (N, D)."""

    out_features: int

    def build(self, cls: Any) -> Any:
        return cls(self.shape[1], self.out_features)

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.linear(x, params["weight"], params["bias"])

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        dx, dweight, dbias = reference.linear_backward(dy, x, params["weight"])
        return {"dx": dx, "dweight": dweight, "dbias": dbias}


@st.composite
def linear_cases(draw: DrawFn) -> LinearCase:
    """A few features to a few others."""
    size = st.integers(1, 6)
    return LinearCase(shape=(draw(st.integers(1, 4)), draw(size)), out_features=draw(size), **memory(draw))


class ReLUCase(Case):
    """ReLU on x of any shape, every number at least 0.05 away from the kink."""

    def values(self) -> Array:
        x = super().values()
        return np.sign(x) * (0.05 + np.abs(x))

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.relu(x)

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        return {"dx": reference.relu_backward(dy, x)}


class TanhCase(Case):
    """Tanh on x of any shape."""

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.tanh(x)

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        return {"dx": reference.tanh_backward(dy, x)}


class SigmoidCase(Case):
    """Sigmoid on x of any shape."""

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return reference.sigmoid(x)

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        return {"dx": reference.sigmoid_backward(dy, x)}


class FlattenCase(Case):
    """Flatten on x of `shape` (N, ...): the logical order counts, whatever the memory is."""

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return np.array([[x[at] for at in reference.indices(*x.shape) if at[0] == n] for n in range(x.shape[0])])

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        dx, column = np.zeros(x.shape), [0] * x.shape[0]
        for at in reference.indices(*x.shape):
            dx[at] = dy[at[0], column[at[0]]]
            column[at[0]] += 1
        return {"dx": dx}


@st.composite
def shaped_cases(draw: DrawFn, kind: Any, dimensions: tuple[int, int] = (1, 4)) -> Any:
    """A case that is all shape."""
    size = st.integers(1, 4)
    return kind(shape=tuple(draw(st.lists(size, min_size=dimensions[0], max_size=dimensions[1]))), **memory(draw))


@dataclass(frozen=True, kw_only=True)
class DropoutCase(Case):
    """Dropout(p) on x of `shape` (N, ...), no number 0, so that the mask can be read from y."""

    p: float

    def build(self, cls: Any) -> Any:
        return cls(self.p, rng=np.random.default_rng((self.seed, 4)))

    def values(self) -> Array:
        x = super().values()
        return np.sign(x) * (0.05 + np.abs(x))


@st.composite
def dropout_cases(draw: DrawFn) -> DropoutCase:
    """Vectors and images; p on both sides of 1/2, where p and 1 - p are not the same."""
    shape = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    return DropoutCase(shape=tuple(shape), p=draw(st.sampled_from([0.5, 0.2, 0.75, 0.9, 0.0])), **memory(draw))


# Layers in a row


class SequentialCase(Case):
    """Convolution, tanh, normalisation and a tail of its own (pooling, flattening, a linear layer): no kinks in it."""

    def build(self, cls: Any) -> Any:
        _, C, H, W = self.shape
        conv, linear = layers.Conv2d(C, 3, (2, 3), padding=(1, 0, 1, 1)), layers.Linear(3 * (H // 2) * (W // 2), 2)
        conv.name, linear.name = "conv", "linear"
        tail = cls(layers.AvgPool2d(2), layers.Flatten(), linear)
        return cls(conv, layers.Tanh(), layers.LocalResponseNorm(3, 0.5), tail)

    def steps(self, x: Array, params: dict[str, Array]) -> list[Array]:
        """What each layer of the chain gives, x first."""
        a = reference.conv2d(x, params["conv.weight"], params["conv.bias"], **self.conv)
        b = reference.tanh(a)
        c = reference.lrn(b, **self.lrn)
        d = reference.avg_pool2d(c, **self.pool)
        e = d.reshape(len(d), -1)
        return [x, a, b, c, d, e, reference.linear(e, params["3.linear.weight"], params["3.linear.bias"])]

    conv: ClassVar[dict[str, Any]] = {"stride": (1, 1), "padding": (1, 0, 1, 1), "groups": 1}
    lrn: ClassVar[dict[str, Any]] = {"size": 3, "alpha": 0.5, "beta": 0.75, "k": 2.0, "groups": 1}
    pool: ClassVar[dict[str, Any]] = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0), "ceil_mode": False}

    def expected(self, x: Array, params: dict[str, Array]) -> Array:
        return self.steps(x, params)[-1]

    def expected_gradients(self, dy: Array, x: Array, params: dict[str, Array]) -> Gradients:
        x, a, b, c, d, e, _ = self.steps(x, params)
        de, dweight, dbias = reference.linear_backward(dy, e, params["3.linear.weight"])
        dc = reference.avg_pool2d_backward(de.reshape(d.shape), c, **self.pool)
        da = reference.tanh_backward(reference.lrn_backward(dc, b, **self.lrn), a)
        dx, dkernels, doffsets = reference.conv2d_backward(da, x, params["conv.weight"], **self.conv)
        head = {"dx": dx, "dconv.weight": dkernels, "dconv.bias": doffsets}
        return head | {"d3.linear.weight": dweight, "d3.linear.bias": dbias}


@st.composite
def sequential_cases(draw: DrawFn) -> SequentialCase:
    """Small images, at least 2 x 2, so that something is left to pool."""
    H, W = draw(st.sampled_from([(2, 3), (3, 2), (3, 4), (4, 3), (2, 5)]))
    return SequentialCase(shape=(draw(st.integers(1, 2)), draw(st.integers(1, 2)), H, W), **memory(draw))


# Softmax and cross-entropy


@dataclass(frozen=True, kw_only=True)
class LossCase(Case):
    """Logits of `shape` (N, classes) and their labels, in any integer type."""

    label_type: str = "int64"

    def labels(self, put: Put = np.asarray) -> Array:
        """The right classes, drawn uniformly."""
        drawn = np.random.default_rng((self.seed, 5)).integers(self.shape[1], size=self.shape[0])
        return lay_out(put(drawn.astype(self.label_type)), self.dy_order)


@st.composite
def loss_cases(draw: DrawFn) -> LossCase:
    """A few rows of a few logits."""
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    return LossCase(shape=shape, label_type=draw(st.sampled_from(["int64", "int32", "uint8"])), **memory(draw))
