"""One training step after another: forward, loss, backward, update. On GPUs all of it is queued, and nothing waited for.

The loss is computed where the logits are. Only the labels cross to there, and back come two numbers: the loss, and whether the
guard has stopped all updates (guard.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minialex.arrays import Array, array_module
from minialex.devices import Crossing, Reading, Wire
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.optim import SGD
from minialex.shown import Shown
from minialex.training.guard import Guard


class Learner:
    """Teaches this net with this optimizer. After a step in which a number was none, no step changes anything any more."""

    def __init__(self, net: Net, optimizer: SGD) -> None:
        self.net, self.optimizer, self.guard = net, optimizer, Guard(net)
        self._loss = SoftmaxCrossEntropy()
        self._wire = Wire(None, net.home, "labels", "forward", net.ledger)

    def step(self, images: Array | Shown, labels: Array, meanwhile: Callable[[], None] = lambda: None) -> Reading:
        """One step. Returns what it will have come to, (2,): the loss, and 0, or 1 if from here on there is no update.

        meanwhile: called when the way back is queued, and the devices have something to do.
        """
        net, home = self.net, self.net.home
        labels = self._loss.check_labels(np.asarray(labels), len(images), net.num_classes)
        logits = net.forward_to_home(images, train=True)
        self._wire.announce(labels)
        loss, dlogits = home.submit(self._judge, logits, labels).result()
        net.backward_from_home(dlogits)
        meanwhile()
        self.guard.look(loss)
        self.optimizer.step(unless=self.guard.stopped)
        numbers = home.submit(self._numbers, loss).result()
        net.ledger.rows.append(Crossing("loss", "forward", home.name, "host", numbers.nbytes))
        return home.submit(home.read_later, numbers).result()

    def _judge(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """The loss and its gradient; all on home."""
        return self._loss.mean(logits, self._wire.carry(labels)), self._loss.backward()

    def _numbers(self, loss: Array) -> Array:
        numbers = array_module(loss).empty(2, loss.dtype)
        numbers[:1], numbers[1:] = loss, self.guard.stopped[self.net.home]
        return numbers
