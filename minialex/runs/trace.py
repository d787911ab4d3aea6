"""The losses of a run's steps, for its curves: however long the run, at most so many points, each the mean of its stretch."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Any

from minialex.training import NonFinite, Step

MOST = 2000


class Trace:
    """`add` each step; `steps` gives them back, in stretches of `stride` where there were too many to keep.

    A step whose loss is not known yet is taken in later, in its turn. latest: the last loss that is known, if any is.
    """

    def __init__(self) -> None:
        self.stride, self.points = 1, list[list[Any]]()  # a point: epoch, step, progress, lr, loss, images
        self.total, self.count = 0.0, 0
        self.latest: float | None = None
        self._open = deque[Step]()

    def add(self, step: Step) -> None:
        self._open.append(step)
        self._take_in(wait=False)

    def _take_in(self, wait: bool) -> None:
        """The losses that are known; with `wait` all, or up to one that is none: then NonFinite is raised."""
        while self._open and (wait or self._open[0].known):
            self._count(self._open[0], self._open[0].loss)
            self._open.popleft()

    def _count(self, step: Step, loss: float) -> None:
        self.total, self.count, self.latest = self.total + loss, self.count + 1, loss
        if self.count < self.stride:
            return
        self.points.append([step.epoch, step.step, step.progress, step.lr, self.total / self.count, step.images])
        self.total, self.count = 0.0, 0
        if len(self.points) == MOST:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [[*b[:4], (a[4] + b[4]) / 2, b[5]] for a, b in pairs]
            self.stride *= 2

    def steps(self) -> list[Step]:
        """A Step for each stretch: its last, with its mean loss. How long they took is not kept."""
        with suppress(NonFinite):  # a run that has ended so has a trace of the steps before
            self._take_in(wait=True)
        return [Step(e, s, p, lr, loss, n, 0.0) for e, s, p, lr, loss, n in self.points]

    def to_json(self) -> dict[str, Any]:
        self._take_in(wait=True)
        return {"stride": self.stride, "points": self.points, "total": self.total, "count": self.count}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Trace:
        trace = cls()
        trace.stride, trace.total, trace.count = int(saved["stride"]), float(saved["total"]), int(saved["count"])
        trace.points = [[int(e), int(s), float(p), float(lr), float(loss), int(n)] for e, s, p, lr, loss, n in saved["points"]]
        return trace
