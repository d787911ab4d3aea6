"""The parts of the convolution in tiles: the matrices, which tiles are taken, and the rooms they are kept in."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.devices import parse_devices, strict_mode
from minialex.layers import fast
from minialex.layers.fast import toom_cook
from minialex.layers.fast.cheapest import cheapest
from minialex.layers.fast.tiles import Tiles
from minialex.layers.fast.workspace import _Memory, _memory, filled, room, workspace
from tests.checks.suite import same
from tests.layers.fast.test_fast import InTiles

SIZES = [(m, r) for m in range(1, toom_cook.MOST + 1) for r in range(1, toom_cook.MOST + 2 - m)]


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_n_multiplications_make_m_outputs_of_r_taps(m: int, r: int) -> None:
    A, G, B = toom_cook.matrices(m, r)
    n = m + r - 1
    assert (A.shape, G.shape, B.shape) == ((m, n), (n, r), (n, n))
    rng = np.random.default_rng((m, r))
    g, d = rng.standard_normal(r), rng.standard_normal(n)
    same("y", A @ ((G @ g) * (B @ d)), np.array([d[i : i + r] @ g for i in range(m)]), 1e-13)


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_a_bias_is_added_at_one_place(m: int, r: int) -> None:
    """And comes out at every output: A ⊗ A z = 1 where z is 1 at these places; nearly always it is a single one."""
    for other, taps in SIZES:
        A, _, _ = toom_cook.in_two_dimensions((m, other), (r, taps), np.dtype(np.float64))
        places = toom_cook.everywhere((m, other), (r, taps))
        np.testing.assert_array_equal(A[:, places].sum(axis=1), np.ones(m * other))
        assert len(places) == 1 or (m, r) == (2, 1) or (other, taps) == (2, 1)


def test_two_outputs_of_three_taps_are_winograds() -> None:
    """What lesson 14 draws: four multiplications, and nothing but sums, differences and halves."""
    A, G, B = toom_cook.matrices(2, 3)
    np.testing.assert_array_equal(abs(B) > 0, [[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]])
    assert set(abs(A).ravel()) | set(abs(B).ravel()) == {0, 1}
    assert set(abs(G).ravel()) == {0, 0.5, 1}


def test_rounding_in_float32_stays_near_that_of_one_sum() -> None:
    """The reason for 8 points at most: more of them are larger numbers, which cancel."""
    rng = np.random.default_rng(0)
    errors = []
    for m, r in ((1, 1), (4, 5), (6, 3)):
        A, G, B = (each.astype(np.float32) for each in toom_cook.matrices(m, r))
        g, d = rng.standard_normal((r, 4000)).astype(np.float32), rng.standard_normal((m + r - 1, 4000)).astype(np.float32)
        y = A @ ((G @ g) * (B @ d))
        exact = np.array([(d[i : i + r].astype(float) * g).sum(axis=0) for i in range(m)])
        errors.append(np.sqrt(((y - exact) ** 2).mean() / (exact**2).mean()))
    assert errors[0] < 1e-7
    assert max(errors) < 1e-5


@pytest.mark.parametrize(
    ("conv", "shape", "sizes", "left"),
    [
        (fast.Conv2d(3, 48, 11, stride=4), (1, 3, 227, 227), [(4, 4)], 0.643),
        (fast.Conv2d(48, 128, 5, padding=2), (1, 48, 27, 27), [(4, 4)], 0.315),
        (fast.Conv2d(256, 192, 3, padding=1), (1, 256, 13, 13), [(5, 5), (5, 4), (4, 5), (4, 4)], 0.305),
        (fast.Conv2d(192, 128, 3, padding=1), (1, 192, 13, 13), [(5, 5), (5, 4), (4, 5), (4, 4)], 0.336),
    ],
    ids=["conv1", "conv2", "conv3", "conv5"],
)
def test_the_papers_convolutions_are_done_in_tiles(
    conv: fast.Conv2d, shape: tuple[int, ...], sizes: list[tuple[int, int]], left: float
) -> None:
    """`left` of the multiplications of the plain way, with those of B ⊗ B and A ⊗ A."""
    parts = conv.tiles(shape)
    assert [tiles.m for tiles in parts] == sizes
    taken, C, O = 0, conv.in_channels * np.prod(conv.stride), conv.out_channels
    for tiles in parts:
        nn, mm = np.prod(tiles.width), np.prod(tiles.m)
        taken += np.prod(tiles.grid) * (nn * nn * C + nn * C * O + mm * nn * O)
    assert taken / conv.multiply_adds(shape) == pytest.approx(left, abs=0.005)


@given(
    outputs=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    kernel=st.integers(2, 5),
    channels=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_each_output_is_of_one_part(outputs: tuple[int, int], kernel: int, channels: tuple[int, int]) -> None:
    """And the first part, which makes dx anew, comes first; tiles of a smaller size reach over no edge."""
    parts = cheapest(channels, (kernel, kernel), (1, 1), (0, 0, 0, 0), outputs, float("inf"), 10.0)
    times = np.zeros((1, *outputs, 1), int)
    for tiles in parts:
        times[tiles._outputs] += 1
        assert max(tiles.width) <= toom_cook.MOST
        for o, whole, m, g in zip(tiles.outputs, outputs, tiles.m, tiles.grid, strict=True):
            assert o == whole or o == m * g
    assert (times == 1).all()
    assert parts[0].begin == (0, 0)
    assert all(tiles.begin != (0, 0) for tiles in parts[1:])


@pytest.mark.parametrize(
    ("conv", "shape"),
    [
        (fast.Conv2d(192, 192, 1), (1, 192, 13, 13)),
        (fast.Conv2d(1, 16, 3), (1, 1, 8, 8)),
        (fast.Conv2d(64, 64, 11), (1, 64, 20, 20)),
        (fast.Conv2d(64, 64, 3, padding=(3, 0)), (1, 64, 9, 9)),
        (fast.Conv2d(64, 64, 3, padding=(0, 3)), (1, 64, 9, 9)),
    ],
    ids=["a pixel", "few channels", "too large for 8 points", "rows of padding alone", "columns of padding alone"],
)
def test_others_go_the_plain_way(conv: fast.Conv2d, shape: tuple[int, ...]) -> None:
    assert conv.tiles(shape) == ()


@given(data=st.data())
def test_cutting_and_laying_are_adjoint_to_what_undoes_them(data: st.DataObject) -> None:
    """<cut x, t> = <x, cut_adjoint t>, and likewise for lay: with tiles of any size, not only the cheapest."""
    pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
    stride = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    kernel = stride[0] * data.draw(st.integers(1, 3)), stride[1] * data.draw(st.integers(1, 3))
    H, W = kernel[0] + data.draw(st.integers(0, 9)), kernel[1] + data.draw(st.integers(0, 9))
    outputs = (H - kernel[0]) // stride[0] + 1, (W - kernel[1]) // stride[1] + 1
    padding = data.draw(st.tuples(*[st.integers(0, 2)] * 4))
    begin = data.draw(st.integers(0, outputs[0] - 1)), data.draw(st.integers(0, outputs[1] - 1))
    part = outputs[0] - begin[0], outputs[1] - begin[1]
    tiles = Tiles(data.draw(pairs), kernel, stride, padding, part, begin)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))

    x, y = rng.standard_normal((2, 3, H, W)), rng.standard_normal((2, *outputs, 3))
    cut, anew = tiles.cut(x).copy(), begin == (0, 0)
    dx, dcut = np.full_like(x, np.nan if anew else 2.0), rng.standard_normal(cut.shape)
    tiles.cut_adjoint(dcut, dx)
    same("<cut x, t>", np.vdot(cut, dcut), np.vdot(x, dx if anew else dx - 2.0), 1e-12)

    dlay = tiles.lay_adjoint(y).copy()
    laid, lay = np.zeros_like(y), rng.standard_normal(dlay.shape)
    laid[tiles._outputs] = np.nan
    tiles.lay(lay, laid)
    same("<lay t, y>", np.vdot(laid, y), np.vdot(lay, dlay), 1e-12)


def test_a_thread_finds_its_own_room_again_and_nobody_elses() -> None:
    x = np.ones(3, np.float32)
    mine = room(x, (4, 25), "test")
    assert np.shares_memory(room(x, (7,), "test"), mine)
    assert not np.shares_memory(room(x, (4, 25), "another"), mine)
    assert workspace(x.astype(float), 7, "test").dtype == np.float64
    others: list[np.ndarray] = []
    thread = Thread(target=lambda: others.append(room(x, (4, 25), "test")))
    thread.start()
    thread.join()
    assert not np.shares_memory(others[0], mine)


def test_a_room_is_found_again_until_its_memory_grows() -> None:
    x = np.ones(3, np.float32)
    small = room(x, (2, 3), "grows")
    assert room(x, (2, 3), "grows") is small
    large = room(x, (40, 3), "grows")
    again = room(x, (2, 3), "grows")
    assert np.shares_memory(again, large)
    assert not np.shares_memory(small, large)


def test_what_has_been_asked_of_a_room_is_not_remembered_for_ever() -> None:
    x = np.ones(3, np.float32)
    shapes = [(n, 1) for n in range(200, 0, -1)]
    assert [room(x, shape, "many").shape for shape in shapes] == shapes
    kept = _memory(x, 200, "many").rooms
    assert 0 < len(kept) <= _Memory.most


def test_what_all_may_read_nobody_writes_to() -> None:
    zeros = filled(0, (2, 3), np.dtype(np.float32))
    assert filled(0, (2, 3), np.dtype(np.float32)) is zeros
    assert zeros.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        zeros[0, 0] = 1


def test_a_room_is_that_of_a_device() -> None:
    """A thread may work for two devices in turn, and what strict mode remembers of the first is not for the second."""
    x = np.ones((1, 2, 6, 5), np.float32)
    for place in parse_devices("cpu,cpu"):
        with strict_mode(), place:
            conv = InTiles(2, 3, 3, padding=1)
            conv.forward(place.put(x))
            assert conv.backward(place.put(np.ones((1, 3, 6, 5), np.float32))).shape == x.shape


def test_a_batch_of_no_images_leaves_gradients_of_zeros() -> None:
    """Whatever the rooms hold from the batch before."""
    conv, rng = InTiles(2, 3, 3, padding=1), np.random.default_rng(0)
    x = rng.standard_normal((1, 2, 6, 5), dtype=np.float32)
    conv.backward(conv.forward(x))
    assert conv.grads["weight"].any()
    assert conv.backward(conv.forward(x[:0])).shape == (0, 2, 6, 5)
    assert not conv.grads["weight"].any()
    assert not conv.grads["bias"].any()
