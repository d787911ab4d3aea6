"""The fast layers are what their plain twins are: the same claims hold of them, and their numbers agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex import layers
from minialex.layers import fast
from minialex.layers.fast import lrn, small
from minialex.layers.fast.filters import Kept
from tests import checks
from tests.checks.suite import Suite, same
from tests.strategies import AvgPoolCase, Case, MaxPoolCase, conv_cases, lrn_cases, pool_cases, sequential_cases, tiled_cases


class InTiles(fast.Conv2d):
    """Also where that pays nothing."""

    pays = float("inf")


class InParts(InTiles):
    """And tiles of two sizes wherever one size does not fit."""

    splits = 10.0


class InTilesImageByImage(InTiles):
    piece_bytes = 1


class KeepingAll(InParts):
    """Filters and V, as in a stretch that is run in pieces."""

    piece_bytes = 1
    keeps_values = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.kept = Kept()


class ByFewColumns(fast.Conv2d):
    """By columns, those of one image at a time."""

    pays = 0.0
    workspace_bytes = {"numpy": 1, "cupy": 1}  # noqa: RUF012


class InHalves(fast.Linear):
    """As where other devices' cores are idle."""

    side_by_side = staticmethod(map)


class PooledImageByImage(fast.MaxPool2d):
    piece_bytes = 1


class AveragedImageByImage(fast.AvgPool2d):
    piece_bytes = 1


class PixelByPixel(fast.LocalResponseNorm):
    piece_bytes = 1


class OneImageAtATime(fast.Blocked):
    block_bytes = {"numpy": 1, "cupy": 1}  # noqa: RUF012


class OneImageAPiece(fast.Split):
    piece_bytes = {"numpy": 1, "cupy": 1}  # noqa: RUF012


class TwoAtOnce(OneImageAPiece):
    """As on a device with two cores."""

    @staticmethod
    def side_by_side(work: Any, *arguments: Any) -> list[Any]:
        with ThreadPoolExecutor(2) as cores:
            return list(cores.map(work, *arguments))


TWINS: list[tuple[Suite, Any, Any]] = [
    (checks.CONV2D, fast.Conv2d, None),
    (checks.CONV2D, InTiles, None),
    (checks.CONV2D, InTiles, tiled_cases()),
    (checks.CONV2D, InTilesImageByImage, tiled_cases()),
    (checks.CONV2D, InParts, tiled_cases()),
    (checks.CONV2D, KeepingAll, tiled_cases()),
    (checks.CONV2D, ByFewColumns, None),
    (checks.MAX_POOL2D, fast.MaxPool2d, None),
    (checks.MAX_POOL2D, PooledImageByImage, None),
    (checks.AVG_POOL2D, fast.AvgPool2d, None),
    (checks.AVG_POOL2D, AveragedImageByImage, None),
    (checks.LOCAL_RESPONSE_NORM, fast.LocalResponseNorm, None),
    (checks.LOCAL_RESPONSE_NORM, PixelByPixel, None),
    (checks.RELU, fast.ReLU, None),
    (checks.LINEAR, fast.Linear, None),
    (checks.LINEAR, InHalves, None),
    (checks.DROPOUT, fast.Dropout, None),
    (checks.SEQUENTIAL, fast.Sequential, None),
    (checks.SEQUENTIAL, fast.Blocked, None),
    (checks.SEQUENTIAL, OneImageAtATime, None),
    (checks.SEQUENTIAL, fast.Split, None),
    (checks.SEQUENTIAL, OneImageAPiece, None),
    (checks.SEQUENTIAL, TwoAtOnce, None),
]


@pytest.mark.parametrize(("suite", "cls", "cases"), TWINS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_claimed_of_the_plain_layer_holds(suite: Suite, cls: Any, cases: Any) -> None:
    suite.run(cls, max_examples=60, shrink=True, cases=cases)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("plain", "quick", "cases"),
    [
        (layers.Conv2d, fast.Conv2d, conv_cases()),
        (layers.Conv2d, InTiles, st.one_of(conv_cases(), tiled_cases())),
        (layers.Conv2d, InParts, tiled_cases()),
        (layers.Conv2d, KeepingAll, tiled_cases()),
        (layers.Conv2d, ByFewColumns, conv_cases()),
        (layers.MaxPool2d, fast.MaxPool2d, pool_cases(MaxPoolCase)),
        (layers.MaxPool2d, PooledImageByImage, pool_cases(MaxPoolCase)),
        (layers.AvgPool2d, AveragedImageByImage, pool_cases(AvgPoolCase)),
        (layers.LocalResponseNorm, fast.LocalResponseNorm, lrn_cases()),
        (layers.Sequential, OneImageAtATime, sequential_cases()),
        (layers.Sequential, OneImageAPiece, sequential_cases()),
    ],
    ids=[
        "Conv2d",
        "Conv2d in tiles",
        "Conv2d in parts",
        "Conv2d that keeps all",
        "Conv2d by few columns",
        "MaxPool2d",
        "MaxPool2d image by image",
        "AvgPool2d image by image",
        "LocalResponseNorm",
        "Blocked",
        "Split",
    ],
)
@given(data=st.data())
def test_twins_agree(data: st.DataObject, plain: Any, quick: Any, cases: Any, dtype: Any) -> None:
    case: Case = data.draw(cases)
    one, other, x = case.layer(plain, dtype), case.layer(quick, dtype), case.x(dtype)
    y = one.forward(x)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    same("y", other.forward(x), y, tolerance)
    dy = case.dy(y.shape).astype(dtype)
    same("dx", other.backward(dy), one.backward(dy), tolerance)
    for key, gradient in one.grads.items():
        same(f"d{key}", other.grads[key], gradient, tolerance)


@pytest.mark.parametrize("rows", [7, 1024])
@given(
    P=st.integers(1, 30),
    C=st.sampled_from([1, 5, 16, 32, 48, 80]),
    n=st.integers(1, 9),
    seed=st.integers(0, 99),
    T=st.booleans(),
)
def test_a_banded_product_is_the_whole_product(rows: int, P: int, C: int, n: int, seed: int, T: bool) -> None:
    rng = np.random.default_rng(seed)
    i, before = np.arange(C), n // 2
    B = rng.standard_normal() * ((i - before <= i[:, None]) & (i[:, None] < i - before + n))  # B[j, i]
    S, out = rng.standard_normal((P, C)), np.full((P, C), np.nan)
    reach = (n - 1 - before, before) if T else (before, n - 1 - before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lrn, "ROWS", rows)
        lrn.banded_product(S, B.T if T else B, *reach, out=out)
    same("S B", out, S @ (B.T if T else B), 1e-13)


@given(p=st.integers(1, 40), q=st.integers(1, 6), o=st.integers(1, 5), most=st.integers(1, 200), seed=st.integers(0, 99))
def test_small_products_are_the_whole_product(p: int, q: int, o: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, W, dY = rng.standard_normal((p, q)), rng.standard_normal((q, o)), rng.standard_normal((p, o))
    out, total = np.full((p, o), np.nan), rng.standard_normal((o, q))
    expected = total + dY.T @ X
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "MULTIPLY_ADDS", most)
        small.rows_times(X, W, out)
        small.add_columns_times(dY, X, total)
    same("X W", out, X @ W, 1e-13)
    same("dYᵀ X", total, expected, 1e-12)


def test_kept_filters_are_made_once_for_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward and backward, block after block and batch after batch; a changed weight is seen."""
    made: list[bool] = []
    transformed = fast.conv.transformed
    monkeypatch.setattr(
        fast.conv, "transformed", lambda W, tiles, turned=False: made.append(turned) or transformed(W, tiles, turned)
    )
    net = OneImageAtATime(InTiles(2, 3, 3, std=0.5), fast.ReLU())
    conv, x = net.layers[0], np.random.default_rng(0).standard_normal((3, 2, 9, 8))
    for _ in range(2):
        net.backward(net.forward(x))
    assert made == [False, True]
    conv.params["weight"][1, 0, 2, 1] += 1
    y = net.forward(x)
    assert made == [False, True, False]
    plain = layers.Conv2d(2, 3, 3)
    plain.params.update(conv.params)
    same("y", y, np.maximum(plain.forward(x), 0), 1e-12)


def test_v_is_made_once_where_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a training pass; after a test pass backward makes it."""
    cuts: list[int] = []
    cut = fast.tiles.Tiles.cut
    monkeypatch.setattr(fast.tiles.Tiles, "cut", lambda self, x: cuts.append(len(x)) or cut(self, x))
    conv = KeepingAll(2, 3, 3, std=0.5)
    x = np.random.default_rng(0).standard_normal((2, 2, 7, 6))
    y = conv.forward(x)
    once = len(cuts)
    conv.backward(np.ones_like(y))
    conv.backward(np.ones_like(y))
    assert len(cuts) == once
    conv.forward(x, train=False)
    conv.backward(np.ones_like(y))
    assert len(cuts) == 3 * once


@given(case=sequential_cases())
def test_blocks_can_go_back_after_a_test_pass_too(case: Case) -> None:
    """Which keeps nothing; what training has kept before is of another batch."""
    plain, blocked, x = case.layer(layers.Sequential, np.float64), case.layer(OneImageAtATime, np.float64), case.x(np.float64)
    y = plain.forward(x, train=False)
    blocked.forward(2 * x, train=True)
    same("y", blocked.forward(x, train=False), y, 1e-12)
    dy = case.dy(y.shape)
    same("dx", blocked.backward(dy), plain.backward(dy), 1e-12)
    for key, gradient in plain.grads.items():
        same(f"d{key}", blocked.grads[key], gradient, 1e-12)


@given(case=sequential_cases())
def test_pieces_side_by_side_give_the_same_bits(case: Case) -> None:
    """However many cores there are."""
    found = []
    for cls in (OneImageAPiece, TwoAtOnce):
        layer = case.layer(cls)
        y = layer.forward(case.x())
        dx = layer.backward(case.dy(y.shape))
        found.append({"y": y, "dx": dx} | layer.grads)
    for name, value in found[0].items():
        np.testing.assert_array_equal(found[1][name], value, err_msg=name)


def test_the_layers_of_a_split_chain_are_those_that_were_given() -> None:
    """Parameters may be exchanged, and a first layer told that nobody reads dx: its twins follow."""
    conv = fast.Conv2d(2, 3, 2, std=0.5)
    net = OneImageAPiece(conv, fast.ReLU())
    x = np.random.default_rng(0).standard_normal((3, 2, 4, 5))
    before = net.forward(x)
    conv.params["weight"] = -conv.params["weight"]
    conv.input_gradient = False
    after = net.forward(x)
    assert not np.array_equal(before, after)
    assert net.backward(np.ones_like(after)).size == 0
    assert net.grads["0.weight"] is conv.grads["weight"]


def test_blocked_computes_no_convolution_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backward makes only the layers without weights again."""
    calls: list[str] = []
    forward = layers.Conv2d.forward
    monkeypatch.setattr(layers.Conv2d, "forward", lambda self, x, train=True: calls.append("conv") or forward(self, x, train))
    net = OneImageAtATime(layers.Conv2d(2, 3, 3), layers.ReLU(), layers.MaxPool2d(2))
    y = net.forward(np.ones((3, 2, 6, 6), np.float32))
    assert len(calls) == 3
    net.backward(np.ones_like(y))
    assert len(calls) == 3


@given(dtype=st.sampled_from([np.float32, np.float64]), ceil_mode=st.booleans(), padding=st.integers(0, 1))
def test_a_window_of_nan_passes_its_gradient_to_nobody(dtype: Any, ceil_mode: bool, padding: int) -> None:
    """As in the plain layer; all others pass theirs."""
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 5)).astype(dtype)
    x[0, 1, 2, 3] = x[1, 2, -1, -1] = np.nan
    x[1, 0, :4, :4] = np.nan  # whole windows, too
    plain, quick = (cls(3, 2, padding, ceil_mode) for cls in (layers.MaxPool2d, PooledImageByImage))
    y = plain.forward(x)
    np.testing.assert_array_equal(quick.forward(x), y)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    same("dx", quick.backward(dy), plain.backward(dy))


@pytest.mark.parametrize("stretch", [fast.Sequential, OneImageAtATime, OneImageAPiece])
@pytest.mark.parametrize("train", [True, False])
def test_a_convolution_in_tiles_rectifies_for_the_relu_behind_it(stretch: Any, train: bool) -> None:
    """Both share one array then, backward is the plain one, and alone each is itself."""
    rng = np.random.default_rng(0)
    exact: dict[str, Any] = {"std": 0.5, "dtype": np.float64, "rng": rng}
    given = [InTiles(3, 4, 3, padding=1, **exact), fast.ReLU(), InParts(4, 5, (2, 3), **exact), fast.ReLU(), fast.MaxPool2d(2)]
    net = stretch(*given)
    convolutions = layers.Conv2d(3, 4, 3, padding=1, dtype=np.float64), layers.Conv2d(4, 5, (2, 3), dtype=np.float64)
    plain = layers.Sequential(convolutions[0], layers.ReLU(), convolutions[1], layers.ReLU(), layers.MaxPool2d(2))
    for (_, twin), (_, layer) in zip(plain.leaves(), net.leaves(), strict=True):
        twin.params.update(layer.params)
    x = rng.standard_normal((3, 3, 7, 8))
    y = plain.forward(x, train)
    dy = rng.standard_normal(y.shape)
    same("y", net.forward(x, train), y, 1e-12)
    same("dx", net.backward(dy), plain.backward(dy), 1e-12)
    for key, gradient in plain.grads.items():
        same(f"d{key}", net.grads[key], gradient, 1e-12)
    assert all(joint.y is None and not joint.closed for joint in net.joints), "the joint holds memory"
    alone = given[0].forward(x)
    assert np.min(alone) < 0, "alone the convolution rectifies nothing"
    net.joints[0].closed = True
    rectified = given[0].forward(x)
    assert given[1].forward(rectified) is rectified, "the ReLU goes through what is rectified already"
    net.joints[0].closed = False
    np.testing.assert_array_equal(rectified, np.maximum(alone, 0))
