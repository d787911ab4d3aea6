"""Lesson 10: what the two towers tell each other."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lessons.check import plain
from lessons.check.exercise import EXERCISES, Arguments, Exercise, Function, Mistake, Planted, Trial, register
from minialex import towers
from minialex.arrays import Array
from minialex.devices import Ledger, parse_devices, strict_mode
from tests.checks.towers import EXCHANGE, ExchangeCase, get, put, stage_follows_the_definition, the_next_batch_replaces_the_last
from tests.mutants import towers as towers_mutants

Arrays = tuple[Array, ...]


def exchange_forward(maps: Arrays) -> Arrays:
    """Every tower gets the maps of all towers, joined along the channels."""
    return tuple(np.concatenate(maps, axis=1) for _ in maps)


def exchange_backward(gradients: Arrays) -> Arrays:
    """Each tower's maps were read by every tower: their gradients add up. All towers are equally wide."""
    width = gradients[0].shape[1] // len(gradients)
    total = sum(gradients[1:], start=gradients[0])
    return tuple(total[:, t * width : (t + 1) * width] for t in range(len(gradients)))


def exchange_with(forward: Function | None = None, backward: Function | None = None) -> Any:
    """minialex's Exchange; a learner's functions get host copies of what lives on the towers' devices."""

    class YourExchange(towers.Exchange):
        def forward(self, xs: Arrays, train: bool = True) -> Arrays:
            ys = super().forward(xs, train)
            return ys if forward is None else put(forward(get(xs, self.devices)), self.devices)

        def backward(self, dys: Arrays) -> Arrays:
            dxs = super().backward(dys)
            return dxs if backward is None else put(backward(get(dys, self.devices)), self.devices)

    return YourExchange


def planted_forward(fresh: ModuleType) -> Function:
    """exchange_forward, as a mutant of Exchange computes it, with a device for each tower."""
    return lambda maps: _placed(fresh, maps, lambda stage, xs: stage.forward(xs))


def planted_backward(fresh: ModuleType) -> Function:
    """exchange_backward, as a mutant of Exchange computes it."""

    def backward(gradients: Arrays) -> Arrays:
        width = gradients[0].shape[1] // len(gradients)
        maps = tuple(dy[:, :width] for dy in gradients)

        def go(stage: Any, dys: Arrays) -> Arrays:
            stage.forward(put(maps, stage.devices))
            back: Arrays = stage.backward(dys)
            return back

        return _placed(fresh, gradients, go)

    return backward


def _placed(fresh: ModuleType, arrays: Arrays, go: Any) -> Arrays:
    stage, devices = fresh.Exchange(), parse_devices(",".join(f"cpu:{t}" for t in range(len(arrays))))
    with strict_mode():
        stage.place(devices, Ledger())
        return get(go(stage, put(arrays, devices)), devices)


def equal_widths(case: ExchangeCase) -> ExchangeCase:
    """The case with two towers of one width: of two numbers the sum is the same in either order, to the last bit."""
    return replace(case, widths=(case.widths[0],) * 2, places=(*case.places, "cpu:0")[:2])


SUITE = replace(
    EXCHANGE,
    cases=EXCHANGE.cases.map(equal_widths),
    properties=(stage_follows_the_definition, the_next_batch_replaces_the_last),
    facts=(),
)


@st.composite
def of_towers(draw: Any, wide: bool) -> Arguments:
    """Two towers or three, of images or of vectors; `wide`: what each tower has read, the maps of all."""
    count, width, N = draw(st.integers(2, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = draw(st.sampled_from([(), (1, 2), (3, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    return (tuple(rng.standard_normal((N, width * (count if wide else 1), *size)) for _ in range(count)),)


def _cut(total: Array, count: int) -> Arrays:
    width = total.shape[1] // count
    return tuple(total[:, t * width : (t + 1) * width] for t in range(count))


def _sum(gradients: Arrays) -> Array:
    total: Array = sum(gradients[1:], start=gradients[0])
    return total


def _example() -> tuple[Arguments, ...]:
    rng = np.random.default_rng(10)
    return tuple((tuple(rng.standard_normal((4, 4, 2, 3)) for _ in range(towers)),) for towers in (2, 2))


register(
    Exercise(
        name="exchange_forward",
        lesson="10",
        right=exchange_forward,
        returns=("joined",),
        trials=(
            plain.trial(lambda: EXERCISES["exchange_forward"], of_towers(wide=False)),
            Trial(SUITE, lambda f: exchange_with(forward=f)),
        ),
        reward="Now each tower reads what the other one has seen: conv3 of AlexNet is the first layer that does.",
        then="And backwards? Each map has been read twice.",
        lights=("exchange",),
        shape_hint="Each tower gets (N, all channels, H, W): the maps are joined along axis 1.",
        mistakes=(
            Mistake(
                "joined along the batch",
                lambda maps: tuple(np.concatenate(maps, axis=0) for _ in maps),
                "the maps are joined along the images (axis 0); the channels are axis 1",
            ),
            Mistake(
                "added",
                lambda maps: tuple(_sum(maps) for _ in maps),
                "the towers' maps are added; they should stand side by side",
            ),
            Mistake(
                "own maps first",
                lambda maps: tuple(np.concatenate((maps[t], *maps[:t], *maps[t + 1 :]), axis=1) for t in range(len(maps))),
                "each tower has its own maps first; every tower gets the same: tower 0's maps, then tower 1's, and so on",
            ),
            Mistake(
                "other's maps only",
                lambda maps: tuple(np.concatenate([m for s, m in enumerate(maps) if s != t], axis=1) for t in range(len(maps))),
                "each tower gets the other's maps only; it needs its own, too",
            ),
        ),
        planted=(Planted(towers_mutants.EXCHANGE, planted_forward, only=("maps joined in the wrong order",)),),
        examples=_example(),
    )
)

register(
    Exercise(
        name="exchange_backward",
        lesson="10",
        right=exchange_backward,
        returns=("back",),
        trials=(
            plain.trial(lambda: EXERCISES["exchange_backward"], of_towers(wide=True)),
            Trial(SUITE, lambda f: exchange_with(backward=f)),
        ),
        reward="What was copied forward adds up backward. The ledger will show you what it costs.",
        then="Read the ledger of the whole net: which layer sends most?",
        lights=("exchange",),
        shape_hint="Each tower gets back as many maps as it gave: a share of the channels.",
        mistakes=(
            Mistake(
                "not cut",
                lambda gradients: tuple(_sum(gradients) for _ in gradients),
                "every tower gets the gradient of all maps; it should get that of its own ones",
            ),
            Mistake(
                "joined and not added",
                lambda gradients: tuple(
                    np.concatenate([_cut(dy, len(gradients))[t] for dy in gradients], axis=1) for t in range(len(gradients))
                ),
                "the towers' gradients are joined; each map was read by all towers, so they add up",
            ),
            Mistake(
                "other's part only",
                lambda gradients: tuple(
                    _sum(tuple(_cut(dy, len(gradients))[t] for s, dy in enumerate(gradients) if s != t))
                    for t in range(len(gradients))
                ),
                "the tower's own part is left out: it read its own maps, too",
            ),
        ),
        planted=(Planted(towers_mutants.EXCHANGE, planted_backward),),
        examples=_example(),
    )
)
