"""A net: stages one after another, its parameters by name, and what a person sees of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minialex.arrays import Array, Shape, channels_last
from minialex.devices import Crossing, Device, Ledger, Wire
from minialex.layers import Layer, Sequential
from minialex.shown import Shown
from minialex.summary import table
from minialex.towers import Broadcast, Stage, Towers


class Net:
    """`stages` run in order, each on the devices where the one before left its output.

    Parameters have the names "conv2.0.weight" (layer, tower, parameter), and "fc8.weight" where a layer has one owner.
    forward and backward take and give host arrays; everything between them stays on the devices.
    """

    def __init__(
        self, devices: tuple[Device, ...], *stages: Stage, input_shape: Shape, num_classes: int, dtype: Any = np.float32
    ) -> None:
        self.devices, self.stages = devices, stages
        self.input_shape, self.num_classes, self.dtype = input_shape, num_classes, np.dtype(dtype)
        self.ledger = Ledger()
        for stage in stages:
            devices = stage.place(devices, self.ledger)
        names = [name for name, _, layer in self.layers() if layer.params]
        if "" in names or len(set(names)) < len(names):
            raise ValueError(f"every layer with parameters needs a name of its own, got {names}")
        self.home = devices[0]  # where the logits come out
        self._wire = Wire(None, self.home, "logits", "backward", self.ledger)
        for _, device, layer in self.layers():
            for key, value in layer.params.items():
                layer.params[key] = device.put(value)
        self.read_pixel_gradients(False)

    def forward(self, images: Array | Shown, train: bool = False) -> Array:
        """images (N, *input_shape) on the host, of any real dtype -> logits (N, num_classes) on the host, in the net's.

        Backward reads the images again, and CPU devices have no copy of their own: leave them as they are until then.
        Images as bytes that are still to be shown (minialex/shown.py) become views on each GPU; for CPU devices here and now.
        """
        logits = self.forward_to_home(images, train)
        self.ledger.rows.append(Crossing("logits", "forward", self.home.name, "host", logits.nbytes))
        return self.home.submit(self.home.get, logits).result()

    def forward_to_home(self, images: Array | Shown, train: bool = False) -> Array:
        """forward, whose logits stay on the device where they come out, `home`. On GPUs nothing of it is waited for."""
        images = images if isinstance(images, Shown) else np.asarray(images)
        if images.shape[1:] != self.input_shape or len(images) == 0:
            wanted = ", ".join(map(str, self.input_shape))
            raise ValueError(f"the net expects images of shape (N, {wanted}) with N >= 1, got {images.shape}")
        if images.dtype.kind not in "fuib":
            raise TypeError(f"the net expects images of real numbers, got {images.dtype}")
        self.ledger.clear()
        activation: tuple[Any, ...] = (images.astype(self.dtype, copy=False),)
        for stage in self.stages:
            activation = stage.forward(activation, train)
        (logits,) = activation
        return logits

    @property
    def sends_ahead(self) -> bool:
        """Whether images may set out for the devices before it is their turn (`expect`): GPUs compute and copy at once."""
        return any(device.sends_ahead for device in self.devices)

    @property
    def takes_bytes(self) -> bool:
        """Whether images had better come as bytes that are still to be shown: GPUs make the views by a kernel of their own."""
        return isinstance(first := self.stages[0], Broadcast) and first.makes_views

    def expect(self, images: Array | Shown) -> None:
        """These images will be the next forward's: let them set out. Only that very array, unchanged, makes use of it."""
        if isinstance(first := self.stages[0], Broadcast) and (isinstance(images, Shown) or images.dtype == self.dtype):
            first.expect(images)

    def backward(self, dlogits: Array) -> None:
        """From dL/dlogits (N, num_classes) on the host to the gradient of every parameter, left on its device."""
        dlogits = np.ascontiguousarray(dlogits, dtype=self.dtype)
        self._wire.announce(dlogits)
        self.backward_from_home(self.home.submit(self._wire.carry, dlogits).result())

    def backward_from_home(self, dlogits: Array) -> None:
        """backward, from dL/dlogits on `home`."""
        gradient: tuple[Array, ...] = (dlogits,)
        for stage in reversed(self.stages):
            gradient = stage.backward(gradient)

    def layers(self) -> Iterator[tuple[str, Device, Layer]]:
        """Every layer inside the towers: its name ("conv2.0", "fc8"), its device, itself; in the order of computation."""
        for stage in self.stages:
            if isinstance(stage, Towers):
                alone = len(stage.towers) == 1
                for t, (device, tower) in enumerate(zip(stage.devices, stage.towers, strict=True)):
                    inside = tower.leaves() if isinstance(tower, Sequential) else [(tower.name, tower)]
                    for name, layer in inside:
                        yield (name if alone else f"{name}.{t}"), device, layer

    def read_pixel_gradients(self, wanted: bool) -> None:
        """Whether backward also computes dL/d(images). Training does not need it, and saves conv1 a third of its work."""
        first = next((stage for stage in self.stages if isinstance(stage, Towers)), None)
        for tower in first.towers if first else ():
            layer = tower
            while isinstance(layer, Sequential):
                layer = layer.layers[0]
            layer.input_gradient = wanted

    @property
    def params(self) -> dict[str, Array]:
        """The live parameters, each on its device."""
        return {f"{name}.{key}": value for name, _, layer in self.layers() for key, value in layer.params.items()}

    @property
    def grads(self) -> dict[str, Array]:
        """The live gradients of the last backward pass, each on its device."""
        return {f"{name}.{key}": value for name, _, layer in self.layers() for key, value in layer.grads.items()}

    def state_dict(self) -> dict[str, Array]:
        """Host copies of all parameters, by name."""
        return self._to_host("params")

    def grad_dict(self) -> dict[str, Array]:
        """Host copies of all gradients of the last backward pass, by the names of their parameters."""
        return self._to_host("grads")

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over these parameters: every name there, no other, and the shapes right; else ValueError, nothing changed."""
        own = self.params
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unknown:
            raise ValueError(f"the state is of another net: missing {missing[:3]}, unknown {unknown[:3]}")
        wrong = [
            f"{k} {np.shape(state[k])} where the net has {own[k].shape}" for k in own if np.shape(state[k]) != own[k].shape
        ]
        kinds = {k: np.asarray(state[k]).dtype for k in own}
        wrong += [f"{k} holds {kind}, not real numbers" for k, kind in kinds.items() if kind.kind not in "fiu"]
        if wrong:
            raise ValueError(f"the state is of another net: {wrong[0]}")
        for name, device, layer in self.layers():
            for key, value in layer.params.items():
                layer.params[key] = device.put(channels_last(np.ascontiguousarray(state[f"{name}.{key}"])), value.dtype)

    def generators(self) -> dict[str, np.random.Generator]:
        """The generators of all layers that draw, by name ("dropout6.0.rng")."""
        return {f"{name}.{key}": rng for name, _, layer in self.layers() for key, rng in layer.generators().items()}

    def summary(self, batch_size: int = 128) -> str:
        """The net's table: layer, devices, output, parameters, multiply-adds of one image; what crosses for a batch."""
        return table(self.stages, self.input_shape, self.dtype.itemsize, batch_size)

    @property
    def num_parameters(self) -> int:
        return sum(value.size for value in self.params.values())

    def synchronize(self) -> None:
        """Wait until all devices are done."""
        for device in self.devices:
            device.synchronize()

    def _to_host(self, which: str) -> dict[str, Array]:
        return {
            f"{name}.{key}": device.get(value)
            for name, device, layer in self.layers()
            for key, value in getattr(layer, which).items()
        }
