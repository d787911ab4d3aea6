"""What the exchange buys: a net whose conv3 sees only its own tower (the 2012 code's configuration 150), by bytes exchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minialex.claims import figures
from minialex.claims.ablation import results
from minialex.claims.base import SMALL_ALEXNET, sized
from minialex.claims.bench import Bench
from minialex.claims.claim import Claim
from minialex.claims.judge import verdict
from minialex.claims.learn import Learned
from minialex.claims.nets import MAKERS
from minialex.claims.rows import Row, column, markdown, mean_and_spread, number, variants
from minialex.devices import parse_devices

BATCH = 128
ALONE = {"exchange3": False}
COMPARED = (
    SMALL_ALEXNET.but("both towers"),
    SMALL_ALEXNET.but("its own only", options=ALONE),
    # as configuration 150 has it: conv2 a quarter wider, for what conv3 no longer gets from the other tower
    SMALL_ALEXNET.but("its own only, conv2 wider", options=ALONE | {"maps": (12, 30, 36, 36, 24)}),
)


def run(bench: Bench) -> str:
    """Train the three, and read from the ledger what crosses in a step of each."""
    for variant in COMPARED:
        for seed in bench.seeds:
            learned = bench.learn(sized(bench, variant), seed)
            at_conv3, in_all = crossing(learned)
            bench.row(
                variant=variant.name,
                seed=seed,
                images=learned.images,
                conv3_bytes=at_conv3,
                all_bytes=in_all,
                parameters=learned.net.num_parameters,
                train_error=learned.train_error,
                test_error=learned.test_error,
            )
    rows = results(bench.folder)
    bench.figure(
        figures.by_bytes(rows, f"test error by what crosses between the towers in a step of {BATCH} pictures"), "exchange"
    )
    return conclude(rows)


def crossing(learned: Learned) -> tuple[int, int]:
    """Bytes that cross between two devices in a step of BATCH images, forward and backward: for conv3, and in all."""
    net = MAKERS[learned.variant.net](
        parse_devices("cpu,cpu"), learned.net.num_classes, 0, input_shape=learned.net.input_shape, **learned.variant.options
    )
    logits = net.forward(np.zeros((BATCH, *net.input_shape), np.float32), train=True)
    net.backward(np.zeros_like(logits))
    return net.ledger.bytes("conv3"), net.ledger.bytes()


def conclude(rows: Sequence[Row]) -> str:
    """The exchange's effect, and its price."""
    both, *others = variants(rows)
    errors = {name: column(rows, "test_error", variant=name) for name in (both, *others)}
    said = " ".join(verdict(f"conv3 that sees {both}, not {name}", errors[name], errors[both]) for name in others)
    conv3, every = (next(iter(column(rows, name, variant=both).values())) for name in ("conv3_bytes", "all_bytes"))
    return f"{said} conv3's share of what crosses is {conv3 / every:.0%}."


def report(rows: Sequence[Row]) -> str:
    """Errors beside bytes."""
    lines = []
    for name in variants(rows):
        mine = next(row for row in rows if row["variant"] == name)
        lines.append(
            [
                name,
                f"{int(number(mine, 'parameters')):,}",
                *(f"{number(mine, which) / 1e6:.2f} MB" for which in ("conv3_bytes", "all_bytes")),
                *(mean_and_spread(column(rows, which, variant=name).values()) for which in ("train_error", "test_error")),
            ]
        )
    return markdown(["conv3 sees", "parameters", "crosses for conv3", "crosses in all", "training error", "test error"], lines)


CLAIM = Claim(
    name="exchange",
    says="The towers meet at conv3: what if each went on alone (the 2012 code's configuration 150)? Accuracy against bytes.",
    paper="not in the paper; the code's notes give 41.8% for it (conv2 wider), 40.7% for the net as published",
    cost="about 10 min on two cores",
    run=run,
    report=report,
)
