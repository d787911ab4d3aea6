"""How large the weights and their updates are, by layer and epoch: what the 2012 tool printed at each test.

A layer whose updates are a thousandth of its weights learns; one with a millionth stands still, one with a tenth is not steady.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from minialex.arrays import Array
from minialex.net import Net
from minialex.optim import SGD


@dataclass(frozen=True)
class Size:
    """At the end of an epoch, of one parameter ("conv2.0.weight"): the mean of |w|, and of |v|, the update made last."""

    epoch: int
    parameter: str
    weight: float
    update: float


COLUMNS = tuple(one.name for one in fields(Size))


def measure(epoch: int, net: Net, optimizer: SGD) -> list[Size]:
    """A Size for each parameter of the net, to six digits."""
    asked = []
    for name, device, layer in net.layers():
        for key, w in layer.params.items():
            v = optimizer.velocity.get(f"{name}.{key}")
            asked.append((f"{name}.{key}", device.submit(_mean, w), device.submit(_mean, v) if v is not None else None))
    return [Size(epoch, name, _short(w.result()), _short(v.result()) if v is not None else 0.0) for name, w, v in asked]


def read_sizes(path: str | Path) -> list[Size]:
    """The rows of a run's sizes.csv; none where there is no such file. Raises ValueError where it is another table."""
    if not Path(path).exists():
        return []
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        if tuple(next(rows, ())) != COLUMNS:
            raise ValueError(f"{path}: is not a table of {', '.join(COLUMNS)}")
        return from_json(list(rows))


def to_json(sizes: Sequence[Size]) -> list[list[Any]]:
    return [[getattr(size, name) for name in COLUMNS] for size in sizes]


def from_json(rows: Sequence[Sequence[Any]]) -> list[Size]:
    return [Size(int(epoch), str(name), float(weight), float(update)) for epoch, name, weight, update in rows]


def _mean(array: Array) -> Any:
    """The mean of |x|, fetched by x's own device: nobody else knows when it is ready."""
    return abs(array).mean(dtype="float64").item()


def _short(number: Any) -> float:
    return float(f"{float(number):.6g}")
