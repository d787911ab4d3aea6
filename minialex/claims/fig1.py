"""Figure 1: a four-layer net with ReLUs and the same with tanh, epochs until 25% of the training images are still wrong.

As in the paper, each net has the rate with which it learns fastest, and no regularisation: no decay, no windows, no mirrors.
The rate is chosen with one seed: doubled until the training error after a few epochs is no longer lower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, isfinite, log, nan
from statistics import fmean

from minialex.claims import figures
from minialex.claims.ablation import results
from minialex.claims.base import FOUR_LAYERS, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.judge import difference
from minialex.claims.learn import Curve, Variant
from minialex.claims.rows import Row, column, markdown, mean_and_spread, number, read_rows, variants

TARGET = 0.25
SLOWEST, MOST_RATES = 0.001, 8
TRIED = 6  # epochs for each rate
MOST = 60  # epochs after which a net that has not got there is given up
NEURONS = {"ReLU": "relu", "tanh": "tanh"}


def plain(name: str, neuron: str) -> Variant:
    """The four-layer net with this neuron, nothing regularised, on the central windows."""
    return FOUR_LAYERS.but(
        name, options={"activation": neuron}, weight_decay=0.0, mirror=False, shift=False, drop_at=(), epochs=MOST
    )


def run(bench: Bench) -> str:
    """Choose the rates; then every seed with them."""
    chosen = {name: choose(bench, sized(bench, plain(name, neuron), 8)) for name, neuron in NEURONS.items()}
    for name, lr in chosen.items():
        variant = sized(bench, plain(name, NEURONS[name]), 8).but(name, lr=lr, until=TARGET)
        for seed in bench.seeds:
            learned = bench.learn(variant, seed)
            epochs = epochs_to(learned.curve, TARGET)
            bench.say(f"{name}, seed {seed}: {epochs:.1f} epochs to {TARGET:.0%} training error")
            bench.row(
                variant=name, seed=seed, images=learned.images, lr=lr, epochs_to_target=epochs,
                epochs=len(learned.curve), train_error=learned.train_error, test_error=learned.test_error,
            )  # fmt: skip
            for one in learned.curve:
                bench.row("curves", variant=name, seed=seed, epoch=one.epoch, train_error=one.train_error)
    rows = results(bench.folder)
    bench.figure(figures.race(rows, read_rows(bench.folder / "curves.csv"), TARGET), "fig1")
    return conclude(rows)


def choose(bench: Bench, variant: Variant) -> float:
    """The rate doubled until that makes the training error no lower; each tried is a row of rates.csv."""
    errors: dict[float, float] = {}
    lr, epochs, most = (0.01, 2, 2) if bench.quick else (SLOWEST, TRIED, MOST_RATES)
    while lr not in errors and len(errors) < most:
        tried = bench.learn(variant.but(f"{variant.name} at {lr:g}", lr=lr, epochs=epochs), bench.seeds[0])
        errors[lr] = tried.train_error if isfinite(tried.train_error) else 1.0
        bench.row("rates", variant=variant.name, lr=lr, epochs=len(tried.curve), train_error=tried.train_error)
        best = min(errors, key=errors.__getitem__)
        lr = 2 * lr if best == lr else best
    bench.say(f"{variant.name}: lr {best:g} is the fastest of {', '.join(f'{rate:g}' for rate in errors)}")
    return best


def epochs_to(curve: Sequence[Curve], target: float) -> float:
    """The epochs until the training error is first at the target, on the straight lines between the ends of epochs; else nan.

    Before the first epoch the error is taken to be 1: what a net that knows nothing gets is not measured.
    """
    before, at = 1.0, 0
    for one in curve:
        if one.train_error <= target:
            return at + (before - target) / (before - one.train_error) * (one.epoch - at)
        before, at = one.train_error, one.epoch
    return nan


def conclude(rows: Sequence[Row]) -> str:
    """How many times longer tanh takes, seed by seed, and whether that is more than chance."""
    relu, tanh = (column(rows, "epochs_to_target", variant=name) for name in NEURONS)
    if not any(map(isfinite, relu.values())):
        return f"Neither claim nor opposite: the ReLUs did not get to {TARGET:.0%} training error in the epochs there were."
    needed = mean_and_spread(relu.values(), percent=False)
    if not all(map(isfinite, tanh.values())):
        given_up = max(int(number(row, "epochs")) for row in rows if row["variant"] == "tanh")
        ratio = given_up / fmean(value for value in relu.values() if isfinite(value))
        return f"ReLU {needed} epochs; tanh was not there after {given_up}: more than {ratio:.1f} times as many (paper: six)."
    said = f"ReLU {needed} epochs, tanh {mean_and_spread(tanh.values(), percent=False)}"
    return f"{said}: {ratio_in_words(relu, tanh)}"


def ratio_in_words(relu: Mapping[str, float], tanh: Mapping[str, float]) -> str:
    """The ratio tanh / ReLU by seed: its geometric mean and a 95% interval, from the logarithms."""
    known = {seed: value for seed, value in relu.items() if isfinite(value)}
    found = difference({s: log(v) for s, v in known.items()}, {s: log(v) for s, v in tanh.items()})
    times = f"{exp(found.mean):.1f} times as many"
    if len(found.pairs) == 1:
        return f"{times} (one seed; nothing is concluded from one; paper: six)."
    low, high = (exp(found.mean + side * found.half) for side in (-1, 1))
    interval = f"{times} (95% interval {low:.1f} to {high:.1f}, {len(found.pairs)} seeds; paper: six)"
    if not found.seen:
        return f"{interval}: the effect is not seen at this size."
    return f"{interval}: {'the effect is seen' if found.mean > 0 else 'the opposite of the claim is seen'}."


def report(rows: Sequence[Row]) -> str:
    """Epochs to the target."""
    lines = []
    for name in variants(rows):
        mine = column(rows, "epochs_to_target", variant=name)
        rate = next(row["lr"] for row in rows if row["variant"] == name)
        lines.append([name, rate, mean_and_spread(mine.values(), percent=False), len(mine)])
    return markdown(["", "learning rate", f"epochs to {TARGET:.0%} training error", "seeds"], lines)


CLAIM = Claim(
    name="fig1",
    says="A four-layer net with ReLUs gets to 25% training error on CIFAR-10 in fewer epochs than the same with tanh "
    "(section 3.1, figure 1).",
    paper="six times faster",
    cost="about 20 min on two cores",
    run=run,
    report=report,
)
