r"""Where the paper's net gets stuck when the pictures are few: its loss comes to ln(classes) and stays there.

Two things can be wrong with a start, and both are measured before the first step.

It can be too sharp. The biases of 1 make every ReLU speak, and say about the same of every image, so the hidden vectors h are
long; the curvature along them is about |h|² / K (inside/sharpness.py), and the paper's rate, which suits K = 1000 classes, is
beyond 2 (1 + momentum) / curvature for K = 17. The first steps overshoot, the loss rises far above ln(K), and the swing
ends only when the ReLUs below have been pushed under 0 for every image. Then h is short, the steps are steady again, and no
gradient comes through what would have to change.

Or it can be deaf: with a standard deviation of 0.01 everywhere each layer hands on less of what the image decides, until
the logits are the same for all images. Such a net is not dead and may leave, slowly.

With --quick the net is a small one with hidden layers of 512 neurons and biases of 1, on digits: the same mechanism in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, log
from statistics import fmean

import numpy as np

from minialex.arrays import Array
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.nets import small_alexnet
from minialex.claims.rows import Row, markdown, mean_and_spread, number, read_rows
from minialex.data import Source
from minialex.initial import CODE_2012, HE, PAPER, Initial, initialise
from minialex.inside.sharpness import largest_rate, sharpness
from minialex.inside.signals import Signal, signals
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.nets import alexnet
from minialex.optim import SGD
from minialex.plots.signals import first_steps
from minialex.runs.build import with_biases
from minialex.seeds import generator

SIDE = 224
STEPS, QUICK_STEPS = 300, 120
BATCH = 32
LAST = 20  # steps whose mean loss says whether a net is stuck
POWER = 4  # iterations for the sharpness
MANY = 1000  # the paper's classes
NEAR = 0.97  # of ln(classes)
DEAD = 0.01  # a layer with fewer units above 0 than this lets next to no gradient through
BRINK = 0.7  # of the largest rate: other batches are sharper, and the measured curvature is a lower bound
DEAF = 0.05  # a start whose logits are decided by the image to less than this is worth a word


@dataclass(frozen=True)
class Setting:
    """A start and a rate; flags: how scripts/train.py is asked for them."""

    name: str
    initial: Initial
    bias: float
    lr: float
    flags: str


SETTINGS = (
    Setting("biases 1, lr 0.01", CODE_2012, 1.0, 0.01, "--initial code2012"),
    Setting("biases 1, lr 0.003", CODE_2012, 1.0, 0.003, "--initial code2012 --lr 0.003"),
    Setting("biases 0.1, lr 0.01", CODE_2012, 0.1, 0.01, "--initial code2012 --one-bias 0.1"),
    Setting("0.01 everywhere, biases 1, lr 0.003", PAPER, 1.0, 0.003, "--lr 0.003"),
)
SMALL_START = Initial(std=HE.std, ones=PAPER.ones)
QUICK_SETTINGS = (
    Setting("biases 1, lr 0.03", SMALL_START, 1.0, 0.03, ""),
    Setting("biases 1, lr 0.003", SMALL_START, 1.0, 0.003, ""),
    Setting("biases 0.1, lr 0.03", SMALL_START, 0.1, 0.03, ""),
)


def run(bench: Bench) -> str:
    """Every setting from every seed: the sharpness of its start, its first steps, what its layers carried before and after."""
    settings = QUICK_SETTINGS if bench.quick else SETTINGS
    source = bench.source if bench.quick else bench.photos
    for setting in settings:
        for seed in bench.seeds:
            _run(bench, setting, seed, source)
    rows = read_rows(bench.folder / "results.csv")
    bench.figure(picture(bench, rows, len(source.dataset.classes)), "stuck")
    return conclude(rows)


def _run(bench: Bench, setting: Setting, seed: int, source: Source) -> None:
    net, prepare = net_of(bench, setting, seed, source), shown(source, bench.quick)
    classes, steps = net.num_classes, QUICK_STEPS if bench.quick else STEPS
    batches = batches_of(source, prepare, seed, BATCH)
    first = next(batches)
    curvature = sharpness(net, *first, iterations=POWER)
    with_many = sharpness(net_of(bench, setting, seed, source, MANY), *first, iterations=POWER)
    before = signals(net, *first)[1]
    losses = list(learn(net, setting, batches, steps))
    after = signals(net, *first)[1]
    end = fmean(losses[-LAST:])
    bench.say(
        f"{setting.name}, seed {seed}: the start allows lr {largest_rate(curvature):.2g}; after {len(losses)} steps the loss "
        f"is {end:.3f}, ln({classes}) is {log(classes):.3f}"
    )
    bench.row(
        variant=setting.name, seed=seed, classes=classes, lr=setting.lr, sharpness=curvature,
        largest_lr=largest_rate(curvature), largest_lr_1000=largest_rate(with_many),
        steps=len(losses), worst_loss=max(losses), last_loss=end,
        active_before=lowest(before, "active"), active_after=lowest(after, "active"),
        spread_before=at_the_end(before).spread, spread_after=at_the_end(after).spread,
    )  # fmt: skip
    for step, loss in enumerate(losses, start=1):
        bench.row("losses", variant=setting.name, seed=seed, step=step, loss=loss)
    for when, measured in (("before", before), ("after", after)):
        for one in measured:
            values = {"size": one.size, "spread": one.spread, "active": one.active, "gradient": one.gradient}
            bench.row("layers", variant=setting.name, seed=seed, when=when, layer=one.layer, **values)


def net_of(bench: Bench, setting: Setting, seed: int, source: Source, classes: int | None = None) -> Net:
    """The net with this start; classes: other than the data's."""
    classes = len(source.dataset.classes) if classes is None else classes
    if bench.quick:
        net = small_alexnet(bench.devices, classes, seed, input_shape=source.dataset.image_shape, hidden=512)
    else:
        net = alexnet(bench.devices, classes, seed)
    return with_biases(initialise(net, seed, setting.initial), setting.bias)


def learn(net: Net, setting: Setting, batches: Iterator[tuple[Array, Array]], steps: int) -> Iterator[float]:
    """The losses of so many steps; fewer where the net diverges."""
    loss, sgd = SoftmaxCrossEntropy(), SGD(net, setting.lr)
    for _ in range(steps):
        images, labels = next(batches)
        value = loss.forward(net.forward(images, train=True), labels)
        if not isfinite(value):
            return
        net.backward(loss.backward())
        sgd.step()
        yield value


def shown(source: Source, quick: bool) -> Callable[[Array], Array]:
    """What makes a picture the net's input: the central 224 x 224; small pictures are enlarged by repeating their pixels."""
    _, H, W = source.dataset.image_shape
    if quick or min(H, W) >= SIDE:
        return source.test_view(None if quick else SIDE)
    view, times = source.test_view(), ceil(SIDE / min(H, W))
    return lambda images: view(images).repeat(times, axis=2).repeat(times, axis=3)[:, :, :SIDE, :SIDE]


def batches_of(source: Source, prepare: Callable[[Array], Array], seed: int, batch_size: int) -> Iterator[tuple[Array, Array]]:
    """Training images and labels, epoch after epoch in new orders, without end."""
    train, rng = source.dataset.train, generator(seed, "order of the stuck net's batches")
    size = min(batch_size, len(train))
    while True:
        order = rng.permutation(len(train))
        for start in range(0, len(order) - size + 1, size):
            indices = np.sort(order[start : start + size])
            yield prepare(train.images[indices]), train.labels[indices]


def rectified(measured: Sequence[Signal]) -> dict[str, list[Signal]]:
    """The ReLUs and the logits of all towers: "relu1" -> one for each tower."""
    found: dict[str, list[Signal]] = {}
    for one in measured:
        name = one.layer.split(".")[0]
        if name.startswith("relu") or one is measured[-1]:
            found.setdefault(name, []).append(one)
    return found


def lowest(measured: Sequence[Signal], what: str) -> float:
    """The smallest over the ReLUs, each the mean of its towers: of "active", how alive the weakest layer is."""
    *hidden, _ = rectified(measured).values()
    return min(fmean(getattr(one, what) for one in towers) for towers in hidden)


def at_the_end(measured: Sequence[Signal]) -> Signal:
    """The logits'."""
    return measured[-1]


def picture(bench: Bench, rows: Sequence[Row], classes: int) -> object:
    """The first seed's layers, everybody's losses."""
    losses, layers = (read_rows(bench.folder / f"{table}.csv") for table in ("losses", "layers"))
    names = list(dict.fromkeys(row["variant"] for row in rows))
    seeds = list(dict.fromkeys(row["seed"] for row in rows))

    def of(name: str, when: str) -> dict[str, list[float]]:
        mine = [row for row in layers if (row["variant"], row["seed"], row["when"]) == (name, seeds[0], when)]
        return {
            what: [fmean(number(row, what) for row in mine if row["layer"].split(".")[0] == layer) for layer in places]
            for what in ("active", "spread", "gradient")
        }

    all_layers = list(dict.fromkeys(row["layer"].split(".")[0] for row in layers))
    places = [layer for layer in all_layers if layer.startswith("relu") or layer == all_layers[-1]]
    runs = {
        name: [[number(row, "loss") for row in losses if (row["variant"], row["seed"]) == (name, seed)] for seed in seeds]
        for name in names
    }
    rates = {row["variant"]: (number(row, "lr"), number(row, "largest_lr")) for row in reversed(rows)}
    rates = {name: rates[name] for name in names}
    before, after = ({name: of(name, when) for name in names} for when in ("before", "after"))
    return first_steps(runs, rates, before, after, places, classes, "the first steps, with different starts and rates")


def outcome(row: Row) -> str:
    """What became of a start: one word, or a few."""
    if number(row, "last_loss") < NEAR * log(number(row, "classes")):
        return "learns"
    return "is stuck" if not number(row, "active_after") >= DEAD else "has learned nothing yet"


def conclude(rows: Sequence[Row]) -> str:
    """What became of each setting, and what its start had said of it."""
    steps = max(int(number(row, "steps")) for row in rows)
    said = []
    for name in dict.fromkeys(row["variant"] for row in rows):
        mine = [row for row in rows if row["variant"] == name]
        ends = Counter(map(outcome, mine)).most_common()
        words = ends[0][0] if len(ends) == 1 else " and ".join(f"{count} of {len(mine)} {end}" for end, count in ends)
        active, worst = (fmean(number(row, what) for row in mine) for what in ("active_after", "worst_loss"))
        went = f"loss up to {worst:.1f}, {active:.0%} of the units above 0 in the weakest layer"
        said.append(f"{name} {words} ({went}; {foretold(mine)})")
    many = fmean(number(row, "largest_lr_1000") for row in rows if row["variant"] == rows[0]["variant"])
    return f"After {steps} steps: {'; '.join(said)}. With {MANY} classes the first of these starts would allow lr {many:.2g}."


def foretold(mine: Sequence[Row]) -> str:
    """What was wrong with the start, from what was measured before the first step."""
    largest = fmean(number(row, "largest_lr") for row in mine)
    spread = fmean(number(row, "spread_before") for row in mine)
    share = fmean(number(row, "lr") for row in mine) / largest
    sharp = "too sharp: " if share > 1 else "on the brink: " if share > BRINK else ""
    deaf = f", and the image decides only {spread:.0%} of the logits" if spread < DEAF else ""
    return f"{sharp}the start allows lr {largest:.2g}{deaf}"


def report(rows: Sequence[Row]) -> str:
    """A line a setting."""
    lines = []
    for name in dict.fromkeys(row["variant"] for row in rows):
        mine = [row for row in rows if row["variant"] == name]
        flags = next((one.flags for one in SETTINGS if one.name == name), "")
        lines.append(
            [
                name,
                f"`{flags}`" if flags else "",
                mean_and_spread((number(row, "sharpness") for row in mine), percent=False),
                *(f"{fmean(number(row, name) for row in mine):.2g}" for name in ("largest_lr", "largest_lr_1000")),
                f"{fmean(number(row, 'spread_before') for row in mine):.1%}",
                f"{fmean(number(row, 'active_after') for row in mine):.1%}",
                f"{fmean(number(row, 'worst_loss') for row in mine):.2f}",
                f"{fmean(number(row, 'last_loss') for row in mine):.3f}",
                len(mine),
            ]
        )
    heading = [
        "", "flags of train.py", "sharpness of the start", "largest rate", f"with {MANY} classes",
        "logits that the image decides, before", "units above 0 in the weakest layer, after",
        "worst loss", "last loss", "seeds",
    ]  # fmt: skip
    return markdown(heading, lines)


CLAIM = Claim(
    name="stuck",
    says="With few classes the paper's biases and rate leave the 224 x 224 net at a loss of ln(classes); a lower "
    "rate or smaller biases do not (sections 3.5 and 5).",
    paper="not in the paper: 1000 classes do not show it",
    cost="about 20 min a seed on two cores, for the 224 x 224 net",
    run=run,
    report=report,
    large=True,
)
