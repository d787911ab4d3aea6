"""A net that has learned nothing is told so, once: its loss is still ln(classes), that of a net that knows nothing."""

from __future__ import annotations

from math import log

from minialex.training.events import Epoch, Position, Step

STEPS, EPOCHS, AT_LEAST = 2000, 3, 50  # by then, counted in updates or in epochs (of so many updates in all), something shows
NEAR = 0.995


class Watch:
    """`look` at every event; the first that shows a stuck net gets a line in words, every other "".

    advice: what to try. told: whether the line has been said already (part of a run's state).
    """

    def __init__(self, classes: int, advice: str, told: bool = False) -> None:
        self.classes, self.advice, self.told = classes, advice, told

    def look(self, event: Step | Epoch, at: Position) -> str:
        if self.told or self.classes < 2:
            return ""
        if isinstance(event, Step):
            loss = at.train_loss if event.step == STEPS else 0.0  # to read it may mean to wait for it
        else:
            loss = event.train_loss if event.epoch == EPOCHS and AT_LEAST <= event.step < STEPS else 0.0
        if not loss >= NEAR * log(self.classes):
            return ""
        self.told = True
        return (
            f"stuck      after {event.step:,} steps the loss is {loss:.3f}, and ln({self.classes}) = {log(self.classes):.3f}: "
            f"the net has learned nothing yet. {self.advice}"
        )
