"""Training for the claims. What was trained for one claim serves the next: a run is known by a digest of all that decided it.

A run is written down when it is finished (kept.py). So a process may be killed at any time, and two may work side by side.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import nan
from pathlib import Path
from time import perf_counter

from minialex.arrays import Array
from minialex.claims.kept import Course, Curve, keep, reopen
from minialex.claims.sample import limited
from minialex.claims.variant import Variant, batches_of, net_of, view_of
from minialex.data import Source
from minialex.data.dataset import Split
from minialex.data.loader import Loader
from minialex.data.views import CentreCrop
from minialex.devices import Device
from minialex.evaluation import Scores, log_probabilities, score
from minialex.net import Net
from minialex.optim import SGD
from minialex.seeds import generator
from minialex.training import Epoch, NonFinite, step_down, train

__all__ = ["WATCHED", "Course", "Curve", "Learned", "Variant", "Watch", "learn", "limited"]

WATCHED = 1000  # images of each part on which the errors of every epoch are measured; the last test is on all
Watch = Callable[[Net], dict[str, Array]]


@dataclass(frozen=True, kw_only=True)
class Learned(Course):
    """A trained net and how that went. images: how many it learned from. view: how an image is made its input."""

    variant: Variant
    seed: int
    images: int
    net: Net
    view: CentreCrop


def learn(
    variant: Variant,
    seed: int,
    source: Source,
    devices: tuple[Device, ...],
    store: Path,
    *,
    say: Callable[[str], None] = print,
    watch: Watch | None = None,
    begin: Callable[[Net], None] | None = None,
    optimizer: Callable[[Net], SGD] | None = None,
) -> Learned:
    """The variant's net, trained from this seed; taken from the store if it is there.

    watch: arrays to be kept with the run, asked for before the first step and after each epoch. begin: what is done to the net
    before the first step (other weights to start from). optimizer: in place of the variant's. Two variants that differ in
    one of these three must differ in their names.
    """
    hooks = [hook.__qualname__ if hook else "" for hook in (watch, begin, optimizer)]
    settings = {**asdict(variant), "options": dict(variant.options), "seed": seed, "data": source.fingerprint, "hooks": hooks}
    if not any(hooks):
        del settings["name"]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    net, view, images = net_of(variant, seed, source, devices), view_of(variant, source), len(source.dataset.train)
    found = next(store.glob(f"*-{digest}"), None) if store.is_dir() else None
    if found is not None:
        say(f"{variant.name}, seed {seed}: trained before ({found.name})")
    else:
        say(f"{variant.name}, seed {seed}: {variant.epochs} epochs of {images:,} images")
        if begin is not None:
            begin(net)
        sgd = optimizer(net) if optimizer is not None else _optimizer(variant, net)
        course = _train(net, batches_of(variant, seed, source), sgd, variant, source, view, say, watch)
        found = store / f"{variant.name.replace(' ', '-').replace('/', '-')}-{seed}-{digest}"
        keep(found, {"name": variant.name, **settings}, net, course)
    return Learned(**vars(reopen(found, net)), variant=variant, seed=seed, images=images, net=net, view=view)


def _optimizer(variant: Variant, net: Net) -> SGD:
    return SGD(net, variant.lr, variant.momentum, variant.weight_decay, bias_lr=variant.bias_lr)


def _train(
    net: Net,
    batches: Loader,
    optimizer: SGD,
    variant: Variant,
    source: Source,
    view: CentreCrop,
    say: Callable[[str], None],
    watch: Watch | None,
) -> Course:
    """The run itself: an error of each part after every epoch, and that on all test images in the end."""
    data, start = source.dataset, perf_counter()
    parts = [_some_of(split) for split in (data.train, data.test)]
    watched, curve = [watch(net)] if watch else [], list[Curve]()
    try:
        schedule = step_down(variant.lr, variant.epochs, variant.drop_at)
        for event in train(net, batches, optimizer, epochs=variant.epochs, schedule=schedule):
            if not isinstance(event, Epoch):
                continue
            train_error, test_error = (_scores(net, part, view).top1_error for part in parts)
            seconds = perf_counter() - start
            curve.append(Curve(event.epoch, event.lr, event.train_loss, train_error, test_error, seconds))
            say(
                f"  epoch {event.epoch:>3}  loss {event.train_loss:.3f}  training error {train_error:.1%}  "
                f"test error {test_error:.1%}  {event.images_per_second:,.0f} images/s"
            )
            if watch:
                watched.append(watch(net))
            if train_error <= variant.until:
                break
    except NonFinite as failure:
        say(f"  diverged: {failure}")
        return Course(curve=tuple(curve), test_error=nan, top5_error=nan, watched=tuple(watched), diverged=str(failure))
    scores = _scores(net, data.test, view)
    say(f"  test error {scores.top1_error:.2%} on all {len(data.test):,} test images")
    return Course(curve=tuple(curve), test_error=scores.top1_error, top5_error=scores.top5_error, watched=tuple(watched))


def _scores(net: Net, split: Split, view: CentreCrop) -> Scores:
    return score(log_probabilities(net, split.images, view, workers=0), split.labels)


def _some_of(split: Split) -> Split:
    """WATCHED of its images, of all classes: the same for every variant and seed."""
    chosen = generator(0, "order of the watched images").permutation(len(split))[:WATCHED]
    return Split(split.images[chosen], split.labels[chosen])
