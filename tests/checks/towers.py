"""What is claimed of the communicating layers: Broadcast, Towers, Exchange and Gather.

A case says how wide each tower is and on which device it lives; two towers may share one. All claims run in strict mode,
where using another device's array without a copy is an error, as it is on GPUs. `stage_cases(kind, "cuda", 2)` draws the same
cases for GPUs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from minialex import layers, towers
from minialex.devices import Device, Ledger, parse_devices, strict_mode
from minialex.gradcheck import check_layer
from tests import reference
from tests.checks.suite import Suite, complains, same
from tests.reference import Array
from tests.strategies import Order, lay_out, memory

Arrays: TypeAlias = tuple[Array, ...]  # on the host, one a tower
Rows: TypeAlias = list[tuple[str, str, str, int]]  # direction, source, to, bytes


@cache
def device(name: str) -> Device:
    """One device of each name for all cases: each CPU device has a thread."""
    return parse_devices(name)[0]


@dataclass(frozen=True, kw_only=True)
class StageCase:
    """A stage between towers: `widths` maps (or neurons) in each of them, on the devices `places`."""

    widths: tuple[int, ...]
    places: tuple[str, ...]
    N: int = 1
    size: tuple[int, ...] = ()  # (H, W), or () for vectors
    order: Order = "C"
    dy_order: Order = "C"
    seed: int = 0
    owner: int = 0  # Gather's

    def build(self, cls: Any) -> Any:
        """The stage, as its constructor leaves it."""
        return cls()

    def stage(self, cls: Any, dtype: Any = np.float64) -> Any:
        """The stage in its place."""
        stage = self.build(cls)
        left = stage.place(self.devices, Ledger())
        assert left == self.out_devices, f"place() says that the output is on {left}, expected {self.out_devices}"
        return stage

    @property
    def devices(self) -> tuple[Device, ...]:
        """Each tower's."""
        return tuple(map(device, self.places))

    @property
    def in_devices(self) -> tuple[Device | None, ...]:
        """Where the input is; None is the host."""
        return self.devices

    @property
    def out_devices(self) -> tuple[Device, ...]:
        """Where the output is."""
        return self.devices

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the input."""
        return tuple((self.N, width, *self.size) for width in self.widths)

    def numbers(self, shapes: tuple[tuple[int, ...], ...], draw: int) -> Arrays:
        """Random numbers of these shapes."""
        rng = np.random.default_rng((self.seed, draw))
        return tuple(rng.standard_normal(shape) for shape in shapes)

    def xs(self, dtype: Any = np.float64) -> Arrays:
        """The input, on the host."""
        return tuple(x.astype(dtype) for x in self.numbers(self.shapes(), 2))

    def dys(self, dtype: Any = np.float64) -> Arrays:
        """A random upstream gradient, on the host."""
        shapes = tuple(y.shape for y in self.expected(self.xs()))
        return tuple(dy.astype(dtype) for dy in self.numbers(shapes, 3))

    def expected(self, xs: Arrays) -> Arrays:
        """The output, one number at a time."""
        raise NotImplementedError

    def expected_gradients(self, dys: Arrays, xs: Arrays) -> Arrays:
        """The gradient of the input, one number at a time."""
        raise NotImplementedError

    def crossings(self, itemsize: int) -> Rows:
        """What the ledger must say after a forward and a backward pass, in any order."""
        return []


class BroadcastCase(StageCase):
    """The host's batch for every tower; widths are all the same."""

    @property
    def in_devices(self) -> tuple[Device | None, ...]:
        return (None,)

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return super().shapes()[:1]

    def expected(self, xs: Arrays) -> Arrays:
        return xs * len(self.places)

    def expected_gradients(self, dys: Arrays, xs: Arrays) -> Arrays:
        return ()

    def crossings(self, itemsize: int) -> Rows:
        size = itemsize * int(np.prod(self.shapes()[0]))
        return [("forward", "host", place, size) for place in set(self.places)]


class TowersCase(StageCase):
    """Tower t runs a convolution with t + 1 kernels (or a linear layer with t + 1 neurons) and tanh."""

    def layer(self, t: int) -> layers.Sequential:
        """Tower t's layers, with weights from N(0, 1) that are still on the host."""
        width, outputs = self.widths[t], t + 1
        inner = layers.Conv2d(width, outputs, (1, 2), padding=(0, 1, 1, 0)) if self.size else layers.Linear(width, outputs)
        rng = np.random.default_rng((self.seed, 1, t))
        inner.params = {name: np.asarray(rng.standard_normal(value.shape)) for name, value in inner.params.items()}
        return layers.Sequential(inner, layers.Tanh())

    def build(self, cls: Any) -> Any:
        return cls(*(self.layer(t) for t in range(len(self.widths))))

    def stage(self, cls: Any, dtype: Any = np.float64) -> Any:
        stage = super().stage(cls)
        for device, tower in zip(self.devices, stage.towers, strict=True):
            for _, leaf in tower.leaves():
                leaf.params.update({key: device.put(value, dtype) for key, value in leaf.params.items()})
        return stage

    def expected(self, xs: Arrays) -> Arrays:
        return tuple(self.tower(t, x)[1] for t, x in enumerate(xs))

    def tower(self, t: int, x: Array) -> Arrays:
        """Before and after tanh."""
        params = self.layer(t).params
        weight, bias = params["0.weight"], params["0.bias"]
        a = reference.conv2d(x, weight, bias, **GEOMETRY) if self.size else reference.linear(x, weight, bias)
        return a, reference.tanh(a)

    def tower_gradients(self, t: int, dy: Array, x: Array) -> dict[str, Array]:
        """Of x and of each parameter."""
        da = reference.tanh_backward(dy, self.tower(t, x)[0])
        weight = self.layer(t).params["0.weight"]
        if self.size:
            dx, dweight, dbias = reference.conv2d_backward(da, x, weight, **GEOMETRY)
        else:
            dx, dweight, dbias = reference.linear_backward(da, x, weight)
        return {"x": dx, "0.weight": dweight, "0.bias": dbias}

    def expected_gradients(self, dys: Arrays, xs: Arrays) -> Arrays:
        return tuple(self.tower_gradients(t, dy, x)["x"] for t, (dy, x) in enumerate(zip(dys, xs, strict=True)))


GEOMETRY: dict[str, Any] = {"stride": (1, 1), "padding": (0, 1, 1, 0), "groups": 1}


class ExchangeCase(StageCase):
    """Every tower receives the maps of all."""

    def expected(self, xs: Arrays) -> Arrays:
        return (joined(xs),) * len(xs)

    def expected_gradients(self, dys: Arrays, xs: Arrays) -> Arrays:
        """Each map was read by every tower; their gradients add up, in the order of the towers."""
        dxs = slices(dys[0], self.widths)
        for dy in dys[1:]:
            dxs = tuple(dx + part for dx, part in zip(dxs, slices(dy, self.widths), strict=True))
        return dxs

    def crossings(self, itemsize: int) -> Rows:
        rows = []
        for s, (source, shape) in enumerate(zip(self.places, self.shapes(), strict=True)):
            size = itemsize * int(np.prod(shape))
            rows += [("forward", source, to, size) for to in set(self.places) - {source}]
            rows += [("backward", other, self.places[s], size) for other in self.places if other != source]
        return rows


class GatherCase(StageCase):
    """The maps of all towers on the device of tower `owner`."""

    def build(self, cls: Any) -> Any:
        return cls(self.owner, "fc8")

    @property
    def out_devices(self) -> tuple[Device, ...]:
        return (self.devices[self.owner],)

    def expected(self, xs: Arrays) -> Arrays:
        return (joined(xs),)

    def expected_gradients(self, dys: Arrays, xs: Arrays) -> Arrays:
        return slices(dys[0], self.widths)

    def crossings(self, itemsize: int) -> Rows:
        home, rows = self.places[self.owner], []
        for place, shape in zip(self.places, self.shapes(), strict=True):
            if place != home:
                size = itemsize * int(np.prod(shape))
                rows += [("forward", place, home, size), ("backward", home, place, size)]
        return rows


def joined(xs: Arrays) -> Array:
    """[x_0, x_1, ...], map by map."""
    return np.stack([x[:, c] for x in xs for c in range(x.shape[1])], axis=1)


def slices(y: Array, widths: tuple[int, ...]) -> Arrays:
    """What belongs to each tower: the opposite of `joined`."""
    maps = iter(range(y.shape[1]))
    return tuple(np.stack([y[:, next(maps)] for _ in range(width)], axis=1) for width in widths)


@st.composite
def stage_cases(draw: DrawFn, kind: type[StageCase], where: str = "cpu", devices: int = 3) -> StageCase:
    """One to three towers of unequal width, each on a device of its own, or two or all on the same."""
    towers = draw(st.sampled_from([2, 2, 3, 1]))
    width = st.integers(1, 4)
    widths = draw(width.map(lambda w: (w,) * towers) if kind is BroadcastCase else st.tuples(*[width] * towers))
    size = draw(st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return kind(
        widths=widths,
        places=tuple(f"{where}:{i}" for i in draw(st.tuples(*[st.integers(0, devices - 1)] * towers))),
        N=draw(st.integers(1, 3)),
        size=() if size is None else (size[0], size[1] + (size[0] == size[1])),
        owner=draw(st.integers(0, towers - 1)),
        **memory(draw),
    )


class Flat:
    """A stage as a function of one vector, which is how check_layer sees it: all towers' numbers, one after another."""

    def __init__(self, case: StageCase, cls: Any) -> None:
        self.case, self.stage = case, case.stage(cls)

    def forward(self, x: Array, train: bool = True) -> Array:
        """All of x -> all of y."""
        xs = cut(x, self.case.shapes())
        ys = self.stage.forward(put(xs, self.case.in_devices, self.case.order), train)
        self.shapes = tuple(y.shape for y in ys)
        return flat(get(ys, self.case.out_devices))

    def backward(self, dy: Array) -> Array:
        """All of dy -> all of dx."""
        dxs = get(self.stage.backward(put(cut(dy, self.shapes), self.case.out_devices, self.case.dy_order)), self.case.devices)
        shapes = tuple(dx.shape for dx in dxs)
        assert shapes == self.case.shapes(), f"dx has the shapes {shapes}, expected {self.case.shapes()}"
        return flat(dxs)


def cut(x: Array, shapes: tuple[tuple[int, ...], ...]) -> Arrays:
    """A vector, as arrays of these shapes."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return tuple(part.reshape(shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True))


def flat(xs: Arrays) -> Array:
    """Arrays, as one vector."""
    return np.concatenate([x.ravel() for x in xs])


def put(xs: Arrays, devices: tuple[Device | None, ...], order: Order = "C") -> tuple[Any, ...]:
    """Each array on its device (None: left on the host), in this memory order, and read-only where it can be."""
    return tuple(
        lay_out(x, order) if device is None else device.submit(lay_out, device.put(x), order).result()
        for x, device in zip(xs, devices, strict=True)
    )


def get(ys: tuple[Any, ...], devices: tuple[Device, ...]) -> Arrays:
    """Each array on the host, once it is known to be where it belongs."""
    assert len(ys) == len(devices), f"{len(ys)} arrays for {len(devices)} towers"
    for t, (y, device) in enumerate(zip(ys, devices, strict=True)):
        place = f"cuda:{y.device.id}" if hasattr(y, "get") else getattr(y, "place", "host")
        assert place == device.name, f"the array of tower {t} is on {place}, expected {device.name}"
    return tuple(device.submit(device.get, y).result() for y, device in zip(ys, devices, strict=True))


def strictly(claim: Callable[..., None]) -> Callable[..., None]:
    """The claim, in strict mode."""

    @wraps(claim)
    def wrapped(*arguments: Any) -> None:
        with strict_mode():
            claim(*arguments)

    return wrapped


def trip(stage: Any, case: StageCase, dtype: Any = np.float64) -> None:
    """One forward and one backward pass, compared with the definition number by number."""
    exact = not isinstance(case, TowersCase)  # where numbers are only moved, and added in a given order
    tolerance = 0.0 if exact else 1e-11 if dtype is np.float64 else 5e-5
    xs, dys = case.xs(dtype), case.dys(dtype)
    ys = get(stage.forward(put(xs, case.in_devices, case.order)), case.out_devices)
    compare("y", ys, case.expected(xs), tolerance, dtype)
    dxs = stage.backward(put(dys, case.out_devices, case.dy_order))
    compare("dx", get(dxs, case.devices) if dxs else (), case.expected_gradients(dys, xs), tolerance, dtype)


def compare(what: str, received: Arrays, expected: Arrays, tolerance: float, dtype: Any) -> None:
    """Tower by tower."""
    assert len(received) == len(expected), f"{len(received)} arrays of {what}, expected {len(expected)}"
    for t, (value, wanted) in enumerate(zip(received, expected, strict=True)):
        assert value.dtype == dtype, f"{what} of tower {t} is {value.dtype} for {np.dtype(dtype)} input"
        same(f"{what} of tower {t}", value, wanted, tolerance)


@strictly
def stage_follows_the_definition(cls: Any, case: StageCase) -> None:
    """Every tower receives the right numbers, on its own device, forward and backward, in the dtype given"""
    for dtype in (np.float64, np.float32):
        trip(case.stage(cls, dtype), case, dtype)


@strictly
def gradients_pass_central_differences(cls: Any, case: StageCase) -> None:
    """Every gradient equals the slope that moving the input shows, on all devices together"""
    check_layer(Flat(case, cls), flat(case.xs()), seed=case.seed, tolerance=1e-6, method="central")


@strictly
def the_next_batch_replaces_the_last(cls: Any, case: StageCase) -> None:
    """Another batch, and one of another size, are carried like the first: no buffer keeps an old one"""
    stage = case.stage(cls)
    for next_case in (case, replace(case, seed=case.seed + 1), replace(case, N=case.N + 1), case):
        if isinstance(next_case, TowersCase):
            next_case = replace(next_case, seed=case.seed)  # its weights come from the seed
        trip(stage, next_case)


@strictly
def arguments_stay_as_they_are(cls: Any, case: StageCase) -> None:
    """Forward and backward change neither x nor dy"""
    stage = case.stage(cls)
    for source, devices, order, go in (
        (case.xs(), case.in_devices, case.order, stage.forward),
        (case.dys(), case.out_devices, case.dy_order, stage.backward),
    ):
        given = put(source, devices, order)
        given = tuple(  # writeable: read-only ones are what all other properties give
            device.submit(lambda x: x.copy(order="K"), x).result() if device else x.copy(order="K")
            for x, device in zip(given, devices, strict=True)
        )
        go(given)
        for t, (now, then, device) in enumerate(zip(given, source, devices, strict=True)):
            same(f"what tower {t} gave", device.get(now) if device else now, then)


@strictly
def backward_can_be_repeated(cls: Any, case: StageCase) -> None:
    """A second backward pass gives the same gradients, bit for bit"""
    stage = case.stage(cls)
    stage.forward(put(case.xs(), case.in_devices))
    dys = put(case.dys(), case.out_devices, case.dy_order)
    first, second = (get(stage.backward(dys), case.devices) for _ in range(2))
    for t, (dx, then) in enumerate(zip(second, first, strict=True)):
        same(f"dx of tower {t}, the second time,", dx, then)


@strictly
def the_ledger_has_every_crossing(cls: Any, case: StageCase) -> None:
    """The ledger says what crossed from where to where, in bytes, once each; elements() and output_shapes() foretell it"""
    stage = case.stage(cls)
    for dtype in (np.float32, np.float64):
        stage.ledger.clear()
        ys = stage.forward(put(case.xs(dtype), case.in_devices))
        stage.backward(put(case.dys(dtype), case.out_devices))
        itemsize = np.dtype(dtype).itemsize
        rows = sorted((row.direction, row.source, row.to, row.bytes) for row in stage.ledger.rows)
        expected = sorted(case.crossings(itemsize))
        assert rows == expected, f"the ledger says {rows}, expected {expected}"
        assert {row.layer for row in stage.ledger.rows} <= {stage.name}, f"the ledger is not for {stage.name}"
        crossed = tuple(stage.ledger.bytes(direction=way) // itemsize for way in ("forward", "backward"))
        foretold = stage.elements(case.shapes())
        assert foretold == crossed, f"elements() says {foretold}, {crossed} crossed"
        shapes = stage.output_shapes(case.shapes())
        assert shapes == tuple(y.shape for y in ys), f"output_shapes() says {shapes}, got {[y.shape for y in ys]}"


STAGE = (
    stage_follows_the_definition,
    the_ledger_has_every_crossing,
    arguments_stay_as_they_are,
    the_next_batch_replaces_the_last,
)
CROSSING = (stage_follows_the_definition, gradients_pass_central_differences, *STAGE[1:], backward_can_be_repeated)


@strictly
def the_sum_does_not_depend_on_the_places(cls: Any) -> None:
    """The gradients of three towers are added in their order, so that rounding is the same on one device, two or three"""
    for places in ((0, 0, 0), (0, 1, 2), (0, 1, 0), (0, 1, 1), (0, 0, 1)):
        case = ExchangeCase(widths=(3, 2, 4), places=tuple(f"cpu:{i}" for i in places), N=4, size=(3, 5))
        trip(case.stage(cls), case)


@strictly
def every_tower_trains(cls: Any, case: TowersCase) -> None:
    """The gradients of each tower's own parameters are right, and stay on its device"""
    stage, xs, dys = case.stage(cls), case.xs(), case.dys()
    stage.forward(put(xs, case.devices))
    stage.backward(put(dys, case.devices))
    for t, (device, tower) in enumerate(zip(case.devices, stage.towers, strict=True)):
        expected = case.tower_gradients(t, dys[t], xs[t])
        names = sorted(tower.grads)
        for name, value in zip(names, get(tuple(tower.grads[n] for n in names), (device,) * len(names)), strict=True):
            same(f"d{name} of tower {t}", value, expected[name], 1e-11)


LONG = 3.0  # seconds: only a tower that nobody joins waits so long


class Listener(layers.Layer):
    """Waits until every tower is inside, and notes what it is told."""

    def __init__(self, meeting: threading.Barrier) -> None:
        super().__init__()
        self.meeting = meeting
        self.told: list[bool] = []

    def forward(self, x: Array, train: bool = True) -> Array:
        self.told.append(train)
        self.meeting.wait(LONG)
        return x

    def backward(self, dy: Array) -> Array:
        self.meeting.wait(LONG)
        return dy


@strictly
def towers_run_at_the_same_time(cls: Any) -> None:
    """Towers on two devices are inside their layers together, forward and backward, and know whether this is training"""
    devices, meeting = (device("cpu:0"), device("cpu:1")), threading.Barrier(2)
    stage = cls(Listener(meeting), Listener(meeting))
    stage.place(devices, Ledger())
    xs = put((np.ones((1, 2)), np.ones((1, 3))), devices)
    try:
        for train in (True, False):
            stage.forward(xs, train)
        stage.backward(xs)
    except threading.BrokenBarrierError:
        raise AssertionError("one tower waits for the other to end") from None
    assert [tower.told for tower in stage.towers] == [[True, False]] * 2, "the layers were not told what forward was told"


@strictly
def a_failing_tower_is_heard(cls: Any) -> None:
    """An error in one tower reaches the caller, and one that is missing is named"""
    devices = device("cpu:0"), device("cpu:1")
    stage = cls(layers.Linear(2, 1, dtype=float), layers.Linear(3, 1, dtype=float))
    stage.place(devices, Ledger())
    complains(ValueError, "3", "(1, 4)", of=lambda: stage.forward(put((np.ones((1, 2)), np.ones((1, 4))), devices)))
    complains(ValueError, "2", "1", of=lambda: stage.place(devices[:1], Ledger()))


def gather_keeps_to_its_owner(cls: Any) -> None:
    """Gather() joins on the first tower's device; its wires are named after the layer that reads"""
    stage = cls()
    ledger, devices = Ledger(), (device("cpu:0"), device("cpu:1"))
    assert stage.place(devices, ledger) == devices[:1]
    assert (stage.owner, cls(1, "fc8").name) == (0, "fc8")


BROADCAST = Suite(towers.Broadcast, stage_cases(BroadcastCase), STAGE)
TOWERS = Suite(
    towers.Towers,
    stage_cases(TowersCase),
    (*CROSSING, every_tower_trains),
    (towers_run_at_the_same_time, a_failing_tower_is_heard),
)
EXCHANGE = Suite(towers.Exchange, stage_cases(ExchangeCase), CROSSING, (the_sum_does_not_depend_on_the_places,))
GATHER = Suite(towers.Gather, stage_cases(GatherCase), CROSSING, (gather_keeps_to_its_owner,))

check_broadcast = BROADCAST.run
check_towers = TOWERS.run
check_exchange = EXCHANGE.run
check_gather = GATHER.run
