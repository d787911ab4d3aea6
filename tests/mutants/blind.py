"""For contrast: gradient checks as they are often written, and which mutants they would let pass.

Each compares backward with central differences in float64, at every coordinate of x and of every parameter, and has one
weakness; "all three" has them together. The control has none, on the same few cases. What the control misses too is no
matter of gradients: ties, dtypes, overwritten arguments, a ledger that was not written.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from minialex.devices import strict_mode
from tests.checks.towers import ExchangeCase, Flat, GatherCase, StageCase, TowersCase
from tests.mutants.engine import Mutant, Subject
from tests.reference import Array
from tests.strategies import (
    AvgPoolCase,
    ConvCase,
    DropoutCase,
    FlattenCase,
    LinearCase,
    LRNCase,
    MaxPoolCase,
    ReLUCase,
    SequentialCase,
    SigmoidCase,
    SpatialNormCase,
    TanhCase,
)

Cases = dict[str, Sequence[Any]]  # by the name of the subject

CONV = (
    ConvCase(shape=(2, 2, 4, 3), out_channels=3, kernel_size=(3, 2), stride=(2, 1), padding=(1, 0, 0, 2)),
    ConvCase(shape=(1, 4, 3, 5), out_channels=4, kernel_size=(2, 3), stride=(1, 2), padding=(0, 1, 2, 0), groups=2),
)
MAX, AVG = (
    tuple(
        kind(shape=shape, kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
        for shape, kernel, stride, padding, ceil_mode in (
            ((1, 2, 4, 3), (3, 2), (2, 1), (1, 2, 0, 1), False),
            ((1, 2, 3, 5), (2, 3), (1, 2), (0, 1, 2, 0), True),
            ((1, 1, 6, 5), 3, 2, 0, True),
        )
    )
    for kind in (MaxPoolCase, AvgPoolCase)
)
SQUARE_CONV = tuple(
    ConvCase(shape=(2, 2, size, size), out_channels=2, kernel_size=kernel, stride=stride)
    for size, kernel, stride in ((4, 3, 1), (4, 2, 2), (5, 3, 2))
)
SQUARE_MAX, SQUARE_AVG = (
    tuple(kind(shape=(1, 2, size, size), kernel_size=kernel, stride=2) for size, kernel in ((4, 2), (5, 3)))
    for kind in (MaxPoolCase, AvgPoolCase)
)
LRN = tuple(
    LRNCase(shape=(2, 6, 1, 2), size=size, alpha=0.5, beta=0.75, k=2.0, alpha_over_size=divided, groups=groups)
    for size, divided, groups in ((5, False, 1), (4, True, 1), (3, False, 2))
)
SPATIAL = tuple(SpatialNormCase(shape=(1, 2, 4, 3), size=size, alpha=0.5 * size**2, beta=0.75, k=1.0) for size in (3, 2, 5))
PAPER_LRN = (LRNCase(shape=(2, 6, 1, 2), size=5, alpha=1e-4, beta=0.75, k=2.0),)
TOWERS: dict[str, Any] = {"widths": (2, 3), "places": ("cpu:0", "cpu:1"), "N": 2}

GENERAL: Cases = {
    "Conv2d": CONV,
    "col2im": CONV,
    "MaxPool2d": MAX,
    "AvgPool2d": AVG,
    "LocalResponseNorm": LRN,
    "SpatialResponseNorm": SPATIAL,
    "ReLU": (ReLUCase(shape=(3, 4)),),
    "Tanh": (TanhCase(shape=(3, 4)),),
    "Sigmoid": (SigmoidCase(shape=(3, 4)),),
    "Linear": (LinearCase(shape=(3, 4), out_features=5), LinearCase(shape=(2, 3), out_features=3)),
    "Flatten": (FlattenCase(shape=(2, 3, 2, 4)), FlattenCase(shape=(2, 3, 2, 4), order="channels last")),
    "Dropout": (DropoutCase(shape=(4, 5), p=0.5),),
    "Sequential": (SequentialCase(shape=(2, 2, 3, 4)),),
    "Towers": (TowersCase(**TOWERS), TowersCase(**TOWERS, size=(1, 2))),
    "Exchange": (ExchangeCase(**TOWERS), ExchangeCase(**TOWERS, size=(1, 2))),
    "Gather": (GatherCase(**TOWERS), GatherCase(**TOWERS, size=(1, 2), owner=1)),
}
SQUARE: Cases = {"Conv2d": SQUARE_CONV, "col2im": SQUARE_CONV, "MaxPool2d": SQUARE_MAX, "AvgPool2d": SQUARE_AVG}
PAPER: Cases = {"LocalResponseNorm": PAPER_LRN}


@dataclass(frozen=True)
class Blind:
    """A gradient check, and the cases that it is run on; subjects without cases are none of its business."""

    name: str
    what: str
    cases: Cases
    ones: bool = False  # the upstream gradient: ones, or random numbers
    rtol: float = 1e-6
    atol: float = 1e-7

    def accepts(self, subject: Subject, module: Any) -> bool | None:
        """Whether it finds nothing wrong; None where it does not apply."""
        if subject.name not in self.cases:
            return None
        make, _ = subject.trials[-1]  # col2im: through Conv2d
        try:
            with strict_mode(), warnings.catch_warnings(category=RuntimeWarning, action="ignore"):
                return all(self.agrees(make(module), case) for case in self.cases[subject.name])
        except Exception:
            return False

    def agrees(self, cls: Any, case: Any) -> bool:
        """Backward against the slopes of sum(dy * y)."""
        if isinstance(case, StageCase):
            layer, x = Flat(case, cls), np.concatenate([x.ravel() for x in case.xs()])
        else:
            layer, x = case.layer(cls), case.x().copy(order="K")
        states = [(rng, rng.bit_generator.state) for rng in getattr(layer, "generators", dict)().values()]

        def forward() -> Array:
            for rng, state in states:
                rng.bit_generator.state = state
            return np.array(layer.forward(x))

        y = forward()
        dy = np.ones(y.shape) if self.ones else np.asarray(np.random.default_rng(1).standard_normal(y.shape))
        received = {"x": layer.backward(dy.copy())} | getattr(layer, "grads", {})
        for name, a in {"x": x, **getattr(layer, "params", {})}.items():
            slopes = np.zeros(a.shape)
            for at in np.ndindex(a.shape):
                value = a[at]
                a[at] = value + 1e-5
                right = forward()
                a[at] = value - 1e-5
                slopes[at] = (dy * (right - forward())).sum() / 2e-5
                a[at] = value
            if received[name].shape != a.shape or not np.allclose(received[name], slopes, self.rtol, self.atol):
                return False
        return True


CONTROL = Blind("control", "random upstream, uneven geometry, padding, groups, alpha = 0.5", GENERAL)
BLIND: tuple[Blind, ...] = (
    Blind("ones", "an upstream gradient of ones", GENERAL, ones=True, rtol=1e-4, atol=1e-5),
    Blind("paper's α", "LRN at alpha = 1e-4, where errors of a thousandth pass", PAPER, rtol=1e-3, atol=1e-5),
    Blind("square", "only square images, kernels and strides, and no padding", SQUARE),
    Blind("all three", "these three weaknesses together", GENERAL | SQUARE | PAPER, ones=True, rtol=1e-3, atol=1e-5),
)


@cache
def verdicts(subject: Subject, mutant: Mutant) -> dict[str, bool | None]:
    """For the control and each blind check: whether it lets the mutant pass; None where it does not apply."""
    module = subject.planted(mutant)
    return {check.name: check.accepts(subject, module) for check in (CONTROL, *BLIND)}
