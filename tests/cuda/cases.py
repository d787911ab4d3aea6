"""What is claimed of the kernels, and of the layers made of them: the suites that judge kernels and mutants.

The layers' cases are those of tests/strategies.py, half of them with four times the channels, where a thread moves vectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from minialex import layers, optim
from minialex.data.augment import Augmentation
from minialex.data.views import Draws
from minialex.layers import cuda
from tests.checks import IM2COL
from tests.checks.every_layer import arguments_stay_as_they_are, backward_can_be_repeated, dtypes_are_kept
from tests.checks.lrn import constants_are_those_of_the_paper, windows_are_cut_at_the_edges
from tests.checks.pool import a_tie_goes_to_the_first, only_real_pixels_count, padding_never_wins
from tests.checks.suite import Suite, copies, gradients, same
from tests.cuda import stand_in
from tests.cuda.layers import AvgPool2d, Conv2d, Dropout, LocalResponseNorm, MaxPool2d, Patches, get
from tests.reference import Array
from tests.strategies import AvgPoolCase, MaxPoolCase, conv_cases, dropout_cases, lrn_cases, pool_cases

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}


def the_plain_layer_agrees(cls: Any, case: Any) -> None:
    """y and every gradient equal those of the plain layer: to 12 digits in float64, to 5 in float32"""
    plain = cls.__mro__[1]
    for dtype, tolerance in TOLERANCE.items():
        results = []
        for kind in (plain, cls):
            layer = case.layer(kind, dtype)
            y = layer.forward(case.x(dtype))
            results.append({"y": y} | copies(gradients(layer, layer.backward(case.dy(y.shape, dtype)))))
        for name, expected in results[0].items():
            same(name, results[1][name], expected, tolerance)


def nan_wins(cls: Any) -> None:
    """A window with a nan has nan for its largest, wherever the nan lies"""
    for place in range(4):
        x = np.arange(4.0)
        x[place] = np.nan
        y = cls(2).forward(x.reshape(1, 1, 2, 2))
        assert np.isnan(y).all(), f"y is {y} though pixel {place} is nan"


def half_wider(cases: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """The cases, and the same with four times the channels."""
    return st.one_of(cases, cases.map(lambda case: replace(case, shape=(case.shape[0], 4 * case.shape[1], *case.shape[2:]))))


LAYER = (the_plain_layer_agrees, dtypes_are_kept, arguments_stay_as_they_are, backward_can_be_repeated)


def a_slice_of_channels_is_read_in_place(cls: Any) -> None:
    """The patches of a group's channels are copied out of all channels, as vectors and one by one"""
    for channels in (slice(4, 8), slice(3, 8), slice(8, 9)):
        x = np.random.default_rng(1).standard_normal((2, 5, 4, 12)).transpose(0, 3, 1, 2)
        geometry = (3, 2), (2, 1), (1, 0, 0, 1)
        columns = cls.im2col(x[:, channels], *geometry)
        same("columns", columns, layers.im2col(x[:, channels], *geometry))


# What is done to one number at a time


@dataclass(frozen=True, kw_only=True)
class RowsCase:
    """Matrices (rows, C) with nan and exact zeros among the numbers."""

    rows: int
    C: int
    seed: int

    def values(self, draw: int, dtype: Any) -> Array:
        rng = np.random.default_rng((self.seed, draw))
        x = rng.standard_normal((self.rows, self.C))
        x[rng.random(x.shape) < 0.1] = 0
        return x.astype(dtype)


def rows_cases() -> SearchStrategy[RowsCase]:
    """C a multiple of a vector's length or not."""
    C = st.one_of(st.integers(1, 9), st.integers(1, 4).map(lambda n: 4 * n))
    return st.builds(RowsCase, rows=st.integers(1, 40), C=C, seed=st.integers(0, 999_999))


class Rows:
    """bias_relu and relu_backward."""

    @staticmethod
    def bias_relu(Y: Array, bias: Array, relu: bool) -> Array:
        there = stand_in.put(Y)
        cuda.bias_relu(there, stand_in.put(bias), relu)
        return get(there)

    @staticmethod
    def relu_backward(dy: Array, y: Array) -> tuple[Array, Array]:
        dY, db = cuda.relu_backward(stand_in.put(dy), stand_in.put(y))
        return get(dY), get(db)


def bias_and_relu_are_numpys(cls: Any, case: RowsCase) -> None:
    """Y + b and max(0, Y + b), to the last bit"""
    for dtype in TOLERANCE:
        Y, bias = case.values(1, dtype), case.values(2, dtype)[0]
        same("Y + b", cls.bias_relu(Y, bias, False), Y + bias)
        same("max(0, Y + b)", cls.bias_relu(Y, bias, True), np.maximum(Y + bias, 0))


def the_way_back_is_numpys(cls: Any, case: RowsCase) -> None:
    """dY = dy [y > 0] to the last bit, and db its sum over the rows"""
    for dtype, tolerance in TOLERANCE.items():
        dy, y = case.values(1, dtype), case.values(2, dtype)
        dY, db = cls.relu_backward(dy, y)
        same("dY", dY, dy * (y > 0))
        same("db", db, (dy * (y > 0)).sum(axis=0), tolerance)


def nan_shows(cls: Any) -> None:
    """nan passes ReLU"""
    for C in (3, 4):
        y = cls.bias_relu(np.full((2, C), np.nan), np.zeros(C), True)
        assert np.isnan(y).all(), f"nan becomes {y}"


def philox(*seed: int) -> np.random.Generator:
    """NumPy's Philox, with a counter that is about to pass 64 bits."""
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([2**64 - 2, 2**64 - 1, 7, 1], np.uint64)))


def a_cpu_draws_the_same_masks(cls: Any, case: Any) -> None:
    """One mask after another is made of the numbers that NumPy draws from the same generators, forward and backward"""
    N, D, *rest = case.shape
    slices = 2 if D % 2 == 0 else 1
    for dtype in TOLERANCE:
        numpys, ours = ([philox(case.seed, g) for g in range(slices)] for _ in range(2))
        layer = cls(case.p, rng=ours)
        for draw in range(3):
            x, dy = case.x(dtype), case.dy(case.shape, dtype, draw=draw)
            drawn = np.concatenate([rng.random((N, D // slices, *rest), dtype=np.float32) for rng in numpys], axis=1)
            same("y", layer.forward(x), x * (drawn >= case.p))
            same("dx", layer.backward(dy), dy * (drawn >= case.p))
            for theirs, rng in zip(numpys, ours, strict=True):
                theirs.bit_generator.advance(0)  # begin a new block
                assert str(theirs.bit_generator.state) == str(rng.bit_generator.state), "the generators have come apart"


def bias_relu_and_mask_in_one(cls: Any, case: Any) -> None:
    """bias_relu_dropout is the dropout of bias_relu, and relu_backward of its result needs no mask"""
    N, D = case.shape[0], int(np.prod(case.shape[1:]))
    slices = 2 if D % 2 == 0 else 1
    for dtype in TOLERANCE:
        rng = np.random.default_rng(case.seed)
        Y, dy, bias = (rng.standard_normal(shape).astype(dtype) for shape in ((N, D), (N, D), (D,)))
        draws = [cuda.mask_numbers(philox(case.seed, g), N * D // slices) for g in range(slices)]
        y = cuda.bias_relu_dropout(stand_in.put(Y), stand_in.put(bias), case.p, draws)
        kept = get(cuda.dropout(stand_in.put(np.ones_like(Y)), case.p, draws))
        same("y", get(y), kept * np.maximum(Y + bias, 0))
        same("dY", get(cuda.relu_backward(stand_in.put(dy), y)[0]), dy * kept * (Y + bias > 0))


class Update:
    """sgd_update."""

    @staticmethod
    def update(w: Array, dw: Array, v: Array, lr: float, momentum: float, decay: float, unless: Any = None) -> None:
        there = [stand_in.put(array) for array in (w, dw, v)]
        cuda.sgd_update(*there, lr, momentum, decay, unless)
        for host, array in zip((w, dw, v), there, strict=True):
            host[...] = get(array)


def the_update_is_numpys(cls: Any, case: RowsCase) -> None:
    """After three updates w and v equal those of optim.update to the last bit"""
    for dtype in TOLERANCE:
        for rates in ((0.01, 0.9, 0.0005), (0.1, 0.5, 0.0)):
            results = []
            for update in (optim.update, cls.update):
                w, dw, v = (case.values(k, dtype) for k in range(3))
                for step in range(3):
                    update(w, dw, v, rates[0] / (1 + step), *rates[1:])
                results.append((w, dw, v))
            for name, got, expected in zip(("w", "dw", "v"), results[1], results[0], strict=True):
                same(name, got, expected)


def a_flag_stops_the_update(cls: Any, case: RowsCase) -> None:
    """Where the flag is not 0 w and v stay what they are, nan in the gradient or not; where it is 0, all goes on"""
    for dtype in TOLERANCE:
        for flag in (0, 1):
            w, dw, v = (case.values(k, dtype) for k in range(3))
            dw[-1, -1] = np.nan if flag else 1
            expected = w.copy(), v.copy()
            if not flag:
                optim.update(expected[0], dw, expected[1], 0.01, 0.9, 0.0005)
            cls.update(w, dw, v, 0.01, 0.9, 0.0005, stand_in.put(np.array([flag], np.int32)))
            for name, got, wanted in zip(("w", "v"), (w, v), expected, strict=True):
                same(f"{name}, with the flag at {flag},", got, wanted)


class NotFinite:
    """not_finite."""

    @staticmethod
    def not_finite(x: Array, found: int, stopped: int) -> int:
        flags = [stand_in.put(np.array([flag], np.int32)) for flag in (found, stopped)]
        cuda.not_finite(stand_in.put(x), *flags)
        assert get(flags[1]) == [stopped], "the flag that stops is not the kernel's to write"
        return int(get(flags[0])[0])


def one_number_is_enough(cls: Any, case: RowsCase) -> None:
    """One nan or infinity, wherever it lies, is found, and no number is taken for one, however large or small"""
    for dtype in TOLERANCE:
        largest, least = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
        x = np.abs(case.values(1, dtype))
        x.flat[::2], x.flat[1::3] = largest, least  # the sum overflows
        place = case.seed % x.size
        for value in (largest, -largest, 0, np.nan, np.inf, -np.inf):
            x.flat[place] = value
            for order in (x, x.T, x[None, :, :, None].transpose(0, 3, 1, 2)):
                found, expected = cls.not_finite(order, 0, 0), int(not np.isfinite(value))
                assert found == expected, f"with {value} at {place} of {x.size} the flag is {found}, expected {expected}"


def what_was_found_stays(cls: Any, case: RowsCase) -> None:
    """A flag that is set stays set; and where all has been stopped nothing more is found"""
    for dtype in TOLERANCE:
        x = case.values(1, dtype)
        assert cls.not_finite(x, 1, 0) == 1, "numbers take a flag back"
        x[0] = np.nan
        assert cls.not_finite(x, 0, 1) == 0, "a nan is found after all has been stopped"
        assert cls.not_finite(x, 1, 1) == 1, "the flag is taken back when all has been stopped"


# Views of images of bytes


@dataclass(frozen=True, kw_only=True)
class ViewsCase:
    """n images (C, H, W) of bytes and `times` views of (h, w) of each."""

    n: int
    times: int
    image_shape: tuple[int, int, int]
    crop: tuple[int, int]
    mean_at: str
    coloured: bool
    channels_last: bool
    seed: int


@st.composite
def views_cases(draw: DrawFn) -> ViewsCase:
    """Crops up to the whole image, colours or none, either memory order."""
    h, w = draw(st.integers(1, 6)), draw(st.integers(1, 40))
    H, W = h + draw(st.integers(0, 3)), w + draw(st.integers(0, 3))
    flags = {name: draw(st.booleans()) for name in ("coloured", "channels_last")}
    mean_at, seed = draw(st.sampled_from(["centre", "pixel"])), draw(st.integers(0, 999_999))
    shape = draw(st.integers(1, 4)), H, W
    n, times = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return ViewsCase(n=n, times=times, image_shape=shape, crop=(h, w), mean_at=mean_at, seed=seed, **flags)


class Views:
    """views, with the arguments of data/augment.py."""

    @staticmethod
    def views(crop: Augmentation, images: Array, draws: Draws, dtype: Any) -> Array:
        mean = np.ascontiguousarray(crop.mean.transpose(1, 2, 0))  # (H, W, C)
        if crop.mean_at == "centre":
            (top, left), (h, w) = crop.centre, crop.crop
            mean = mean[top : top + h, left : left + w].copy()
        out = np.full((len(draws.tops), *crop.crop, len(crop.mean)), np.nan, dtype)
        arrays = [stand_in.put(a) for a in (draws.tops, draws.lefts, draws.mirrored, mean.astype(dtype), out)]
        colours = None if draws.colours is None else stand_in.put(draws.colours.astype(dtype))
        options: dict[str, Any] = {"mean_at": crop.mean_at, "colours": colours, "divisor": crop.divisor}
        cuda.views(stand_in.put(images), crop.crop, *arrays, **options)
        return get(arrays[-1]).transpose(0, 3, 1, 2)


def views_are_the_hosts(cls: Any, case: ViewsCase) -> None:
    """Every view equals the host's: to the last bit in float32"""
    rng = np.random.default_rng(case.seed)
    images = rng.integers(0, 256, (case.n, *case.image_shape), np.uint8)
    if case.channels_last:
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    mean = rng.uniform(0, 255, case.image_shape).astype(np.float32)
    crop = Augmentation(case.image_shape, case.crop, mean=mean, mean_at=case.mean_at, scale=3.0, shrink=1.1)  # type: ignore[arg-type]
    draws = crop.draw(case.seed, 0, case.n * case.times)
    if case.coloured:
        draws = draws._replace(colours=rng.standard_normal((case.n * case.times, case.image_shape[0]), dtype=np.float32))
    expected = crop(np.concatenate([images] * case.times), draws)
    same("views", cls.views(crop, images, draws, np.float32), expected)
    same("views in float64", cls.views(crop, images, draws, np.float64), expected, 1e-6)


SUITES: dict[str, Suite] = {
    "im2col and col2im": Suite(Patches, half_wider(conv_cases()), IM2COL.properties, (a_slice_of_channels_is_read_in_place,)),
    "convolution": Suite(Conv2d, half_wider(conv_cases()), LAYER),
    "max_pool": Suite(
        MaxPool2d, half_wider(pool_cases(MaxPoolCase)), LAYER, (a_tie_goes_to_the_first, padding_never_wins, nan_wins)
    ),
    "avg_pool": Suite(AvgPool2d, half_wider(pool_cases(AvgPoolCase)), LAYER, (only_real_pixels_count,)),
    "lrn": Suite(
        LocalResponseNorm, half_wider(lrn_cases()), LAYER, (constants_are_those_of_the_paper, windows_are_cut_at_the_edges)
    ),
    "bias_relu": Suite(Rows, rows_cases(), (bias_and_relu_are_numpys, the_way_back_is_numpys), (nan_shows,)),
    "dropout": Suite(Dropout, dropout_cases(), (a_cpu_draws_the_same_masks, bias_relu_and_mask_in_one)),
    "sgd": Suite(Update, rows_cases(), (the_update_is_numpys, a_flag_stops_the_update)),
    "not_finite": Suite(NotFinite, rows_cases(), (one_number_is_enough, what_was_found_stays)),
    "views": Suite(Views, views_cases(), (views_are_the_hosts,)),
}
