"""What happens in training, and where in it one is."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan

from minialex.training.later import Awaited


@dataclass(frozen=True)
class Step:
    """An update has been made: update number `step`, in epoch number `epoch`, both counted from 1.

    progress: epochs done, with a fraction (1.5: in the middle of the second). loss: the batch's mean, before the update.
    images: how many there were. seconds: what the step took, the wait for its batch included.

    GPUs may still be at it. Who reads `loss` before it is `known` waits for them, and hears then, as NonFinite, if this step or
    one before it was none. (seconds: from one step's end, as the host sees it, to the next one's.)
    """

    epoch: int
    step: int
    progress: float
    lr: float
    loss: Awaited = Awaited()  # noqa: RUF009  to read it gives a float; no default, which mypy cannot know
    images: int  # type: ignore[misc]
    seconds: float  # type: ignore[misc]

    @property
    def known(self) -> bool:
        """Whether the loss can be read without waiting."""
        return type(self).__dict__["loss"].known(self)


@dataclass(frozen=True)
class Epoch:
    """An epoch is over (or, with `steps`, as much of it as was wanted).

    step: updates so far. train_loss: mean over the epoch's images, each seen by the net as it was then, with dropout.
    test_loss, top1_error, top5_error: on the test images (nan without a test), errors as shares of 0..1.
    The clock's: images_per_second of the training alone; seconds since the start, tests included; waited, the share (0..1)
    of the training's time that went into waiting for batches. All else follows from seed and data.
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
    waited: float = nan


@dataclass
class Position:
    """Where a run is: in the epoch with this number, counted from 1, of which so many `batches` have been learned from.

    step: updates so far. total, seen: the sum of the losses of the epoch's images so far, and how many these are. done: the
    epochs before. seconds: since the start. `train` keeps it up to date, and goes on from where it stands. Who reads `total` or
    train_loss waits until GPUs have told all losses, and hears, as NonFinite, if one was none.
    """

    epoch: int = 1
    batches: int = 0
    step: int = 0
    total: Awaited = Awaited(default=0.0)  # noqa: RUF009  to read it gives a float
    seen: int = 0
    done: list[Epoch] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def train_loss(self) -> float:
        """The mean over the images of this epoch so far; nan before the first."""
        return self.total / self.seen if self.seen else nan
