"""What is claimed of Dropout. Its mask is random, so it is read from y: no x is 0."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minialex import layers
from minialex.gradcheck import check_layer
from tests import reference
from tests.checks.every_layer import (
    arguments_stay_as_they_are,
    backward_can_be_repeated,
    backward_is_linear,
    dtypes_are_kept,
    gradients_pass_central_differences,
    misfits_are_named,
    output_shape_is_foretold,
)
from tests.checks.suite import Suite, complains, host, same
from tests.strategies import DropoutCase, dropout_cases, lay_out


def training_drops_and_does_not_rescale(cls: Any, case: DropoutCase) -> None:
    """In training each number is kept as it is or dropped, and its gradient with it"""
    for dtype in (np.float32, np.float64):
        layer, x = case.layer(cls), case.x(dtype)
        y = layer.forward(x, train=True)
        mask = host(y) != 0
        dy = case.dy(y.shape, dtype)
        same("y", y, reference.dropout(x, mask, case.p, train=True))
        same("dx", layer.backward(dy), reference.dropout_backward(dy, mask, case.p, train=True))
        assert y.dtype == dtype, f"y is {y.dtype} for {x.dtype} input"


def the_test_pass_scales_by_one_minus_p(cls: Any, case: DropoutCase) -> None:
    """In the test every number is multiplied by 1 - p, and so is its gradient; no random number is drawn"""
    for dtype, tolerance in ((np.float64, 1e-15), (np.float32, 2e-7)):
        layer, x = case.layer(cls), case.x(dtype)
        before = [rng.bit_generator.state for rng in layer.generators().values()]
        y = layer.forward(x, train=False)
        dy = case.dy(y.shape, dtype)
        dx = layer.backward(dy)
        same("y", y, reference.dropout(x, x, case.p, train=False), tolerance)
        same("dx", dx, reference.dropout_backward(dy, dy, case.p, train=False), tolerance)
        assert y.dtype == dx.dtype == dtype, f"y is {y.dtype} and dx {dx.dtype} for {x.dtype} input"
        assert before == [rng.bit_generator.state for rng in layer.generators().values()], "the test pass drew a mask"


def the_same_seed_draws_the_same_mask(cls: Any, case: DropoutCase) -> None:
    """The mask follows from the seed and the shape alone, whatever the dtype and the memory order"""
    first = host(case.layer(cls).forward(case.x())) != 0
    for dtype in (np.float32, np.float64):
        y = case.layer(cls).forward(lay_out(case.values().astype(dtype), case.dy_order))
        same("the mask", host(y) != 0, first)


def gradients_pass_in_the_test_too(cls: Any, case: DropoutCase) -> None:
    """Every gradient of the test pass equals the slope that moving x shows"""
    check_layer(case.layer(cls), case.x(), seed=case.seed, tolerance=1e-6, method="central", train=False)


def each_number_falls_on_its_own(cls: Any) -> None:
    """A share p of the numbers is dropped, independently: within a row, down the batch, across maps, from pass to pass"""
    for p in (0.2, 0.5, 0.9):
        layer = cls(p, rng=np.random.default_rng(3))
        first, second = (layer.forward(np.ones((40, 10, 8, 5))) == 0 for _ in range(2))
        agree = p * p + (1 - p) * (1 - p)  # how often two independent masks agree
        for what, share, expected in (
            ("of all numbers dropped", first, p),
            ("in agreement with the next pass", first == second, agree),
            ("in agreement with the next image", first[1:] == first[:-1], agree),
            ("in agreement with the next map", first[:, 1:] == first[:, :-1], agree),
            ("in agreement with the next row", first[:, :, 1:] == first[:, :, :-1], agree),
            ("in agreement with the next column", first[..., 1:] == first[..., :-1], agree),
        ):
            off = 6 * np.sqrt(expected * (1 - expected) / share.size)
            assert abs(share.mean() - expected) < off, (
                f"p = {p}: {share.mean():.3f} {what}, expected {expected:.3f} ± {off:.3f}"
            )


def the_ends_of_p_are_clear(cls: Any) -> None:
    """p = 0 changes nothing, p close to 1 drops almost everything, p = 1 and beyond is an error"""
    x = 1 + np.arange(10_000.0).reshape(100, 100)
    for train in (True, False):
        layer = cls(0.0)
        same("y for p = 0", layer.forward(x, train=train), x)
        same("dx for p = 0", layer.backward(x), x)
    kept = np.count_nonzero(cls(0.999).forward(x))
    assert 0 < kept < 40, f"p = 0.999 keeps {kept} of 10000"
    assert cls().p == 0.5, f"p is {cls().p} unless given, expected 0.5"
    for p in (1.0, -0.1, 1.5, float("nan")):
        complains(ValueError, str(p), of=partial(cls, p))


def slices_draw_from_their_own_generators(cls: Any) -> None:
    """Given two generators, each half of the features gets the mask that its tower's own layer would draw"""

    def rngs() -> list[np.random.Generator]:
        return [np.random.default_rng(seed) for seed in (1, 2)]

    x = np.ones((3, 8, 2, 2), np.float32)
    layer = cls(0.5, rng=rngs())
    towers = [cls(0.5, rng=rng).forward(x[:, :4]) for rng in rngs()]
    same("y", layer.forward(x), np.concatenate(towers, axis=1))
    assert len(layer.generators()) == 2, f"generators() names {list(layer.generators())}, expected two"
    complains(ValueError, "7", "2", of=lambda: layer.forward(x[:, :7]))


DROPOUT = Suite(
    layers.Dropout,
    dropout_cases(),
    (
        training_drops_and_does_not_rescale,
        the_test_pass_scales_by_one_minus_p,
        the_same_seed_draws_the_same_mask,
        output_shape_is_foretold,
        dtypes_are_kept,
        arguments_stay_as_they_are,
        backward_can_be_repeated,
        backward_is_linear,
        misfits_are_named,
        gradients_pass_in_the_test_too,
        gradients_pass_central_differences,
    ),
    (each_number_falls_on_its_own, the_ends_of_p_are_clear, slices_draw_from_their_own_generators),
)

check_dropout = DROPOUT.run
