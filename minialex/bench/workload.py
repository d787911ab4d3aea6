"""What is measured of our nets: whole training steps, inference, single layers, and where a step's time goes."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from minialex.arrays import Array, Shape
from minialex.bench.places import Place, by_name, places, plain_twin, single_twin
from minialex.data.augment import Augmentation
from minialex.devices import Device, on_all, parse_devices
from minialex.layers import Layer
from minialex.layers.fast import Split
from minialex.memory import plan, refuse_if_too_large
from minialex.nets import NETS
from minialex.optim import SGD
from minialex.shown import Shown
from minialex.trace import Span, Tracer
from minialex.training.learner import Learner

ROUNDS = 3  # of a layer alone, at least
TOGETHER = 0.1  # seconds that they take, if it is a short one


class LayerTime(NamedTuple):
    """Seconds of one layer (of all towers, at the same time) in a step; `backward` holds what is computed again for it."""

    forward: float
    backward: float


class Where(NamedTuple):
    """Where a step's time goes, in seconds: layers; crossings by stage; the update; waiting, the mean over the devices."""

    step: float
    layers: dict[str, LayerTime]
    crossings: dict[str, LayerTime]
    update: float
    waiting: float


class Workload:
    """A net on its devices with one batch of random images, and everything that can be timed with them.

    Steps are those of train.py, guard included; on GPUs nobody reads the loss, and only the end is waited for. The batch comes
    as in training, too: for CPU devices as floats; for GPUs as bytes, which set out for the next step during this.
    Raises Refused where the memory that its steps need is not there.
    """

    def __init__(self, net: str, devices: str, batch_size: int, seed: int = 0) -> None:
        self.net = NETS[net](parse_devices(devices), seed=seed)
        self.batch_size, self.planned = batch_size, plan(self.net, batch_size)
        refuse_if_too_large(self.planned)
        batch: Callable[..., tuple[Array | Shown, Array]] = random_bytes if self.net.takes_bytes else random_batch
        self.images, self.labels = batch(self.net.input_shape, self.net.num_classes, batch_size, seed)
        self.optimizer = SGD(self.net)
        self.learner = Learner(self.net, self.optimizer)

    def step(self) -> float:
        """One training step, whole; the seconds that it took."""
        return self._timed(self._step)

    def infer(self) -> float:
        """Logits for the batch, no more; the seconds that it took."""
        return self._timed(lambda: self.net.forward(self.images))

    def layer(self, name: str, plain: bool = False) -> list[float]:
        """Forward and backward of one layer alone, all towers' at once, some rounds in a row (`rounds_in_a_row`); the mean
        seconds of one. More rounds come first: the second still makes memory while it holds that of the first.

        plain: its plain twin.
        """
        level = by_name(self.net, self.batch_size)[name]
        devices = tuple(place.device for place in level)
        given = tuple(self._pieces_of(place, (plain_twin(place.layer) if plain else None) or place.layer) for place in level)

        def rounds(count: int) -> None:
            def one(layer: Layer, x: Array, dy: Array) -> None:
                for _ in range(count):
                    layer.forward(x, True)
                    layer.backward(dy)

            def all_pieces(device: Device, pieces: list[tuple[Layer, Array, Array]]) -> None:
                if len(pieces) == 1:  # the other cores are the layer's own, if it takes them
                    one(*pieces[0])
                else:
                    device.side_by_side(one, *zip(*pieces, strict=True))

            on_all(devices, all_pieces, devices, given)

        rounds(2)
        count = rounds_in_a_row(self._timed(lambda: rounds(ROUNDS)) / ROUNDS)
        return [self._timed(lambda: rounds(count)) / count]

    def _pieces_of(self, place: Place, layer: Layer) -> list[tuple[Layer, Array, Array]]:
        """The layer with x and dy; where its tower takes the batch in pieces on all cores, in the same pieces."""
        x, dy = random_ends(place)
        if not isinstance(tower := place.tower, Split):
            return [(layer, x, dy)]
        ins = next(other.ins for other in places(self.net, self.batch_size) if other.tower is tower)
        step = tower.images_at_once(ins, x.itemsize, place.device.xp.__name__)
        pieces = [slice(n, n + step) for n in range(0, len(x), step)]
        return [(single_twin(layer), x[piece], dy[piece]) for piece in pieces]

    def where(self, repeats: int) -> Where:
        """Where the time of a step goes: for each number the median of `repeats` traced steps."""
        return _medians([self._traced() for _ in range(repeats)])

    def trace(self, steps: int) -> list[Span]:
        """The timeline of so many steps, after one that is not recorded."""
        with Tracer(self.net, self.optimizer, skip=1, steps=steps) as tracer:
            for _ in range(steps + 1):
                self._step()
        return tracer.spans()

    def _step(self) -> None:
        self.learner.step(self.images, self.labels, meanwhile=self._announce)

    def _announce(self) -> None:
        if self.net.sends_ahead:
            self.net.expect(self.images)

    def _timed(self, work: Callable[[], object]) -> float:
        start = perf_counter()
        work()
        self.net.synchronize()
        return perf_counter() - start

    def _traced(self) -> Where:
        with Tracer(self.net, self.optimizer, steps=1) as tracer:
            seconds = self.step()
        lanes = {place.device.name for level in by_name(self.net, 1).values() for place in level}
        spans = [span for span in tracer.spans() if span.lane in lanes]
        layers = {}
        for name, level in by_name(self.net, 1).items():
            own = {place.full_name for place in level}
            mine = [span for span in spans if span.name in own and span.depth > 0]
            layers[name] = LayerTime(_longest(mine, {"forward"}), _longest(mine, {"backward", "again"}))
        crossings = {}
        for title in dict.fromkeys(span.stage for span in spans if span.kind in ("exchange", "return")):
            mine = [span for span in spans if span.stage == title and span.depth == 0]
            crossings[title] = LayerTime(_longest(mine, {"exchange"}), _longest(mine, {"return"}))
        waiting = sum(span.end - span.start for span in spans if span.kind == "waiting") / len(lanes)
        return Where(seconds, layers, crossings, _longest([s for s in spans if s.depth == 0], {"update"}), waiting)


def rounds_in_a_row(seconds: float) -> int:
    """How many rounds of a layer that takes so long are measured together: short ones need time to find their pace."""
    return max(ROUNDS, min(500, int(TOGETHER / seconds)))


def _longest(spans: list[Span], kinds: set[str]) -> float:
    """The seconds of these kinds of spans on the lane that has most of them."""
    totals: dict[str, float] = {}
    for span in spans:
        if span.kind in kinds:
            totals[span.lane] = totals.get(span.lane, 0.0) + span.end - span.start
    return max(totals.values(), default=0.0)


def _medians(times: list[Where]) -> Where:
    def middle(value: Callable[[Where], float]) -> float:
        return median(value(time) for time in times)

    def pairs(of: Callable[[Where], dict[str, LayerTime]]) -> dict[str, LayerTime]:
        return {
            name: LayerTime(*(middle(lambda t, name=name, n=n: of(t)[name][n]) for n in (0, 1)))  # type: ignore[misc]
            for name in of(times[0])
        }

    return Where(
        middle(lambda t: t.step),
        pairs(lambda t: t.layers),
        pairs(lambda t: t.crossings),
        middle(lambda t: t.update),
        middle(lambda t: t.waiting),
    )


def random_batch(input_shape: Shape, num_classes: int, batch_size: int, seed: int) -> tuple[Array, Array]:
    """Images float32 (N, C, H, W) in channels-last memory, as the loader makes them, and labels."""
    rng = np.random.default_rng(seed)
    C, H, W = input_shape
    images = rng.standard_normal((batch_size, H, W, C), dtype=np.float32).transpose(0, 3, 1, 2)
    return images, rng.integers(0, num_classes, batch_size)


def random_bytes(input_shape: Shape, num_classes: int, batch_size: int, seed: int) -> tuple[Shown, Array]:
    """The same for GPUs: images of bytes, 8/7 as wide as the net's input (256 for 224), of which windows are to be shown."""
    rng = np.random.default_rng(seed)
    C, h, w = input_shape
    stored = C, 8 * h // 7, 8 * w // 7
    view = Augmentation(stored, (h, w), mean=np.full(stored, 127.5), scale=64.0)
    memory = rng.integers(0, 256, view.layout(batch_size).size, np.uint8)
    return view.shown(memory, batch_size, view.draw(seed, 1, batch_size)), rng.integers(0, num_classes, batch_size)


def random_ends(place: Place) -> tuple[Array, Array]:
    """x and dy for a layer, on its device, images in channels-last memory."""
    rng = np.random.default_rng(0)

    def numbers(shape: Shape) -> Any:
        if len(shape) != 4:
            return place.device.put(rng.standard_normal(shape, dtype=np.float32))
        N, C, H, W = shape
        return place.device.put(rng.standard_normal((N, H, W, C), dtype=np.float32).transpose(0, 3, 1, 2))

    return numbers(place.ins), numbers(place.outs)
