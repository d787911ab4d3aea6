r"""The communicating layers: the only code that crosses from one device to another (paper, section 3.2 and figure 2).

An activation inside a net is a tuple of arrays, one for each tower; tower t's array lives on tower t's device. With x_t
the maps of tower t and [a, b] the maps of a followed by those of b, along the channels:

    Broadcast  y_t = x                       the host's batch, on every device; the host gets no gradient
    Towers     y_t = f_t(x_t)                dx_t = f_t'(dy_t)              each on its own device, all at the same time
    Exchange   y_t = [x_0, x_1, ...]         dx_t = sum_s dy_s[maps of t]   x_t was copied to every tower s: gradients add
    Gather     y   = [x_0, x_1, ...]         dx_t = dy[maps of t]           on one device only

The sum in Exchange is done by the owner of the maps: it pulls its slice of every tower's gradient and adds them in tower
order, so that the result is the same wherever the towers are. Weights and their gradients never cross.
"""

from __future__ import annotations

from functools import reduce
from itertools import accumulate, pairwise
from math import prod
from operator import add
from typing import Any

from minialex.arrays import Array, Shape, array_module
from minialex.devices import Device, Ledger, Standing, Wire, on_all, pack
from minialex.layers import Layer, cuda
from minialex.layers.fast import Linear, Sequential, Split
from minialex.shown import Shown

Activation = tuple[Array, ...]
Devices = tuple[Device, ...]


class Stage:
    """A layer of the net: from one activation to the next. `place` comes first and says where the towers are."""

    name: str = ""

    def place(self, devices: Devices, ledger: Ledger) -> Devices:
        """Settle on these devices, one a tower; returns the devices of the output."""
        self.devices, self.ledger = devices, ledger
        return devices

    def forward(self, xs: Activation, train: bool = True) -> Activation:
        raise NotImplementedError

    def backward(self, dys: Activation) -> Activation:
        raise NotImplementedError

    def output_shapes(self, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The shape of each tower's output for these shapes of its input."""
        return shapes

    def elements(self, shapes: tuple[Shape, ...]) -> tuple[int, int]:
        """How many numbers cross from device to device, forward and backward, for these shapes of the input."""
        return 0, 0

    def _wire(self, source: Device | None, to: Device, direction: str) -> Wire:
        return Wire(source, to, self.name, direction, self.ledger)


class Broadcast(Stage):
    """A host batch (N, C, H, W) becomes one array on each device.

    Of a batch that is still to be shown (`Shown`) the bytes cross, and each GPU makes the views itself; for CPU devices they
    are made first. The mean crosses only when it is another than the last batch's.
    """

    def __init__(self, devices: Devices = ()) -> None:
        self.name = "images"
        if devices:
            self.place(devices, Ledger())

    def place(self, devices: Devices, ledger: Ledger) -> Devices:
        super().place(devices, ledger)
        self._wires = {to: self._wire(None, to, "forward") for to in devices}
        self._means = {to: Standing(None, to, self.name, "forward", ledger) for to in devices}
        self._views: dict[Device, Array] = {}  # where each makes its views, (N, h, w, C)
        return devices

    @property
    def makes_views(self) -> bool:
        """Whether the devices are GPUs on which kernels run (a test's stand-in for CuPy may have none)."""
        return all(hasattr(device.xp, "RawModule") for device in self.devices)

    def expect(self, images: Array | Shown) -> None:
        """The next forward will be of this very array: it may set out for the GPUs now."""
        sent = images.memory if isinstance(images, Shown) else images
        if pack(sent) is sent and (sent is images or self.makes_views):
            for wire in self._wires.values():
                wire.expect(sent)

    def forward(self, xs: tuple[Any, ...], train: bool = True) -> Activation:
        if isinstance(xs[0], Shown):
            return self._show(xs[0]) if self.makes_views else self.forward((xs[0].finished(),), train)
        images = pack(xs[0])
        places, wires = tuple(self._wires), tuple(self._wires.values())
        for wire in wires:
            wire.announce(images)
        arrived = dict(zip(places, on_all(places, lambda wire: wire.carry(images), wires), strict=True))
        return tuple(arrived[device] for device in self.devices)

    def _show(self, images: Shown) -> Activation:
        """The bytes cross, and each device makes its views of them."""
        places = tuple(self._wires)
        for to in places:
            self._wires[to].announce(images.memory)
            self._means[to].announce(images.look.mean)
        made = dict(zip(places, on_all(places, lambda to: self._show_on(to, images), places), strict=True))
        return tuple(made[device] for device in self.devices)

    def _show_on(self, to: Device, images: Shown) -> Array:
        """The views on this device, which is at work. They hold until the next batch comes by, as all that a wire brings."""
        look, (N, C, h, w) = images.look, images.shape
        parts = images.layout.parts(self._wires[to].carry(images.memory))
        mean = self._means[to].carry(look.mean)
        if to not in self._views or self._views[to].shape != (N, h, w, C):
            self._views[to] = to.empty((N, h, w, C), mean.dtype)
        cuda.views(
            parts.pixels, look.crop, parts.tops, parts.lefts, parts.mirrored, mean, self._views[to],
            mean_at=look.mean_at, colours=parts.colours, divisor=look.divisor,
        )  # fmt: skip
        return self._views[to].transpose(0, 3, 1, 2).astype(images.dtype, copy=False)

    def backward(self, dys: Activation) -> Activation:
        return ()

    def output_shapes(self, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return shapes * len(self.devices)


class Towers(Stage):
    """Runs layer t on device t, all at the same time. With a single layer: that layer, on the one device there is."""

    def __init__(self, *towers: Layer) -> None:
        self.towers = towers

    def place(self, devices: Devices, ledger: Ledger) -> Devices:
        if len(devices) != len(self.towers):
            raise ValueError(f"Towers: {len(self.towers)} towers need as many places, got {len(devices)}: {devices}")
        for tower, device in zip(self.towers, devices, strict=True):
            if isinstance(tower, Split):  # its pieces are spread over the cores, whatever is in them
                tower.side_by_side = device.side_by_side
            elif len(self.towers) == 1 and isinstance(tower, Sequential):  # the other devices have nothing to do meanwhile
                for _, layer in tower.leaves():
                    if isinstance(layer, Linear):
                        layer.side_by_side = device.side_by_side
        return super().place(devices, ledger)

    def forward(self, xs: Activation, train: bool = True) -> Activation:
        return on_all(self.devices, lambda tower, x: tower.forward(x, train), self.towers, xs)

    def backward(self, dys: Activation) -> Activation:
        return on_all(self.devices, lambda tower, dy: tower.backward(dy), self.towers, dys)

    def output_shapes(self, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return tuple(tower.output_shape(shape) for tower, shape in zip(self.towers, shapes, strict=True))


class Exchange(Stage):
    """Every tower receives the maps (or neurons) of all towers, joined along axis 1. `name`: the layer that reads them."""

    def __init__(self, name: str = "exchange") -> None:
        self.name = name

    def place(self, devices: Devices, ledger: Ledger) -> Devices:
        super().place(devices, ledger)
        self._out = {(s, to): self._wire(source, to, "forward") for s, source in enumerate(devices) for to in set(devices)}
        self._back = {
            (s, t): self._wire(source, owner, "backward") for s, source in enumerate(devices) for t, owner in enumerate(devices)
        }
        return devices

    def forward(self, xs: Activation, train: bool = True) -> Activation:
        self._cuts = _slices(xs)
        places = tuple(dict.fromkeys(self.devices))
        xs = on_all(self.devices, pack, xs)
        for to in places:
            for s, x in enumerate(xs):
                self._out[s, to].announce(x)
        joined = on_all(places, lambda to: join(tuple(self._out[s, to].carry(x) for s, x in enumerate(xs))), places)
        on = dict(zip(places, joined, strict=True))
        return tuple(on[device] for device in self.devices)

    def backward(self, dys: Activation) -> Activation:
        towers = range(len(dys))
        parts = on_all(self.devices, lambda dy: [pack(dy[:, cut]) for cut in self._cuts], dys)
        for t in towers:
            for s in towers:
                self._back[s, t].announce(parts[s][t])

        def collect(t: int) -> Array:
            return reduce(add, (self._back[s, t].carry(parts[s][t]) for s in towers))

        return on_all(self.devices, collect, tuple(towers))

    def output_shapes(self, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (_joined_shape(shapes),) * len(shapes)

    def elements(self, shapes: tuple[Shape, ...]) -> tuple[int, int]:
        out = sum(prod(shapes[s]) for (s, to) in self._out if self.devices[s] is not to)
        back = sum(prod(shapes[t]) for (s, t) in self._back if self.devices[s] is not self.devices[t])
        return out, back


class Gather(Stage):
    """The maps (or neurons) of all towers, joined along axis 1 on the device of tower `owner`."""

    def __init__(self, owner: int = 0, name: str = "gather") -> None:
        self.owner, self.name = owner, name

    def place(self, devices: Devices, ledger: Ledger) -> Devices:
        super().place(devices, ledger)
        home = devices[self.owner]
        self._out = tuple(self._wire(source, home, "forward") for source in devices)
        self._back = tuple(self._wire(home, to, "backward") for to in devices)
        return (home,)

    def forward(self, xs: Activation, train: bool = True) -> Activation:
        self._cuts = _slices(xs)
        xs = on_all(self.devices, pack, xs)
        for wire, x in zip(self._out, xs, strict=True):
            wire.announce(x)
        home = self.devices[self.owner]
        return on_all((home,), lambda: join(tuple(wire.carry(x) for wire, x in zip(self._out, xs, strict=True))))

    def backward(self, dys: Activation) -> Activation:
        (dy,) = dys
        home = self.devices[self.owner]
        (parts,) = on_all((home,), lambda: [pack(dy[:, cut]) for cut in self._cuts])
        for wire, part in zip(self._back, parts, strict=True):
            wire.announce(part)
        return on_all(self.devices, lambda wire, part: wire.carry(part), self._back, tuple(parts))

    def output_shapes(self, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (_joined_shape(shapes),)

    def elements(self, shapes: tuple[Shape, ...]) -> tuple[int, int]:
        home = self.devices[self.owner]
        away = sum(prod(shape) for shape, device in zip(shapes, self.devices, strict=True) if device is not home)
        return away, away


def join(xs: Activation) -> Array:
    """[x_0, x_1, ...] along the channels, in channels-last memory for images. All on one device."""
    if len(xs) == 1:
        return xs[0]
    concatenate = array_module(xs[0]).concatenate
    if xs[0].ndim != 4:
        return concatenate(xs, axis=1)
    return concatenate([x.transpose(0, 2, 3, 1) for x in xs], axis=3).transpose(0, 3, 1, 2)


def _slices(xs: Activation) -> tuple[slice, ...]:
    """Where each tower's maps are among the joined ones."""
    return tuple(slice(a, b) for a, b in pairwise(accumulate((x.shape[1] for x in xs), initial=0)))


def _joined_shape(shapes: tuple[Shape, ...]) -> Shape:
    N, _, *rest = shapes[0]
    return N, sum(shape[1] for shape in shapes), *rest
