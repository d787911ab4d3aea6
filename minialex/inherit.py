"""How learning starts where another net has learned before (paper, section 6: CNN*s begin from a net of more classes).

A layer takes over what the other net has under its name, if all of it has the right shape: the weights and biases of both, and
nothing else (no velocity, no learning rate). Every other layer is new and stays as it was drawn: the last one, where there are
other classes now, or one that the other net did not have. New layers learn from scratch, so they want a larger rate than
the others (`SGD(..., rates={"fc8": 10})`), or the others a smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from minialex.arrays import Array
from minialex.net import Net


class Match(NamedTuple):
    """A layer with parameters ("conv2.0"), how many they are, and why they are new; "" where they were taken over."""

    layer: str
    parameters: int
    new: str


def inherit(net: Net, state: Mapping[str, Array]) -> list[Match]:
    """Give the net's layers what `state` (a state_dict, of another net perhaps) has for them; what became of each, in order.

    ValueError, and nothing changed, where no layer fits.
    """
    matches, taken = list[Match](), dict[str, Array]()
    for name, _, layer in net.layers():
        if not layer.params:
            continue
        own = {f"{name}.{key}": value for key, value in layer.params.items()}
        reason = _difference(own, state)
        matches.append(Match(name, sum(value.size for value in own.values()), reason))
        if not reason:
            taken |= {key: state[key] for key in own}
    if not taken:
        first = f"; {matches[0].layer} is new, for {matches[0].new}" if matches else ""
        raise ValueError(f"no layer of this net has its name and its shape there{first}")
    net.load_state_dict(net.state_dict() | taken)
    return matches


def _difference(own: Mapping[str, Array], state: Mapping[str, Array]) -> str:
    for key, value in own.items():
        if key not in state:
            return f"there is no {key}"
        if state[key].shape != value.shape:
            there, here = (" x ".join(map(str, shape)) for shape in (state[key].shape, value.shape))
            return f"{key.split('.')[-1]} is {there} there, {here} here"
    return ""


def table(matches: Sequence[Match]) -> str:
    """The matches for a person, a line a layer: its towers' halves together where the same became of them."""
    layers: dict[str, dict[str, int]] = {}
    for layer, parameters, new in matches:
        base = layer.split(".")[0]
        became = f"new: {new.replace(f'{layer}.', f'{base}.')}" if new else "taken over"
        counts = layers.setdefault(base, {})
        counts[became] = counts.get(became, 0) + parameters
    width = max(map(len, layers))
    return "\n".join(f"{base:<{width}}{n:>14,}  {became}" for base, counts in layers.items() for became, n in counts.items())
