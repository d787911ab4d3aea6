"""What a run says of itself, line by line."""

from __future__ import annotations

from math import isnan, log

from minialex.console import Progress, duration
from minialex.devices import choose
from minialex.memory import plan
from minialex.net import Net
from minialex.runs.build import by
from minialex.runs.session import Session
from minialex.summary import megabytes
from minialex.training import Epoch, Step, drop_epochs

FEW = 20  # with no more steps than this asked for, each is worth a line


def head(session: Session) -> str:
    """What is about to happen."""
    recipe, net, data = session.recipe, session.net, session.source.dataset
    shown = "" if data.image_shape == net.input_shape else f", seen as {by(net.input_shape)}"
    return "\n".join(
        [
            f"devices    {_places(net, recipe.run.devices)}",
            f"data       {data.name}: {len(data.train):,} training and {len(data.test):,} test images of {by(data.image_shape)}"
            f"{shown}",
            f"\n{recipe.net.name}\n{net.summary(recipe.learning.batch_size)}\n",
            f"{plan(net, recipe.learning.batch_size)}\n",
            f"parameters {net.num_parameters:,}",
            f"loss       a net that knows nothing has ln({net.num_classes}) = {log(net.num_classes):.3f}",
            f"learning   {_learning(session)}",
            f"results    {session.run.path}\n",
        ]
    )


def _places(net: Net, asked: str) -> str:
    names = [device.name for device in net.devices]
    if len(names) == 1:
        plan = f"the whole net on {names[0]}"
    elif len(set(names)) == 1:
        plan = f"both towers on {names[0]}"
    else:
        plan = ", ".join(f"tower {t} on {name}" for t, name in enumerate(names))
    if asked.strip() == "auto":
        chosen, why = choose()
        plan += f"\n           auto chose {chosen} ({why})" + ("; this net has one tower only" if len(names) == 1 else "")
    return plan


def _learning(session: Session) -> str:
    learning = session.recipe.learning
    words = f"{count(learning.epochs, 'epoch')} of {count(len(session.batches), 'step')} with batches of {learning.batch_size}"
    if learning.steps:
        words += f", but no more than {learning.steps:,} in all"
    words += f"; lr {learning.lr:g}"
    if learning.schedule == "plateau":
        words += (
            f", divided by {learning.factor:g} when the test error has not improved for {count(learning.patience, 'epoch')}, "
            f"{learning.drops} times at most"
        )
    elif falls := drop_epochs(learning.epochs, learning.drop_at):
        words += f", divided by {learning.factor:g} after epoch {' and '.join(map(str, falls))}"
    if learning.rates:
        words += f"; layers with a rate of their own: {', '.join(learning.rates)}"
    return f"{words}; momentum {learning.momentum:g}, weight decay {learning.weight_decay:g}, seed {learning.seed}"


def show(screen: Progress, session: Session, event: Step | Epoch) -> None:
    """One event: in the bar, or a line."""
    learning = session.recipe.learning
    if isinstance(event, Step):
        if learning.steps and learning.steps <= FEW:
            rate = event.images / event.seconds
            screen.line(
                f"step {event.step}/{learning.steps}  loss {event.loss:.4f}  {event.seconds:.2f} s  {rate:,.0f} images/s"
            )
        known = session.trace.latest  # on GPUs the loss of a step or two before: to ask for the last would be to wait for it
        loss = "" if known is None else f"  loss {known:.3f}"
        screen.advance(event.images, f"epoch {event.epoch}/{learning.epochs}  step {event.step:,}{loss}")
    else:
        before = session.at.done[-2].lr if len(session.at.done) > 1 else event.lr
        width = len(str(learning.epochs))
        screen.line(
            f"epoch {event.epoch:>{width}}/{learning.epochs}  train loss {event.train_loss:.4f}  test loss "
            f"{event.test_loss:.4f}  test error top-1 {event.top1_error:6.2%}  top-5 {event.top5_error:6.2%}  "
            f"{event.images_per_second:,.0f} images/s, waited {event.waited:.1%}" + (f"  lr {event.lr:g}" * (event.lr < before))
        )
    if session.notice:
        screen.line(session.notice)


def images_to_go(session: Session) -> int:
    """How many images the run has still to see."""
    learning, at, images, batches = session.recipe.learning, session.at, len(session.source.dataset.train), len(session.batches)
    most = learning.epochs * batches
    epochs, rest = divmod(min(learning.steps or most, most), batches)
    behind = (at.epoch - 1) * images + at.batches * learning.batch_size
    return max(0, int(epochs * images + rest * learning.batch_size) - behind)


def copies_of(net: Net) -> str:
    """The ledger of the step just made, and its sums."""
    between, all_ways = net.ledger.bytes(), net.ledger.bytes(host=True)
    sums = f"between devices {megabytes(between)}, from and to the host {megabytes(all_ways - between)}"
    return f"{net.ledger}\n{sums}"


def tail(session: Session, seconds: float) -> str:
    """How it ended, and where everything is."""
    done = session.at.done
    accuracy = f"test accuracy {1 - done[-1].top1_error:.2%}, " if done and not isnan(done[-1].top1_error) else ""
    return f"\n{accuracy}{duration(seconds)}\nresults in {session.run.path}: {', '.join(session.run.files())}"


def count(number: int, what: str) -> str:
    """ "1 epoch", "20 epochs"."""
    return f"{number:,} {what}{'s' * (number != 1)}"
