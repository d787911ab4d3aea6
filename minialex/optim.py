r"""The paper's update rule (section 5), exactly:

    v <- 0.9 v - 0.0005 lr w - lr dL/dw          w <- w + v

The learning rate is inside the velocity, so that after the rate has dropped the old velocity still runs at its old pace.
Weight decay acts on weights only, not on biases; there, by default, the learning rate is the same. A layer may have a rate of
its own: a factor of lr, for its weights and biases alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from minialex.arrays import Array, array_module, by_memory
from minialex.devices import Device
from minialex.layers import Layer, cuda
from minialex.net import Net

CHUNK = 1 << 18  # elements updated at a time on the CPU: with fewer, devices wait for each other's Python; more leave the cache


class SGD:
    """Momentum and weight decay for a net (each parameter is updated on its own device) or for a single layer.

    step() uses the gradients of the last backward pass. `lr`, `bias_lr` and `rates` may be changed between steps. bias_lr: the
    biases' own rate as a factor of lr (the 2012 code: 2). rates: the same for whole layers, in all towers: {"conv1": 0.1}; at 0
    a layer learns nothing more (what is left of its velocity runs out). ValueError: a name that no layer with parameters has.
    """

    def __init__(
        self,
        net: Net | Layer,
        lr: float = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0005,
        *,
        bias_lr: float = 1.0,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        if not (lr >= 0 and weight_decay >= 0 and bias_lr >= 0 and 0 <= momentum < 1):
            raise ValueError(
                f"SGD: lr, weight_decay and bias_lr must not be negative and momentum be in [0, 1), got "
                f"lr={lr}, momentum={momentum}, weight_decay={weight_decay}, bias_lr={bias_lr}"
            )
        self.net, self.lr, self.momentum, self.weight_decay, self.bias_lr = net, lr, momentum, weight_decay, bias_lr
        self.rates = dict(rates or {})
        self._check_rates()
        self.velocity: dict[str, Array] = {}

    def step(self, unless: Mapping[Device, Array] | None = None) -> None:
        """One update of every parameter, in place.

        unless: for each device of a net a flag that is there, int32 (1,): where it is not 0, nothing is updated.
        """
        if isinstance(self.net, Net):
            flags = unless or {}
            queued = [device.submit(self._update, name, layer, flags.get(device)) for name, device, layer in self.net.layers()]
            for update in queued:
                update.result()
        else:
            self._update("", self.net)

    def _update(self, prefix: str, layer: Layer, unless: Array | None = None) -> None:
        for key, w in layer.params.items():
            name = f"{prefix}.{key}" if prefix else key
            if key not in layer.grads:
                raise RuntimeError(f"SGD: {name} has no gradient yet; run backward before step()")
            is_bias = key.split(".")[-1] == "bias"
            if name not in self.velocity:
                self.velocity[name] = array_module(w).zeros_like(w)
            lr = self.lr * (self.bias_lr if is_bias else 1.0) * self.rates.get(name.split(".")[0], 1.0)
            decay = 0.0 if is_bias else self.weight_decay
            update(w, layer.grads[key], self.velocity[name], lr, self.momentum, decay, unless)

    def _check_rates(self) -> None:
        known = list(dict.fromkeys(name.split(".")[0] for name in self.net.params if "." in name))
        for layer, factor in self.rates.items():
            if layer not in known:
                near = get_close_matches(layer, known, n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]}?" if near else "."
                raise ValueError(f"SGD: rates: there is no layer {layer!r} with weights{hint} There are {', '.join(known)}")
            if not factor >= 0:
                raise ValueError(f"SGD: rates: that of {layer} must not be negative, got {factor}")


def update(w: Array, dw: Array, v: Array, lr: float, momentum: float, weight_decay: float, unless: Array | None = None) -> None:
    """v <- momentum v - weight_decay lr w - lr dw; w <- w + v; both in place.

    unless: int32 (1,), where the others are: if it is not 0, both stay as they are. On a GPU nobody waits to know.
    """
    if cuda.fits(w) and w.dtype == dw.dtype == v.dtype:
        flat_w, flat_dw, flat_v = (x.transpose(by_memory(w)) for x in (w, dw, v))
        if flat_w.flags.c_contiguous and flat_v.flags.c_contiguous:
            cuda.sgd_update(flat_w, flat_dw, flat_v, lr, momentum, weight_decay, unless)
            return
    xp = array_module(w)
    on_host = xp.__name__ == "numpy"
    if on_host and unless is not None and unless.any():
        return
    before = [] if on_host or unless is None else [(w, w.copy()), (v, v.copy())]
    rows = max(1, CHUNK * len(w) // max(1, w.size)) if on_host else len(w)
    change = xp.empty_like(w[:rows])
    for start in range(0, len(w), rows):
        part = slice(start, start + rows)
        term = change[: len(w[part])]
        v[part] *= momentum
        v[part] -= xp.multiply(dw[part], lr, out=term)
        if weight_decay:
            v[part] -= xp.multiply(w[part], weight_decay * lr, out=term)
        w[part] += v[part]
    for x, old in before:
        xp.copyto(x, old, where=unless != 0)
