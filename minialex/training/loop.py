"""The loop itself: step after step, and after each epoch a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from math import isfinite, nan
from time import perf_counter

from minialex.data.batches import Batch, Batches
from minialex.data.loader import Loader
from minialex.evaluation import Scores
from minialex.net import Net
from minialex.optim import SGD
from minialex.training.ahead import Ahead
from minialex.training.answers import Answers
from minialex.training.events import Epoch, Position, Step
from minialex.training.finite import NonFiniteLoss
from minialex.training.learner import Learner
from minialex.training.schedules import Schedule

BEHIND = 2  # so many steps may GPUs be behind the host: enough that they never run out of work


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
    NonFiniteGradient where there was no update from what is no number, naming the layer where it began.

    On GPUs a Step comes when the step's work is queued. The host learns of a failure up to BEHIND steps later, or as soon as
    somebody reads a loss; the parameters, and `at`, are then those before the step that failed.
    """
    learner, at = Learner(net, optimizer), Position() if at is None else at
    start = perf_counter() - at.seconds
    while at.epoch <= epochs and (at.batches or steps is None or at.step < steps):
        if schedule is not None:
            optimizer.lr = schedule(at.done)
        seen_before, busy, before = at.seen, 0.0, perf_counter()
        rest, answers = Ahead(_rest(batches, at, as_bytes=net.takes_bytes), net), Answers(learner, at)

        while (steps is None or at.step < steps) and (batch := rest.take()) is not None:
            images = len(batch[1])
            answer = answers.expect(learner.step(*batch, meanwhile=rest.announce), batch[0])
            del batch  # its memory is free for the next, once the answer is known
            at.step, at.batches, at.seen = at.step + 1, at.batches + 1, at.seen + images
            answers.settle(BEHIND)
            at.total = answers
            now = perf_counter()
            busy, at.seconds = busy + now - before, now - start
            progress = at.epoch - 1 + at.batches / len(batches)
            yield Step(at.epoch, at.step, progress, optimizer.lr, answer, images, now - before)
            before = perf_counter()

        before = perf_counter()
        net.synchronize()  # GPUs may still be at the last update
        answers.settle(0)
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


def _rest(batches: Batches, at: Position, as_bytes: bool) -> Iterator[Batch]:
    """The epoch's batches, without those that have been learned from."""
    if isinstance(batches, Loader):
        return batches.epoch(at.epoch, start=at.batches, as_bytes=as_bytes)
    return islice(batches.epoch(at.epoch), at.batches, None)
