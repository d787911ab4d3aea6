"""The loop itself: forward, loss, backward, update; and after each epoch a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from math import isfinite, nan
from time import perf_counter

from minialex.arrays import Array
from minialex.data.batches import Batch, Batches
from minialex.data.loader import Loader
from minialex.evaluation import Scores
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.optim import SGD
from minialex.shown import Shown
from minialex.training.ahead import Ahead
from minialex.training.events import Epoch, Position, Step
from minialex.training.finite import (
    NonFiniteGradient,
    NonFiniteLoss,
    gradients_are_finite,
    where_forward_fails,
    where_gradients_fail,
)
from minialex.training.schedules import Schedule


def train(
    net: Net,
    batches: Batches,
    optimizer: SGD,
    *,
    epochs: int,
    steps: int | None = None,
    schedule: Schedule | None = None,
    test: Callable[[], Scores] | None = None,
    at: Position | None = None,
) -> Iterator[Step | Epoch]:
    """Learn for so many epochs, or until `steps` updates have been made; a Step after each update, an Epoch after each epoch.

    schedule: sets the optimizer's lr before each epoch. test: called at the end of each. at: where to begin, kept up to date;
    in the middle of an epoch, batches.epoch(number, start=...) is asked for the rest of it. Raises NonFiniteLoss and
    NonFiniteGradient before an update from what is no number, naming the layer where it began.
    """
    loss, at = SoftmaxCrossEntropy(), Position() if at is None else at
    start = perf_counter() - at.seconds
    while at.epoch <= epochs and (at.batches or steps is None or at.step < steps):
        if schedule is not None:
            optimizer.lr = schedule(at.done)
        seen_before, busy, before = at.seen, 0.0, perf_counter()
        rest = Ahead(_rest(batches, at, as_bytes=net.takes_bytes), net)

        while (steps is None or at.step < steps) and (batch := rest.take()) is not None:
            value = _update(net, loss, optimizer, *batch, at, rest)
            images = len(batch[1])
            del batch  # its memory is free for the next
            at.step, at.batches = at.step + 1, at.batches + 1
            at.total, at.seen = at.total + value * images, at.seen + images
            now = perf_counter()
            busy, at.seconds = busy + now - before, now - start
            progress = at.epoch - 1 + at.batches / len(batches)
            yield Step(at.epoch, at.step, progress, optimizer.lr, value, images, now - before)
            before = perf_counter()

        before = perf_counter()
        net.synchronize()  # GPUs may still be at the last update
        busy += perf_counter() - before
        scores = test() if test is not None else Scores(nan, nan, nan)
        if test is not None and not isfinite(scores.loss):
            raise NonFiniteLoss(f"the test loss is {scores.loss} after step {at.step}, at the end of epoch {at.epoch}")
        tested = scores.loss, scores.top1_error, scores.top5_error
        speed, share = (at.seen - seen_before) / busy, rest.waited / busy
        at.seconds = perf_counter() - start
        at.done.append(Epoch(at.epoch, at.step, optimizer.lr, at.train_loss, *tested, speed, at.seconds, share))
        at.epoch, at.batches, at.total, at.seen = at.epoch + 1, 0, 0.0, 0
        yield at.done[-1]


def _update(
    net: Net, loss: SoftmaxCrossEntropy, optimizer: SGD, images: Array | Shown, labels: Array, at: Position, rest: Ahead
) -> float:
    """One step: the batch's loss, once the net has learned from it."""
    value = loss.forward(net.forward(images, train=True), labels)
    if not isfinite(value):
        raise NonFiniteLoss(_in_words(f"the loss is {value}", at, optimizer.lr, where_forward_fails(net, images)))
    net.backward(loss.backward())
    rest.announce()
    if not gradients_are_finite(net):
        where = f"first in the gradient of {where_gradients_fail(net)}"
        raise NonFiniteGradient(_in_words("a gradient is not finite", at, optimizer.lr, where))
    optimizer.step()
    return value


def _rest(batches: Batches, at: Position, as_bytes: bool) -> Iterator[Batch]:
    """The epoch's batches, without those that have been learned from."""
    if isinstance(batches, Loader):
        return batches.epoch(at.epoch, start=at.batches, as_bytes=as_bytes)
    return islice(batches.epoch(at.epoch), at.batches, None)


def _in_words(what: str, at: Position, lr: float, where: str) -> str:
    return f"{what} at step {at.step + 1}, in epoch {at.epoch}, with lr {lr:g}" + (f": {where}" if where else "")
