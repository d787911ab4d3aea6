"""To look while a net computes: every layer tells what went through it, and computes what it always does.

The layers are watched where they are, so all that a net can do may happen inside: tests, training, a backward pass. What is
done in one go for speed is taken apart meanwhile (the same functions): `Blocked` stretches take the whole batch at once, so
that every layer tells once for each pass, and a bias is added before the ReLU behind it, not with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minialex.arrays import Array
from minialex.devices import Device
from minialex.layers import Layer
from minialex.layers.fast import Blocked, Sequential
from minialex.net import Net
from minialex.towers import Towers

See = Callable[[str, Device, Array, Array], None]
WHOLE = {"numpy": 1 << 62, "cupy": 1 << 62}


@contextmanager
def watching(net: Net, forward: See | None = None, backward: See | None = None) -> Iterator[None]:
    """Inside, each layer calls forward(name, device, x, y) after its forward pass and backward(name, device, dy, dx) after its
    backward pass, in its device's own worker. Names are those of net.layers(): "conv2.0", "fc8".

    The arrays are the net's own, on their devices, and live only for a moment: keep device.get(y), or a number.
    """
    towers = [t for stage in net.stages if isinstance(stage, Towers) for t in stage.towers if isinstance(t, Sequential)]
    joints = [tower.joints for tower in towers]
    watched = list(net.layers())
    try:
        for tower in towers:
            tower.joints = []  # a bias, and then the ReLU
            if isinstance(tower, Blocked):
                tower.block_bytes = WHOLE
        for name, device, layer in watched:
            _tell(layer, name, device, forward, backward)
        yield
    finally:
        for _, _, layer in watched:
            vars(layer).pop("forward", None)
            vars(layer).pop("backward", None)
        for tower, own in zip(towers, joints, strict=True):
            vars(tower).pop("block_bytes", None)
            tower.joints = own


def _tell(layer: Layer, name: str, device: Device, forward: See | None, backward: See | None) -> None:
    """Put these two between the layer and whoever calls it."""
    own_forward, own_backward = layer.forward, layer.backward

    def watched_forward(x: Array, train: bool = True) -> Array:
        y = own_forward(x, train)
        forward(name, device, x, y)  # type: ignore[misc]
        return y

    def watched_backward(dy: Array) -> Array:
        dx = own_backward(dy)
        backward(name, device, dy, dx)  # type: ignore[misc]
        return dx

    methods: dict[str, Any] = {}
    if forward is not None:
        methods["forward"] = watched_forward
    if backward is not None:
        methods["backward"] = watched_backward
    vars(layer).update(methods)
