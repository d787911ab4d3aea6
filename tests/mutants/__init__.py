"""Planted errors, at least six for each backward pass: the checks that pass the real code must refuse every one.

    python -m tests.mutants              # the kill table; exit code 1 if one survives

A mutant also has a sentence for who makes that mistake: `looks_like`.
"""

from __future__ import annotations

from tests.mutants.activation import RELU, SIGMOID, TANH
from tests.mutants.conv import COL2IM, CONV2D
from tests.mutants.dropout import DROPOUT
from tests.mutants.engine import Misplaced, Mutant, Subject
from tests.mutants.fast import FAST
from tests.mutants.linear import FLATTEN, LINEAR
from tests.mutants.loss import SOFTMAX_CROSS_ENTROPY
from tests.mutants.lrn import LOCAL_RESPONSE_NORM
from tests.mutants.optim import SGD
from tests.mutants.pool import AVG_POOL2D, MAX_POOL2D
from tests.mutants.sequential import SEQUENTIAL
from tests.mutants.spatial_norm import SPATIAL_RESPONSE_NORM
from tests.mutants.towers import BROADCAST, EXCHANGE, GATHER, TOWERS

SUBJECTS: tuple[Subject, ...] = (
    CONV2D,
    COL2IM,
    MAX_POOL2D,
    AVG_POOL2D,
    LOCAL_RESPONSE_NORM,
    SPATIAL_RESPONSE_NORM,
    RELU,
    TANH,
    SIGMOID,
    LINEAR,
    FLATTEN,
    DROPOUT,
    SOFTMAX_CROSS_ENTROPY,
    SEQUENTIAL,
    BROADCAST,
    TOWERS,
    EXCHANGE,
    GATHER,
    SGD,
    *FAST,
)

__all__ = ["SUBJECTS", "Misplaced", "Mutant", "Subject"]
