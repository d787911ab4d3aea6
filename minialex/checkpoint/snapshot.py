"""From a net and its optimizer to a state, and back: parameters, velocities and the generators of all that draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minialex.arrays import Array, channels_last
from minialex.checkpoint.disk import CheckpointError
from minialex.checkpoint.file import State
from minialex.net import Net
from minialex.optim import SGD

PARAMS, VELOCITY = "params/", "velocity/"

Generators = Mapping[str, np.random.Generator]


def capture(net: Net, optimizer: SGD, *, meta: dict[str, Any] | None = None, generators: Generators | None = None) -> State:
    """Host copies of everything that training has changed, once the devices are done: later steps do not touch them.

    meta: what the run itself must remember (see State). generators: those that are not the net's, by name.
    """
    net.synchronize()
    home = {f"{name}.{key}": device for name, device, layer in net.layers() for key in layer.params}
    arrays = {PARAMS + name: value for name, value in net.state_dict().items()}
    arrays |= {VELOCITY + name: home[name].get(value) for name, value in optimizer.velocity.items()}
    states = {name: dict(rng.bit_generator.state) for name, rng in _all(net, generators).items()}
    return State(arrays, states, dict(meta or {}))


def restore(net: Net, optimizer: SGD, state: State, *, generators: Generators | None = None) -> None:
    """Put all of it back, each array on the device of its layer.

    A state of another net is a CheckpointError that names what differs first; nothing is then changed.
    """
    params, rngs = net.params, _all(net, generators)
    saved = {name.removeprefix(PARAMS): array for name, array in state.arrays.items() if name.startswith(PARAMS)}
    velocity = {name.removeprefix(VELOCITY): array for name, array in state.arrays.items() if name.startswith(VELOCITY)}
    others = sorted(state.arrays.keys() - {PARAMS + name for name in saved} - {VELOCITY + name for name in velocity})
    difference = (
        _names(params, saved)
        or _shapes(params, saved)
        or (velocity and _names(params, velocity, "the velocity of "))  # before the first step there is none
        or _shapes(params, velocity, "the velocity of ")
        or (f"it has an unknown array {others[0]}" if others else "")
        or _names(rngs, state.generators, "the generator ")
        or _generators(rngs, state.generators)
    )
    if difference:
        raise CheckpointError(state.path, f"is of another net: {difference}")

    # All that can fail (a device without memory for it) comes before anything is changed.
    place = {f"{name}.{key}": (device, layer, key) for name, device, layer in net.layers() for key in layer.params}
    new_params = {name: place[name][0].put(channels_last(saved[name])) for name in place}
    new_velocity = {name: place[name][0].put(channels_last(velocity[name])) for name in place if name in velocity}
    for name, (_, layer, key) in place.items():
        layer.params[key] = new_params[name]
    optimizer.velocity.clear()
    optimizer.velocity.update(new_velocity)
    for name, rng in rngs.items():
        rng.bit_generator.state = state.generators[name]


def _all(net: Net, generators: Generators | None) -> dict[str, np.random.Generator]:
    own, others = net.generators(), dict(generators or {})
    if shared := sorted(own.keys() & others.keys()):
        raise ValueError(f"the net has a generator called {shared[0]} already; give yours another name")
    return own | others


def _names(own: Mapping[str, Any], saved: Mapping[str, Any], what: str = "") -> str:
    """What is missing or unknown, or nothing."""
    missing, unknown = sorted(own.keys() - saved.keys()), sorted(saved.keys() - own.keys())
    if missing:
        return f"{what}{missing[0]} is not in it" + (f" ({len(missing)} are missing)" if len(missing) > 1 else "")
    return f"it has {what or 'a '}{unknown[0]}, which the net has not" if unknown else ""


def _shapes(own: Mapping[str, Array], saved: Mapping[str, Array], what: str = "") -> str:
    for name, array in saved.items():
        if (array.shape, array.dtype) != (own[name].shape, own[name].dtype):
            return f"{what}{name} is {array.dtype} {array.shape} in it, {own[name].dtype} {own[name].shape} in the net"
    return ""


def _generators(own: Generators, saved: Mapping[str, Any]) -> str:
    """The first state that its generator would not take, found out on a fresh one of the same kind."""
    for name, rng in own.items():
        fresh = type(rng.bit_generator)()
        try:
            fresh.state = saved[name]
            taken = bool(fresh.state == saved[name])
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            taken = False
        if not taken:
            return f"the generator {name} has no state for {type(rng.bit_generator).__name__}"
    return ""
