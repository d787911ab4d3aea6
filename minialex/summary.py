"""A net as a table: what each layer makes, what it costs, and what crosses devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from minialex.arrays import Shape
from minialex.layers import Layer, Sequential
from minialex.towers import Stage, Towers


class Row(NamedTuple):
    """One layer of the table. Parameters and multiply-adds (of one image) are those of all towers together."""

    layer: str
    what: str
    devices: str
    output: str
    parameters: int
    multiply_adds: int
    crosses: int  # bytes from device to device, forward and backward together, for the whole batch


def rows(stages: Sequence[Stage], input_shape: Shape, itemsize: int, batch_size: int) -> list[Row]:
    """The table of a net that has been placed on its devices."""
    shapes: tuple[Shape, ...] = ((1, *input_shape),)
    table: list[Row] = []
    for stage in stages:
        devices = " ".join(dict.fromkeys(device.name for device in stage.devices))
        if isinstance(stage, Towers):
            table += _tower_rows(stage, shapes, devices)
        else:
            crosses = sum(stage.elements(shapes)) * itemsize * batch_size
            out = _shape(stage.output_shapes(shapes)[0])
            table.append(Row(stage.name, type(stage).__name__, devices, out, 0, 0, crosses))
        shapes = stage.output_shapes(shapes)
    return table


def _tower_rows(stage: Towers, shapes: tuple[Shape, ...], devices: str) -> list[Row]:
    """One row for each layer of the towers; the towers are alike, so the first one's shapes stand for all."""
    columns = [list(t.leaves()) if isinstance(t, Sequential) else [(t.name, t)] for t in stage.towers]
    times = f"{len(columns)} x " if len(columns) > 1 else ""
    table = []
    for level in zip(*columns, strict=True):
        name, first = level[0]
        layers: list[Layer] = [layer for _, layer in level]
        parameters = sum(value.size for layer in layers for value in layer.params.values())
        work = sum(layer.multiply_adds(shape) for layer, shape in zip(layers, shapes, strict=True))
        shapes = tuple(layer.output_shape(shape) for layer, shape in zip(layers, shapes, strict=True))
        table.append(Row(name, repr(first), devices, times + _shape(shapes[0]), parameters, work, 0))
    return table


def table(stages: Sequence[Stage], input_shape: Shape, itemsize: int, batch_size: int) -> str:
    """The rows as text, with totals, columns aligned."""
    lines = rows(stages, input_shape, itemsize, batch_size)
    head = ("layer", "", "devices", "output", "parameters", "mult-adds", f"crosses (batch {batch_size})")
    body = [
        (row.layer, row.what, row.devices, row.output, _count(row.parameters), _count(row.multiply_adds), _bytes(row.crosses))
        for row in lines
    ]
    parameters, work = sum(row.parameters for row in lines), sum(row.multiply_adds for row in lines)
    total = ("in all", "", "", "", _count(parameters), _count(work), _bytes(sum(row.crosses for row in lines)))
    widths = [max(map(len, column)) for column in zip(head, *body, total, strict=True)]
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    head_text, *body_text, total_text = (_align(cells, widths) for cells in (head, *body, total))
    return "\n".join([head_text, rule, *body_text, rule, total_text])


def _align(cells: tuple[str, ...], widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    left = 3
    words = [f"{cell:<{width}}" for cell, width in zip(cells[:left], widths[:left], strict=True)]
    numbers = [f"{cell:>{width}}" for cell, width in zip(cells[left:], widths[left:], strict=True)]
    return "  ".join(words + numbers).rstrip()


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _bytes(number: int) -> str:
    return megabytes(number) if number else ""


def megabytes(count: int) -> str:
    """Bytes for a person: 11,075,584 -> "11.1 MB"."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape[1:]))
