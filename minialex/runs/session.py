"""A run that is going on: it learns, saves itself, and can be put back to where any checkpoint left it.

All that decides what comes next is in the net, the optimizer and `meta` below; the learning rate and the batches follow from
the recipe and the place in it. So a run that was killed and goes on is, bit for bit, the run that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from math import inf, isnan, nan
from time import perf_counter
from typing import Any

from minialex.checkpoint import CheckpointError, RunFolder, State, capture, restore
from minialex.data import Source
from minialex.evaluation import Scores, log_probabilities, score
from minialex.net import Net
from minialex.recipes import Recipe
from minialex.recipes.kinds import interval
from minialex.runs import build, sizes
from minialex.runs.folder import CLOCK, Run
from minialex.runs.trace import Trace
from minialex.training import Epoch, Position, Step, Watch, train

META = ("position", "done", "trace", "told", "recipe", "classes", "fingerprint")
LATER = ("sizes",)  # what the first checkpoints did not have yet
NEVER_SAVED = tuple(name for name in CLOCK if name != "epoch")  # the clock's: no two runs have the same


class Stopped(Exception):
    """Somebody asked for the end while the net was being tested; nothing was changed by that."""


class Session:
    """recipe, source, net: what learns from what; run, folder: where it is kept. state: where to go on (a checkpoint's).

    Raises CheckpointError where the state is of another net or of other data. asked_to_stop: looked at during a test.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: Source,
        net: Net,
        run: Run,
        folder: RunFolder,
        state: State | None = None,
        asked_to_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.recipe, self.source, self.net, self.run, self.folder = recipe, source, net, run, folder
        self.asked_to_stop = asked_to_stop
        self.batches, self.view = build.make_batches(recipe, source), build.test_view(recipe, source)
        self.optimizer = build.make_optimizer(recipe, net)
        self.schedule = build.make_schedule(recipe, self.optimizer)
        self.sizes = list[sizes.Size]()  # of every parameter, after every epoch
        self.at, self.trace, self.notice = Position(), Trace(), ""  # notice: a line that the last event calls for
        self.watch = Watch(len(source.dataset.classes), advice(recipe), told=recipe.data.set == "synthetic")
        if state is not None:
            self._go_on(state)
        self.save_steps, self.save_seconds = interval(recipe.run.save_every)
        self.saved_at = perf_counter()

    @property
    def finished(self) -> bool:
        """Whether all has been learned that the recipe asks for."""
        learning, at = self.recipe.learning, self.at
        return at.epoch > learning.epochs or (at.batches == 0 and learning.steps is not None and at.step >= learning.steps)

    def events(self) -> Iterator[Step | Epoch]:
        """What happens, until the end. Each event has been noted, and the checkpoint that it calls for saved, when it comes."""
        learning = self.recipe.learning
        for event in train(
            self.net,
            self.batches,
            self.optimizer,
            epochs=learning.epochs,
            steps=learning.steps,
            schedule=self.schedule,
            test=self.test,
            at=self.at,
        ):
            self.notice = self.watch.look(event, self.at)
            if isinstance(event, Step):
                self.trace.add(event)
                if self._due():
                    self.save()
            else:
                self.sizes += sizes.measure(event.epoch, self.net, self.optimizer)
                self.save()
                self.run.log(event)
                self.run.write_sizes(self.sizes)
                self.run.write_weights(self.net.state_dict())
            yield event

    def test(self) -> Scores:
        """The net's scores on the test images."""
        images = self.source.dataset.test.images
        logs = log_probabilities(self.net, images, self.view, self.recipe.learning.batch_size, advance=self._tested)
        return score(logs, self.source.dataset.test.labels)

    def settle(self) -> None:
        """Wait until GPUs have told the losses of all steps so far; NonFinite, if one is none."""
        self.at.total  # noqa: B018  to read it is to wait

    def save(self) -> None:
        """Make this moment the last checkpoint; and the best, if an epoch has just ended with the lowest error so far.

        What is saved is known to be good: NonFinite is raised, and nothing saved, if a step so far was none.
        """
        self.settle()
        meta = {
            "position": {name: value for name, value in asdict(self.at).items() if name not in ("done", "seconds")},
            "done": [{n: v for n, v in asdict(epoch).items() if n not in NEVER_SAVED} for epoch in self.at.done],
            "trace": self.trace.to_json(),
            "sizes": sizes.to_json(self.sizes),
            "told": self.watch.told,
            "recipe": {name: value for name, value in self.recipe.flat().items() if name.split(".")[0] != "run"},
            "classes": list(self.source.dataset.classes),
            "fingerprint": self.source.fingerprint,
        }
        self.folder.save(capture(self.net, self.optimizer, meta=meta), best=self._is_best())
        self.saved_at = perf_counter()

    def _is_best(self) -> bool:
        if self.at.batches or not self.at.done:
            return False
        *before, error = (epoch.top1_error for epoch in self.at.done)
        return not error >= min(before, default=inf)

    def _due(self) -> bool:
        if self.save_steps:
            return self.at.step % self.save_steps == 0
        return perf_counter() - self.saved_at >= self.save_seconds

    def _tested(self, images: int) -> None:
        if self.asked_to_stop():
            raise Stopped

    def _go_on(self, state: State) -> None:
        state.expect(*META, *(name for name in LATER if name in state.meta))
        if state.meta["fingerprint"] != self.source.fingerprint:
            name = self.source.dataset.name
            raise CheckpointError(state.path, f"learned from other data than {name} ({self.source.location}) is now")
        restore(self.net, self.optimizer, state)
        times = self.run.times()
        blank = dict.fromkeys(NEVER_SAVED, nan)
        try:
            rows = [{**row, **blank, **times.get(row["epoch"], {})} for row in state.meta["done"]]
            done = [Epoch(**{one.name: row[one.name] for one in fields(Epoch)}) for row in rows]
            self.at = _position(state.meta["position"], done)
            self.trace = Trace.from_json(state.meta["trace"])
            self.sizes = sizes.from_json(state.meta.get("sizes", []))
            self.watch.told = bool(state.meta["told"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(state.path, f"does not say where its run was: {error!r}") from None


def _position(saved: dict[str, Any], done: list[Epoch]) -> Position:
    """Where the run was; ValueError where that cannot be."""
    at = Position(**saved, done=done, seconds=max((e.seconds for e in done if not isnan(e.seconds)), default=0.0))
    counts = at.epoch, at.batches, at.step, at.seen
    if not all(type(number) is int and number >= 0 for number in counts) or len(done) != at.epoch - 1 or at.step < at.batches:
        raise ValueError(f"the place {saved} after {len(done)} epochs")
    return at


def advice(recipe: Recipe) -> str:
    """What to try with a net that learns nothing."""
    lower = f"a lower rate (--lr {recipe.learning.lr / 10:g})"
    if not recipe.net.name.startswith("alexnet"):
        return f"Try {lower}, or a higher one."
    tries = [] if recipe.net.one_bias is not None else ["smaller biases at the start (--one-bias 0.1)"]
    if build.preset(recipe.net) == "paper":
        tries.append("the 2012 code's start (--initial code2012)")
    return f"Try {', '.join([*tries, lower])}."
