"""The training loop: it knows batches, a net and an optimizer, and nothing of what is inside a layer.

`train` is an iterator of what happens, so that whoever runs it decides what to print, plot or save, and when to stop:

    for event in train(net, batches, SGD(net, lr=0.03), epochs=15, test=lambda: evaluate(net, data.test, data.prepare)):
        if isinstance(event, Epoch):
            print(event.epoch, event.train_loss, event.top1_error)

Between two events the net is whole: no update is half made. All of a run's state is in the net, the optimizer, the epochs
so far and the next batch's place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from time import perf_counter

from minialex.data.batches import Batches
from minialex.evaluation import Scores
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.optim import SGD


@dataclass(frozen=True)
class Step:
    """An update has been made: update number `step`, in epoch number `epoch`, both counted from 1.

    progress: epochs done, with a fraction (1.5: in the middle of the second). loss: the batch's mean, before the update.
    images: how many there were. seconds: what the step took, the wait for its batch included.
    """

    epoch: int
    step: int
    progress: float
    lr: float
    loss: float
    images: int
    seconds: float


@dataclass(frozen=True)
class Epoch:
    """An epoch is over (or, with `steps`, as much of it as was wanted). These are the columns of a run's log.csv.

    step: updates so far. train_loss: mean over the epoch's images, each seen by the net as it was then, with dropout.
    test_loss, top1_error, top5_error: on the test images (nan without a test), errors as shares of 0..1.
    images_per_second: of the training alone. seconds: since the start, tests included.
    """

    epoch: int
    step: int
    lr: float
    train_loss: float
    test_loss: float
    top1_error: float
    top5_error: float
    images_per_second: float
    seconds: float


Schedule = Callable[[Sequence[Epoch]], float]  # the epochs so far -> the next epoch's learning rate


class NonFiniteLoss(FloatingPointError):
    """The loss of a batch, or of the test, is no longer a number. No update has been made from it."""


def train(
    net: Net,
    batches: Batches,
    optimizer: SGD,
    *,
    epochs: int,
    steps: int | None = None,
    schedule: Schedule | None = None,
    test: Callable[[], Scores] | None = None,
) -> Iterator[Step | Epoch]:
    """Learn for so many epochs, or until `steps` updates have been made; a Step after each update, an Epoch after each epoch.

    schedule: sets the optimizer's lr before each epoch. test: called at the end of each. Raises NonFiniteLoss.
    """
    loss, done, step, start = SoftmaxCrossEntropy(), list[Epoch](), 0, perf_counter()
    for epoch in range(1, epochs + 1):
        if schedule is not None:
            optimizer.lr = schedule(done)
        total, seen, busy, before = 0.0, 0, 0.0, perf_counter()

        for number, (images, labels) in enumerate(batches.epoch(epoch), start=1):
            value = loss.forward(net.forward(images, train=True), labels)
            if not isfinite(value):
                raise NonFiniteLoss(f"the loss is {value} at step {step + 1}, in epoch {epoch}, with lr {optimizer.lr:g}")
            net.backward(loss.backward())
            optimizer.step()

            step += 1
            total, seen = total + value * len(labels), seen + len(labels)
            seconds = perf_counter() - before
            busy += seconds
            progress = epoch - 1 + number / len(batches)
            yield Step(epoch, step, progress, optimizer.lr, value, len(labels), seconds)
            if step == steps:
                break
            before = perf_counter()

        before = perf_counter()
        net.synchronize()  # GPUs may still be at the last update
        busy += perf_counter() - before
        scores = test() if test is not None else Scores(nan, nan, nan)
        if test is not None and not isfinite(scores.loss):
            raise NonFiniteLoss(f"the test loss is {scores.loss} after step {step}, at the end of epoch {epoch}")
        tested = scores.loss, scores.top1_error, scores.top5_error
        done.append(Epoch(epoch, step, optimizer.lr, total / seen, *tested, seen / busy, perf_counter() - start))
        yield done[-1]
        if step == steps:
            return


def step_down(lr: float, epochs: int, at: Sequence[float] = (), factor: float = 10.0) -> Schedule:
    """The paper's way, on a timetable: lr, divided by `factor` after each share `at` (0..1) of the epochs."""
    drops = drop_epochs(epochs, at)
    return lambda done: lr / factor ** sum(len(done) >= drop for drop in drops)


def drop_epochs(epochs: int, at: Sequence[float]) -> list[int]:
    """The numbers of the epochs after which step_down lowers the rate; those that fall outside the run are left out."""
    return [drop for share in at if 0 < (drop := round(share * epochs)) < epochs]
