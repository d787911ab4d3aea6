"""CNN* (section 6): a net with a sixth convolution learns many classes, then goes on with others; or begins with those at once.

The paper's larger set, of 22,000 classes, held those that were learned afterwards. Ours holds none of them: what helps here is
what the layers have learned to see, and not that the same things were seen before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from minialex.claims import figures
from minialex.claims.ablation import note, results
from minialex.claims.base import SMALL_ALEXNET, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.judge import verdict
from minialex.claims.learn import Learned, Variant, limited
from minialex.claims.rows import column, read_rows
from minialex.data import Source
from minialex.data.dataset import Split
from minialex.inherit import inherit, table
from minialex.net import Net
from minialex.optim import SGD

MORE = 6  # of the ten classes; the others are learned afterwards
FEW = {False: 100, True: 10}  # images of each of these (True: of digits)
RATES = {"conv1": 0.1, "fc8": 10.0}  # as the 2012 code fine-tuned its CNN*: at a tenth of lr, conv1 slower, fc8 as fast as ever
SCRATCH, STAR = "from scratch", "pre-trained"
SIX_CONV = SMALL_ALEXNET.but(SCRATCH, options={"sixth": True})


def run(bench: Bench) -> str:
    """For each seed: the net of six classes, and from it and from scratch the net of the four others."""
    names = bench.source.dataset.classes
    first, rest = range(MORE), range(MORE, len(names))
    many = of_classes(bench.source, first)
    for seed in bench.seeds:
        few = of_classes(bench.source, rest, FEW[bench.quick], seed)
        full = sized(bench, SIX_CONV, quick=6)
        teacher = bench.learn(full.but("of six classes"), seed, source=many)
        longer = full.but(SCRATCH, epochs=bench.epochs(40, 15), batch_size=16)
        note(bench, bench.learn(longer, seed, source=few))
        note(bench, tuned(bench, longer, teacher, few, seed))
    rows = results(bench.folder)
    title = f"{len(few.dataset.train)} images of {len(rest)} classes, from scratch and after {MORE} other classes"
    bench.figure(figures.errors(rows, read_rows(bench.folder / "curves.csv"), title), "pretrain")
    before, after = (column(rows, "test_error", variant=name) for name in (SCRATCH, STAR))
    return verdict(f"beginning with what {MORE} other classes have taught", before, after)


def tuned(bench: Bench, variant: Variant, teacher: Learned, source: Source, seed: int) -> Learned:
    """The variant, begun with the teacher's layers."""
    lr = variant.lr / 10

    def begin(net: Net) -> None:
        matches = inherit(net, teacher.net.state_dict())
        if seed == bench.seeds[0]:
            bench.say(table(matches))

    def optimizer(net: Net) -> SGD:
        return SGD(net, lr, variant.momentum, variant.weight_decay, rates=RATES)

    # The name holds what the teacher was, for two nets with different teachers are different nets
    name = f"{STAR} by {teacher.variant.epochs} epochs of {teacher.images}"
    learned = bench.learn(variant.but(name, lr=lr), seed, source=source, begin=begin, optimizer=optimizer)
    return replace(learned, variant=replace(learned.variant, name=STAR))


def of_classes(source: Source, labels: range, each: int | None = None, seed: int = 0) -> Source:
    """The pictures of these classes alone, numbered anew; `each`: so many of each class to learn from, drawn by the seed."""
    data = source.dataset

    def part(split: Split) -> Split:
        chosen = np.flatnonzero(np.isin(split.labels, labels))
        return Split(np.asarray(split.images[chosen]), split.labels[chosen] - labels.start)

    classes = tuple(data.classes[label] for label in labels)
    smaller = replace(data, classes=classes, train=part(data.train), test=part(data.test))
    return limited(replace(source, dataset=smaller, measured=None), each and each * len(labels), None, seed)


CLAIM = Claim(
    name="pretrain",
    says="A net with a sixth convolution that has learned more classes before makes fewer errors on those it learns then "
    "than one that begins with these (section 6, the CNN*).",
    paper="18.2% to 16.6% top-5 error, between nets that differed in the sixth convolution, too",
    cost="about 8 min on two cores",
    run=run,
)
