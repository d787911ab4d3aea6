"""Batches one ahead: while GPUs are still at one batch the next one sets out for them, and nobody waits for its journey.

On virtual CPU devices there is no journey: they take a batch when it is its turn, and hold no second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from minialex.data.batches import Batch
from minialex.net import Net


class Ahead:
    """The batches of `rest` in their order. `waited`: seconds spent on waiting for them."""

    def __init__(self, rest: Iterator[Batch], net: Net) -> None:
        self.rest, self.net = rest, net
        self.waited = 0.0
        self._coming: list[Batch | None] = []
        self._failure: Exception | None = None

    def take(self) -> Batch | None:
        """The next batch, None after the last. Raises what making it raised."""
        if self._failure is not None:
            raise self._failure
        return self._coming.pop() if self._coming else self._next()

    def announce(self) -> None:
        """Called when all of a step's work is queued: the next batch, if it goes to GPUs, sets out now."""
        if not self.net.sends_ahead or self._coming:
            return
        try:
            batch = self._next()
            if batch is not None:
                self.net.expect(batch[0])
            self._coming.append(batch)
        except Exception as failure:  # the step that is going on shall be finished first
            self._failure = failure

    def _next(self) -> Batch | None:
        before = perf_counter()
        try:
            return next(self.rest, None)
        finally:
            self.waited += perf_counter() - before
