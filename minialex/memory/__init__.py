"""The memory plan: what training steps will hold at their fullest moment, known from the net's shapes before the first one.

    planned = plan(net, batch_size)
    print(planned)
    refuse_if_too_large(planned)

parameters, gradients and velocities are one number each for every weight and do not depend on the batch; activations are what
forward keeps for backward; copies are the buffers at the far ends of the wires; workspace is what else there is at the fullest
moment: gradients on their way, columns, tiles. walk.py says how they are counted, and tests hold that against what NumPy
really asks for.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import NamedTuple

from minialex.console import Refused
from minialex.memory.free import free_here, free_on
from minialex.memory.walk import KINDS, fullest
from minialex.net import Net
from minialex.summary import megabytes

SLACK = 1.10  # what the allocator and BLAS take beside the arrays, as a factor (measured on Linux)
PYTHON = 70_000_000  # the interpreter, NumPy and minialex themselves
FILL = 0.95  # the share of the free memory that a plan may fill

__all__ = ["MemoryPlan", "Use", "free_memory", "plan", "refuse_if_too_large"]


class Use(NamedTuple):
    """One device's memory at its fullest moment: bytes by kind."""

    device: str
    parameters: int
    gradients: int
    velocities: int
    activations: int
    copies: int
    workspace: int

    @property
    def arrays(self) -> int:
        """The arrays together."""
        return sum(self[1:])

    @property
    def peak(self) -> int:
        """And what the allocator takes beside them."""
        return int(SLACK * self.arrays)


class MemoryPlan(NamedTuple):
    """What training `net` with batches of so many images takes: `uses`, one for each device; `images`: the host's batch."""

    net: Net
    batch_size: int
    uses: tuple[Use, ...]
    images: int

    @property
    def host(self) -> int:
        """Bytes of the computer's own memory: virtual CPU devices, one batch, Python. A loader's next batches come on top."""
        return PYTHON + self.images + sum(use.peak for use in self.uses if use.device.startswith("cpu"))

    def __str__(self) -> str:
        head = f"{'memory':<9}" + "".join(f"{title:>13}" for title in (*KINDS, "at most"))
        rows = [f"{use.device:<9}" + "".join(f"{megabytes(n):>13}" for n in (*use[1:], use.peak)) for use in self.uses]
        host = f"{'host':<9}{megabytes(self.host)} at most, with one batch of {self.batch_size} images and Python itself"
        return "\n".join([head, *rows, host])


def plan(net: Net, batch_size: int) -> MemoryPlan:
    """The plan for `net` as it is placed. Only shapes are computed: it takes milliseconds."""
    found = fullest(net, batch_size)
    uses = tuple(Use(device, *(counts[kind] for kind in KINDS)) for device, counts in found.items())
    return MemoryPlan(net, batch_size, uses, batch_size * prod(net.input_shape) * net.dtype.itemsize)


def refuse_if_too_large(planned: MemoryPlan, available: dict[str, int] | None = None) -> None:
    """Raises Refused, with the largest batch that fits, where a plan needs more than there is.

    available: free bytes for each GPU by name, and for "host"; by default `free_memory`. Where nothing is known, nothing is
    refused.
    """
    free = free_memory(planned.net) if available is None else available
    short = _short(planned, free)
    if short is None:
        return
    where, needed = short
    fits = _largest(planned.net, planned.batch_size, free)
    advice = f"--batch-size {fits} fits" if fits else "not even one image at a time would fit; take a smaller net"
    raise Refused(
        f"batches of {planned.batch_size} images need {megabytes(needed)} on {where}, and {megabytes(free[where])} are free: "
        f"{advice}"
    )


def free_memory(net: Net) -> dict[str, int]:
    """Free bytes on each GPU of the net, and of the computer ("host") within this process's limits, as far as they are told.

    A plan counts the parameters, which the net holds already; so they are counted as free here, as is what Python takes.
    """
    held = Counter[str]()
    for _, device, layer in net.layers():
        place = "host" if device.name.startswith("cpu") else device.name
        held[place] += sum(value.nbytes for value in layer.params.values())
    devices = {device.name: device for stage in net.stages for device in stage.devices}
    free = {name: free_on(device) + held[name] for name, device in devices.items() if not name.startswith("cpu")}
    here = free_here()
    return free if here is None else free | {"host": here + held["host"] + PYTHON}


def _short(planned: MemoryPlan, free: dict[str, int]) -> tuple[str, int] | None:
    """The first place where a plan does not fit, and what it needs there."""
    needs = {"host": planned.host} | {use.device: use.peak for use in planned.uses if not use.device.startswith("cpu")}
    return next(((place, need) for place, need in needs.items() if place in free and need > FILL * free[place]), None)


def _largest(net: Net, too_many: int, free: dict[str, int]) -> int:
    """The largest batch that fits, by halving; 0 if none does."""
    fits = 0
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _short(plan(net, middle), free) is None:
            fits = middle
        else:
            too_many = middle
    return fits
