"""The training loop: it knows batches, a net and an optimizer, and nothing of what is inside a layer.

`train` is an iterator of what happens, so that whoever runs it decides what to print, plot or save, and when to stop:

    for event in train(net, batches, SGD(net, lr=0.03), epochs=15, test=lambda: evaluate(net, data.test, data.prepare)):
        if isinstance(event, Epoch):
            print(event.epoch, event.train_loss, event.top1_error)

Between two events the net is whole: no update is half made. All of a run's state is in the net, the optimizer, and the
`Position` (the epochs so far, the next batch's place): who saves these three can go on as if nothing had happened.
"""

from minialex.training.events import Epoch, Position, Step
from minialex.training.finite import NonFinite, NonFiniteGradient, NonFiniteLoss
from minialex.training.loop import train
from minialex.training.schedules import Schedule, constant, drop_epochs, plateau, step_down
from minialex.training.stuck import Watch

__all__ = [
    "Epoch",
    "NonFinite",
    "NonFiniteGradient",
    "NonFiniteLoss",
    "Position",
    "Schedule",
    "Step",
    "Watch",
    "constant",
    "drop_epochs",
    "plateau",
    "step_down",
    "train",
]
