"""A net drawn as the paper's figure 2: a column for each tower, the layers from top to bottom, arrows where maps cross.

The picture is made from the net itself (its stages, shapes and devices), so it shows any net of nets.py and cannot lie.
    python -m minialex.diagram alexnet docs/pictures/alexnet.svg
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from minialex.arrays import Shape
from minialex.layers import Conv2d, Flatten, Layer, Linear, Sequential
from minialex.net import Net
from minialex.summary import megabytes
from minialex.towers import Exchange, Gather, Towers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito's, told apart by colour-blind readers too
HOST = "#666666"
WIDTH, GAP, HEIGHT = 4.0, 2.6, 0.86


def draw(net: Net, batch_size: int = 128) -> Figure:
    """The figure; nothing is shown or saved. Bytes are those that cross in one direction for such a batch."""
    from matplotlib.figure import Figure  # noqa: PLC0415  only a picture needs it

    boxes = _boxes(net)
    towers = max(len(shapes) for _, _, _, shapes in boxes)
    figure = Figure(figsize=(1.15 * (towers * WIDTH + (towers - 1) * GAP), 0.62 * len(boxes) + 1.0))
    axes = figure.add_axes((0, 0, 1, 1))
    span = towers * WIDTH + (towers - 1) * GAP
    axes.set(xlim=(-0.3, span + 0.3), ylim=(-len(boxes) - 0.2, 1.2))
    axes.axis("off")
    for t, device in enumerate(net.devices[:towers]):
        axes.text(_left(t) + WIDTH / 2, 0.75, f"tower {t} on {device.name}" if towers > 1 else device.name,
                  ha="center", va="center", fontsize=13, color=COLOURS[t], weight="bold")  # fmt: skip
    for row, (title, detail, crossing, shapes) in enumerate(boxes):
        for t, shape in enumerate(shapes):
            _box(axes, t, row, (title, detail, _size(shape)), HOST if row == 0 else COLOURS[t])
        if crossing is not None and towers > 1:
            _cross(axes, row, crossing * net.dtype.itemsize * batch_size, len(shapes) > 1)
    return figure


def _boxes(net: Net) -> list[tuple[str, str, int | None, tuple[Shape, ...]]]:
    """What is drawn, a row each: title, detail, numbers that cross before it (one way, one image), each tower's output."""
    shapes: tuple[Shape, ...] = ((1, *net.input_shape),)
    boxes: list[tuple[str, str, int | None, tuple[Shape, ...]]] = []
    crossing: int | None = None
    for stage in net.stages:
        if isinstance(stage, Exchange | Gather):
            crossing = max(_elements(shape) for shape in shapes)
        elif not isinstance(stage, Towers):
            boxes.append(("images", "", None, stage.output_shapes(shapes)))
        else:
            for name, layers, detail in _groups(stage):
                shown = shapes
                for layer in layers:
                    shapes = tuple(layer.output_shape(shape) for shape in shapes)
                    shown = shown if isinstance(layer, Flatten) else shapes
                boxes.append((name, detail, crossing, shown))
                crossing = None
            continue
        shapes = stage.output_shapes(shapes)
    return boxes


def _groups(stage: Towers) -> list[tuple[str, list[Layer], str]]:
    """A tower's layers, each with weights together with what follows it: ("conv1", [...], "11x11, relu, norm, pool")."""
    tower = stage.towers[0]
    groups: list[tuple[str, list[Layer], list[str]]] = []
    for name, layer in tower.leaves() if isinstance(tower, Sequential) else [(tower.name, tower)]:
        if isinstance(layer, Conv2d | Linear) or not groups:
            stride = f" /{layer.stride[0]}" if isinstance(layer, Conv2d) and layer.stride[0] > 1 else ""
            words = ["x".join(map(str, layer.kernel_size)) + stride] if isinstance(layer, Conv2d) else ["full"]
            groups.append((name, [layer], words))
        else:
            groups[-1][1].append(layer)
            if not isinstance(layer, Flatten):
                groups[-1][2].append(name.rstrip("0123456789").removesuffix("_c"))
    return [(name, layers, ", ".join(words)) for name, layers, words in groups]


def _box(axes: Any, tower: int, row: int, words: tuple[str, str, str], colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch  # noqa: PLC0415

    left, bottom = _left(tower), -row - HEIGHT / 2
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(FancyBboxPatch((left, bottom), WIDTH, HEIGHT, boxstyle=style, fc=colour + "22", ec=colour, lw=1.4))
    title, detail, size = words
    axes.text(left + 0.15, -row + 0.17, title, ha="left", va="center", fontsize=12, weight="bold", color="#222222")
    axes.text(left + WIDTH - 0.15, -row + 0.17, size, ha="right", va="center", fontsize=11, color="#222222")
    axes.text(left + 0.15, -row - 0.2, detail, ha="left", va="center", fontsize=9.5, color="#444444")
    if row:
        axes.annotate("", (left + WIDTH / 2, bottom + HEIGHT), (left + WIDTH / 2, bottom + 1.0),
                      arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.4, "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def _cross(axes: Any, row: int, count: int, both_ways: bool) -> None:
    """The arrows between two columns, above this row, with the bytes of one of them."""
    y_from, y_to = -row + 1.0 - HEIGHT / 2, -row + HEIGHT / 2
    arrow = {"arrowstyle": "-|>", "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
    inner_left, inner_right = WIDTH, WIDTH + GAP
    axes.annotate("", (inner_left, y_to - 0.1), (inner_right, y_from + 0.1), arrowprops=arrow | {"color": COLOURS[1]})
    if both_ways:
        axes.annotate("", (inner_right, y_to - 0.1), (inner_left, y_from + 0.1), arrowprops=arrow | {"color": COLOURS[0]})
    middle = (inner_left + inner_right) / 2
    words = f"{megabytes(count)} {'each way' if both_ways else 'to tower 0'}"
    axes.text(middle, (y_from + y_to) / 2 - 0.32, words, ha="center", va="top", fontsize=9.5, color="#222222")


def _left(tower: int) -> float:
    return tower * (WIDTH + GAP)


def _elements(shape: Shape) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape[1:]))


def main(arguments: list[str]) -> None:
    """NET FILE: draw that net of nets.py, on two virtual devices, to that file."""
    from minialex.devices import parse_devices  # noqa: PLC0415
    from minialex.nets import NETS  # noqa: PLC0415

    name, path = arguments
    draw(NETS[name](parse_devices("cpu,cpu"))).savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1:])
