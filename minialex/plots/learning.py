"""How learning went: curves.png of a run."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log
from typing import Any

from matplotlib.figure import Figure

from minialex.plots.style import BLUE, BOX, DPI, GREEN, GREY, INK, NOTE, ORANGE, frame
from minialex.training import Epoch, Step


def curves(epochs: Sequence[Epoch], steps: Sequence[Step], classes: int, title: str = "") -> Figure:
    """How learning went. Left the loss, of every step and of every epoch, in training and in the test; right the test errors.

    The dashed line at ln(classes) is the loss of a net that knows nothing; dotted lines are where the learning rate fell.
    """
    figure = Figure(figsize=(10, 4.2), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    places = {step.step: step.progress for step in steps}
    ends = [places.get(e.step, float(e.epoch)) for e in epochs]  # where each epoch ended: the last may have been cut short
    line: dict[str, Any] = {"linewidth": 1.8, "markersize": 4, "marker": "o" if len(epochs) <= 30 else ""}

    nothing = log(classes)
    top = 1.15 * max([nothing, *(e.train_loss for e in epochs), *(step.loss for step in steps[:1])])
    each: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.4, "marker": "o" if len(steps) <= 20 else "", "markersize": 3}
    left.plot(list(places.values()), [step.loss for step in steps], color=BLUE, label="training, each step", **each)
    left.plot(ends, [e.train_loss for e in epochs], color=BLUE, label="training, mean of an epoch", **line)
    left.plot(ends, [e.test_loss for e in epochs], color=ORANGE, label="test, after the epoch", **line)
    left.axhline(nothing, color=INK, linestyle="--", linewidth=1)
    left.text(0.99, nothing / top + 0.01, f"ln({classes}) = {nothing:.3f}: knows nothing", transform=left.transAxes, **NOTE)
    left.set_ylim(0, top)
    frame(left, "loss", "mean cross-entropy, nats")

    for name, errors, colour in (
        ("top-1", [e.top1_error for e in epochs], ORANGE),
        ("top-5", [e.top5_error for e in epochs], GREEN),
    ):
        outcome = f": {errors[-1]:.2%} at the end" if errors else ""
        right.plot(ends, [100 * error for error in errors], color=colour, label=name + outcome, **line)
    right.set_ylim(0, 105 * max([0.05, *(e.top1_error for e in epochs if isfinite(e.top1_error))]))
    frame(right, "test error", "% of the test images")

    falls = [end for end, one, following in zip(ends, epochs, epochs[1:], strict=False) if following.lr < one.lr]
    for axes in (left, right):
        for n, end in enumerate(falls):
            axes.axvline(end, color=GREY, linestyle=":", linewidth=1.2, label="lr lowered" if n == 0 else None, zorder=0)
        axes.set_xlim(0, 1.02 * max([*places.values(), *ends], default=1.0))
    left.legend(loc="upper right", bbox_to_anchor=(1, nothing / top - 0.01), **BOX)
    fell = len(epochs) > 1 and epochs[-1].top1_error < 0.7 * max(e.top1_error for e in epochs)
    right.legend(loc="upper right" if fell else "center", **BOX)
    figure.suptitle(title, color=INK, fontsize=12)
    return figure
