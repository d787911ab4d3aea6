"""Pictures of a net's health: what its neurons say and what gradient reaches them, layer by layer, at once or over steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lessons.draw.start import COLOURS, DPI, plain_axes
from minialex.arrays import Array
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.plots import GREY, INK, ORANGE

__all__ = ["bends", "by_layer", "descent", "differs", "histograms", "over_steps", "signals"]


def bends(functions: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]], reach: float = 5.0) -> Figure:
    """Functions on the left, their derivatives on the right; for each name (function, derivative)."""
    figure = Figure(figsize=(9.5, 3.2), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    x = np.linspace(-reach, reach, 1001)
    for n, (name, (function, derivative)) in enumerate(functions.items()):
        style: dict[str, Any] = {"color": COLOURS[n], "linewidth": 2, "label": name}
        left.plot(x, function(x), **style)
        right.plot(x, derivative(x), **style)
    left.set_ylim(-1.6, 3)
    for axes, title in ((left, "y"), (right, "dy/dx")):
        plain_axes(axes, "x", "", title)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left")
    right.set_ylim(-0.1, 1.5)
    return figure


def histograms(outputs: Mapping[str, Mapping[str, Array]], bins: int = 61) -> Figure:
    """What the neurons of each layer say, as histograms: a row for each net, a column for each layer, each on its own scale."""
    rows, columns = len(outputs), len(next(iter(outputs.values())))
    figure = Figure(figsize=(3.0 * columns, 1.75 * rows + 0.2), dpi=DPI, layout="constrained")
    grid = np.asarray(figure.subplots(rows, columns)).reshape(rows, columns)
    for n, (net, layers) in enumerate(outputs.items()):
        for axes, (name, values) in zip(grid[n], layers.items(), strict=True):
            flat = np.asarray(values, np.float64).ravel()
            axes.hist(flat, bins=bins, color=COLOURS[n % 4])
            plain_axes(axes, title=f"{net}, {name}")
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
    return figure


def by_layer(
    panels: Mapping[str, Mapping[str, Sequence[float]]], names: Sequence[str], *, log: bool = True, width: float = 4.2
) -> Figure:
    """A panel for each quantity, in it a curve for each net, over the layers from the first to the last."""
    figure = Figure(figsize=(width * len(panels), 3.5), dpi=DPI, layout="constrained")
    grid = np.atleast_1d(figure.subplots(1, len(panels)))
    for k, (title, curves) in enumerate(panels.items()):
        axes = grid[k]
        for n, (name, values) in enumerate(curves.items()):
            shown = np.array(values, np.float64)
            shown[shown <= 0] = np.nan if log else 0
            axes.plot(range(len(names)), shown, "o-", color=COLOURS[n % 4], linewidth=1.8, markersize=5, label=name)
        plain_axes(axes, title=title)
        axes.set_xticks(range(len(names)), names, fontsize=9)
        if log:
            axes.set_yscale("log")
        if k == 0:
            axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def over_steps(panels: Mapping[str, Array], names: Sequence[str], *, title: str, log: bool = False) -> Figure:
    """A heat map for each net: layers from bottom (the first) to top, steps from left to right; one scale for all."""
    from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415  only here

    values = np.concatenate([np.ravel(panel) for panel in panels.values()])
    good = values[np.isfinite(values) & ((values > 0) | (not log))]
    scale: Any = LogNorm(max(good.min(), good.max() * 1e-8), good.max()) if log else Normalize(0, 1)
    figure = Figure(figsize=(3.3 * len(panels) + 0.9, 0.28 * len(names) + 1.1), dpi=DPI, layout="constrained")
    grid = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for axes, (name, panel) in zip(grid, panels.items(), strict=True):
        rows = np.asarray(panel, np.float64).T  # (layers, steps)
        shown = np.maximum(rows, scale.vmin) if log else rows
        image = axes.imshow(shown, origin="lower", aspect="auto", norm=scale, cmap="cividis", interpolation="nearest")
        axes.set_title(name, color=INK, fontsize=11, loc="left")
        axes.set_yticks(range(len(names)), names, fontsize=9)
        axes.set_xlabel("step", color=INK)
        axes.tick_params(colors=INK, labelsize=9)
    bar = figure.colorbar(image, ax=list(grid), shrink=0.95)
    bar.set_label(title, color=INK, fontsize=9)
    return figure


def descent(
    f: Callable[[Array, Array], Array],
    paths: Mapping[str, Array],
    *,
    reach: tuple[float, float, float, float],
    columns: int = 2,
) -> Figure:
    """Paths (steps, 2) over the level lines of f, a panel for each; reach: (left, right, bottom, top)."""
    rows = -(-len(paths) // columns)
    figure = Figure(figsize=(3.7 * columns, 2.2 * rows), dpi=DPI, layout="constrained")
    a, b = np.meshgrid(np.linspace(*reach[:2], 201), np.linspace(*reach[2:], 201))
    levels = np.geomspace(0.05, float(f(a, b).max()), 8)
    for axes, (name, path) in zip(np.atleast_1d(figure.subplots(rows, columns)).flat, paths.items(), strict=True):
        axes.contour(a, b, f(a, b), levels=levels, colors=[GREY], linewidths=0.6)
        axes.plot(path[:, 0], path[:, 1], "o-", color=ORANGE, linewidth=1.3, markersize=3)
        axes.plot(0, 0, "+", color=INK, markersize=10)
        plain_axes(axes, title=name)
        axes.grid(False)
        axes.set(xlim=reach[:2], ylim=reach[2:])
    return figure


def signals(net: Net, images: Array, labels: Array, layers: Sequence[str]) -> tuple[list[float], list[float]]:
    """One forward and one backward pass: what differs() says of each of these layers' outputs (tower 0), and their gradients.

    The net is as it was, but for `grads`. The gradient's size is the root of its mean square. The images should be so few that
    the net takes them all at once, else those of its last block are looked at.
    """
    outputs: dict[str, Array] = {}
    gradients: dict[str, Array] = {}
    watched = {name.removesuffix(".0"): layer for name, _, layer in net.layers() if not name.endswith(".1")}
    for name in layers:
        _listen(watched[name], name, outputs, gradients)
    try:
        loss = SoftmaxCrossEntropy()
        loss.forward(net.forward(images, train=False), labels)
        net.backward(loss.backward())
    finally:
        for name in layers:
            del watched[name].forward, watched[name].backward
    sizes = [float(np.sqrt(np.mean(np.square(gradients[name], dtype=np.float64)))) for name in layers]
    return [differs(outputs[name]) for name in layers], sizes


def differs(outputs: Array) -> float:
    """How much outputs differ from image to image: each neuron's standard deviation over the batch, root mean square of all."""
    return float(np.sqrt(np.mean(np.var(outputs, axis=0, dtype=np.float64))))


def _listen(layer: Any, name: str, outputs: dict[str, Array], gradients: dict[str, Array]) -> None:
    """Have a layer put down what goes out of it, forwards, and what comes into it, backwards."""
    forward, backward = layer.forward, layer.backward

    def heard_forward(x: Array, train: bool = True) -> Array:
        y = forward(x, train)
        outputs[name] = np.array(y)
        return y

    def heard_backward(dy: Array) -> Array:
        gradients[name] = np.array(dy)
        return backward(dy)

    layer.forward, layer.backward = heard_forward, heard_backward
