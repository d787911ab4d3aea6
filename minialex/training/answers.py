"""What steps have come to, taken in as the devices tell it: in the order of the steps, and late rather than with a wait.

A GPU is behind the host, by a step or two. So the host lets steps be `open`, and of each keeps its batch until its loss is
known: if that is none, the batch goes through the net once more, to see where it began. Sums are those of a host that waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import isfinite

from minialex.arrays import Array
from minialex.devices import Reading
from minialex.shown import Shown
from minialex.training.events import Position
from minialex.training.finite import NonFinite, NonFiniteGradient, NonFiniteLoss, where_forward_fails
from minialex.training.learner import Learner


@dataclass
class Answer:
    """The loss of one step, once it is known (later.py). before: the position's step, batches and seen before it."""

    of: Answers
    reading: Reading
    batch: Array | Shown | None
    images: int
    lr: float
    before: tuple[int, int, int]
    loss: float | None = None

    @property
    def known(self) -> bool:
        return self.loss is not None

    def value(self) -> float:
        while self.loss is None:
            self.of.take()
        return self.loss


class Answers:
    """Those of the steps of one epoch. total: the sum of the losses of the epoch's images, as far as they are known."""

    def __init__(self, learner: Learner, at: Position) -> None:
        self.learner, self.at, self.total = learner, at, at.total
        self.open: deque[Answer] = deque()
        self._failure: NonFinite | None = None

    def expect(self, reading: Reading, batch: Array | Shown) -> Answer:
        """That of the step which has just been queued; the position is still where it was."""
        if self._failure is not None:  # somebody has read a loss, and goes on nevertheless
            raise self._failure
        at, images = self.at, len(batch)
        before = at.step, at.batches, at.seen
        self.open.append(Answer(self, reading, batch, images, self.learner.optimizer.lr, before))
        return self.open[-1]

    def settle(self, most: int) -> None:
        """Take in what is there, and wait where more than so many steps are open. Raises NonFinite for one that went wrong."""
        while self.open and (len(self.open) > most or self.open[0].reading.ready()):
            self.take()

    @property
    def known(self) -> bool:
        """Whether `value` will not wait."""
        return not self.open and self._failure is None

    def value(self) -> float:
        """The total, when all is known."""
        self.settle(0)
        if self._failure is not None:
            raise self._failure
        return self.total

    def take(self) -> None:
        """Take in the answer to the oldest open step. If it went wrong, the position goes back to before that step."""
        if self._failure is not None:
            raise self._failure
        answer = self.open.popleft()
        loss, stopped = map(float, answer.reading.value())
        batch, answer.batch = answer.batch, None  # its memory is free for the next
        if stopped or not isfinite(loss):
            self.open.clear()
            self.at.step, self.at.batches, self.at.seen = answer.before
            self.at.total = self.total
            self.learner.net.synchronize()  # of the later steps nothing is going on any more
            self._failure = self._explained(loss, batch, answer.lr)
            raise self._failure
        answer.loss = loss
        self.total += loss * answer.images

    def _explained(self, loss: float, batch: Array | Shown | None, lr: float) -> NonFinite:
        at, learner = self.at, self.learner
        when = f"at step {at.step + 1}, in epoch {at.epoch}, with lr {lr:g}"
        if isfinite(loss):
            return NonFiniteGradient(f"a gradient is not finite {when}: first in the gradient of {learner.guard.where()}")
        where = where_forward_fails(learner.net, batch) if batch is not None else ""
        return NonFiniteLoss(f"the loss is {loss} {when}" + (f": {where}" if where else ""))
