r"""The guard on the devices: where a number of a step is none, no device makes an update any more, and the host need not wait.

Each device d looks at its gradients (and the one where the logits come out at the loss, too) and keeps a flag for each:

    found_d[i] = 1  if gradient i holds a number that is infinite or none          stopped = max of found_d[i] over all d, i

`stopped` is exchanged, so that each device has it before it updates (`SGD.step`). Once it is 1 it stays 1, and nobody looks any
more: the parameters stay those before the step that went wrong, and `found` says where it did, whenever the host asks.

On the CPU the sum of all sums is asked first: it is not finite where one number is not, and costs one pass, nothing written. It
may also overflow by itself; so a sum that is not finite is only a suspicion, and each number is looked at then.
"""

from __future__ import annotations

from math import isfinite

import numpy as np

from minialex.arrays import Array, array_module
from minialex.devices import Device, Wire, on_all
from minialex.layers import Layer, cuda
from minialex.net import Net

LOSS = "the loss"


class Guard:
    """Watches the steps of one net from now on. stopped: for each device a flag that is there, int32 (1,)."""

    def __init__(self, net: Net) -> None:
        self._home = net.home
        self._watched: dict[Device, list[tuple[str, Layer, str]]] = {net.home: []}
        self._names = [LOSS]  # in the order of computation
        for name, device, layer in reversed(list(net.layers())):
            for key in layer.params:
                self._watched.setdefault(device, []).append((f"{name}.{key}", layer, key))
                self._names.append(f"{name}.{key}")
        self._places = tuple(self._watched)
        self._found = {d: d.put(np.zeros(len(rows) + (d is net.home), np.int32)) for d, rows in self._watched.items()}
        self.stopped = {device: device.put(np.zeros(1, np.int32)) for device in self._places}
        self._wires = {(s, d): Wire(s, d, "guard", "backward", net.ledger) for s in self._places for d in self._places}

    def look(self, loss: Array) -> None:
        """After backward, before the update. loss: an array () on the net's home. On GPUs nothing of it is waited for."""
        told = on_all(self._places, lambda device: self._look_on(device, loss), self._places)
        answers = dict(zip(self._places, told, strict=True))
        for (source, _), wire in self._wires.items():
            wire.announce(answers[source])
        on_all(self._places, lambda device: self._hear_on(device, answers), self._places)

    def where(self) -> str:
        """The first gradient, in the order in which backward computes them, that is none: "conv2.0.weight"; or "". Waits."""
        bad = set()
        for device, rows in self._watched.items():
            names = [LOSS] * (device is self._home) + [name for name, _, _ in rows]
            bad |= {name for name, found in zip(names, device.get(self._found[device]), strict=True) if found}
        return next((name for name in self._names[1:] if name in bad), "")

    def _look_on(self, device: Device, loss: Array) -> Array:
        """On this device, which is at work; returns whether it has found anything, int32 (1,)."""
        found, stopped = self._found[device], self.stopped[device]
        arrays = [loss] * (device is self._home) + [layer.grads[key] for _, layer, key in self._watched[device]]
        xp = array_module(found)
        if xp is not np or not _sum_is_finite(arrays):
            for i, x in enumerate(arrays):
                mine = found[i : i + 1]
                if cuda.fits(x):
                    cuda.not_finite(x, mine, stopped)
                else:
                    xp.maximum(mine, xp.isfinite(x).all() < (stopped == 0), out=mine)
        return found.max(keepdims=True)

    def _hear_on(self, device: Device, answers: dict[Device, Array]) -> None:
        stopped = self.stopped[device]
        for source, answer in answers.items():
            array_module(stopped).maximum(stopped, self._wires[source, device].carry(answer), out=stopped)


def _sum_is_finite(arrays: list[Array]) -> bool:
    with np.errstate(all="ignore"):
        return isfinite(sum(x.sum() for x in arrays))
