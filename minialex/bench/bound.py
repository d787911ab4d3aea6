"""What this machine could do at best with a net: its own rate of matrix products, measured for the net's own shapes.

A convolution of p = n oH oW output positions, q = kH kW C inputs of each and O output channels is three products:

    forward  Y = X Wᵀ   (p, q) (q, O)        backward  dW = dYᵀ X   (O, p) (p, q)        dX = dY W   (p, O) (O, q)

each of p q O multiplications with their additions, and a full layer is the same with p = n. All devices compute at once, one
BLAS thread each, as in training; the best of a few tries counts. The bound is the time of these products alone: no im2col, no
normalisation, nothing else. A layer that makes fewer multiplications than direct convolution (layers/fast/conv.py) can
pass it. Layers without products are held against the rate at which large arrays are copied.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from time import perf_counter
from typing import NamedTuple

import numpy as np

from minialex.arrays import Array
from minialex.bench.places import Place, by_name
from minialex.devices import Device
from minialex.layers import Conv2d, Linear
from minialex.net import Net

COLUMNS = 16 << 20  # bytes of X in one product, at most (or one image's): large enough for BLAS, small enough for any machine
COPY = 64 << 20  # bytes of the array whose copy measures the memory
SECONDS = 0.06  # of one try
TRIES = 3


class Products(NamedTuple):
    """One layer's products for one image block: p rows at a time, `times` times for the batch; G groups."""

    p: int
    q: int
    O: int
    times: float
    groups: int

    @property
    def multiply_adds(self) -> float:
        """Of the whole batch, forward; each of the two products of backward has as many."""
        return self.p * self.q * self.O * self.times * self.groups


def products(place: Place) -> Products | None:
    """The products of this layer, or None if it has none."""
    layer, N = place.layer, place.ins[0]
    match layer:
        case Conv2d():
            q = layer.in_channels // layer.groups * prod(layer.kernel_size)
            rows = prod(place.outs[2:])
            few = min(N, max(1, COLUMNS // (rows * q * 4)))
            return Products(few * rows, q, layer.out_channels // layer.groups, N / few, layer.groups)
        case Linear():
            return Products(N, layer.in_features, layer.out_features, 1, 1)
        case _:
            return None


class LayerBound(NamedTuple):
    """The least seconds for a layer's forward and backward pass over the batch, at the measured rates."""

    forward: float
    backward: float


class Bound(NamedTuple):
    """layers: by name. copy: bytes a second, read and written, of one device while all copy. step, infer: seconds."""

    layers: dict[str, LayerBound]
    copy: float
    step: float
    infer: float


def measure(net: Net, batch_size: int) -> Bound:
    """The bound of this net on its devices. Takes some seconds."""
    devices = tuple(dict.fromkeys(device for stage in net.stages for device in stage.devices))
    copy = _copy_rate(devices)
    rates: dict[tuple[Products, str], float] = {}
    found: dict[str, LayerBound] = {}
    for name, level in by_name(net, batch_size).items():
        forward: dict[str, float] = {}
        backward: dict[str, float] = {}
        for place in level:
            shapes, device = products(place), place.device.name
            if shapes is None:
                least = _bytes(place, net.dtype.itemsize)
                seconds = least[0] / copy, least[1] / copy
            else:
                for kind in KINDS:
                    if (shapes, kind) not in rates:
                        rates[shapes, kind] = _product_rate(devices, shapes, kind, net.dtype)
                one = shapes.multiply_adds
                back = one / rates[shapes, "dW"] + (one / rates[shapes, "dX"] if place.reads_gradient else 0)
                seconds = one / rates[shapes, "Y"], back
            forward[device] = forward.get(device, 0) + seconds[0]
            backward[device] = backward.get(device, 0) + seconds[1]
        found[name] = LayerBound(max(forward.values()), max(backward.values()))
    multiplied = [found[name] for name, level in by_name(net, batch_size).items() if products(level[0])]
    infer = sum(bound.forward for bound in multiplied)
    return Bound(found, copy, infer + sum(bound.backward for bound in multiplied), infer)


def _bytes(place: Place, item: int) -> tuple[int, int]:
    """What a layer without products must at least read and write: x and y; then dy, dx and x or y once more."""
    x, y = item * prod(place.ins), item * prod(place.outs)
    return x + y, x + y + max(x, y)


def moved(level: list[Place], item: int) -> tuple[int, int]:
    """The same for all towers' layers of one level together."""
    forward, backward = zip(*(_bytes(place, item) for place in level), strict=True)
    return sum(forward), sum(backward)


KINDS = ("Y", "dW", "dX")


def _product_rate(devices: tuple[Device, ...], shapes: Products, kind: str, dtype: np.dtype[np.float64]) -> float:
    """Multiply-adds a second that each device makes of this product, while all do."""
    p, q, O = shapes.p, shapes.q, shapes.O

    def prepare(device: Device) -> Callable[[], object]:
        rng = np.random.default_rng(0)
        X, W, Y = (device.put(rng.random(shape, dtype=np.float32).astype(dtype)) for shape in ((p, q), (O, q), (p, O)))
        left, right = {"Y": (X, W.T), "dW": (Y.T, X), "dX": (Y, W)}[kind]
        out = device.empty((left.shape[0], right.shape[1]), dtype)
        return lambda: device.xp.matmul(left, right, out=out)

    return p * q * O * _rate(devices, prepare)


def _copy_rate(devices: tuple[Device, ...]) -> float:
    def prepare(device: Device) -> Callable[[], object]:
        source: Array = device.put(np.zeros(COPY // 4, np.float32))
        target = device.put(np.ones(COPY // 4, np.float32))
        return lambda: device.xp.copyto(target, source)

    return 2 * COPY * _rate(devices, prepare)


def _rate(devices: tuple[Device, ...], prepare: Callable[[Device], Callable[[], object]]) -> float:
    """How often a second each device does its work, while all of them do theirs: the slowest device of the best try."""
    works = [(device, device.submit(prepare, device).result()) for device in devices]

    def run(device: Device, work: Callable[[], object], count: int) -> None:
        for _ in range(count):
            work()

    def seconds(count: int) -> float:
        start = perf_counter()
        for future in [device.submit(run, device, work, count) for device, work in works]:
            future.result()
        for device in devices:
            device.synchronize()
        return perf_counter() - start

    seconds(1)
    count = max(1, round(SECONDS / max(seconds(1), 1e-6)))
    return max(count / seconds(count) for _ in range(TRIES))
