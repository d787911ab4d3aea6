"""Lesson 00: a first exercise, to see how exercises work, and the numbers that are worked out with a pencil."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np

from lessons.check.exercise import Exercise, Mistake, Trial, Value, register, register_value
from minialex.arrays import Array
from tests.checks.suite import Suite
from tests.strategies import LossCase, loss_cases


def top1_error(logits: Array, labels: Array) -> float:
    """The share of images whose likeliest class is not the right one."""
    return float((logits.argmax(axis=1) != labels).mean())


def several_classes(case: LossCase) -> LossCase:
    """The case with two classes at least: with one alone nobody can be wrong."""
    return replace(case, shape=(case.shape[0], max(2, case.shape[1])))


def the_error_is_a_share(function: Any, case: LossCase) -> None:
    """The error is the number of images whose largest score is not the right class's, divided by the number of images"""
    logits, labels = case.x(), case.labels()
    wrong = 0
    for row, label in zip(logits, labels, strict=True):
        wrong += any(score > row[label] for score in row)
    received, expected = float(function(logits, labels)), wrong / len(labels)
    assert abs(received - expected) < 1e-12, f"the error is {received}, expected {expected}"


def all_right_all_wrong(function: Any) -> None:
    """If every image is right the error is 0, if every one is wrong it is 1"""
    for labels, expected in (([0, 1, 2], 0.0), ([1, 2, 0], 1.0), ([0, 1, 0], 1 / 3)):
        received = float(function(np.eye(3), np.array(labels)))
        assert abs(received - expected) < 1e-12, f"the error is {received}, expected {expected}"


register(
    Exercise(
        name="top1_error",
        lesson="00",
        right=top1_error,
        returns=("error",),
        trials=(Trial(Suite(top1_error, loss_cases().map(several_classes), (the_error_is_a_share,), (all_right_all_wrong,))),),
        reward="That is how every net in these lessons will be judged, and how the paper's was.",
        then="Use it on the net: the next cell does.",
        keeps_dtype=False,
        mistakes=(
            Mistake(
                "accuracy",
                lambda logits, labels: float((logits.argmax(axis=1) == labels).mean()),
                "the share of images that are right: the error is 1 minus that",
            ),
            Mistake(
                "not a share",
                lambda logits, labels: float((logits.argmax(axis=1) != labels).sum()),
                "how many images are wrong; the error is that number divided by how many there are",
            ),
            Mistake(
                "the smallest score",
                lambda logits, labels: float((logits.argmin(axis=1) != labels).mean()),
                "the smallest score is looked for; the likeliest class has the largest",
            ),
            Mistake(
                "down the batch",
                lambda logits, labels: float((logits.argmax(axis=0) != labels).mean()),
                "argmax runs down the columns (axis=0), from picture to picture; a picture's scores stand in a row, axis=1",
            ),
            Mistake(
                "score for its place",
                lambda logits, labels: float((logits.max(axis=1) != labels).mean()),
                "the largest score itself is compared with the label; its place is wanted, np.argmax",
            ),
            Mistake(
                "per cent",
                lambda logits, labels: float(100 * (logits.argmax(axis=1) != labels).mean()),
                "this is in per cent; a share lies between 0 and 1",
            ),
            Mistake(
                "divided by the classes",
                lambda logits, labels: float((logits.argmax(axis=1) != labels).sum() / logits.shape[1]),
                "the wrong images are divided by the number of classes; it should be the number of images",
            ),
        ),
    )
)

register_value(
    Value(
        name="loss of a guess",
        expected=log(10),
        about="the loss of a net that gives each of ten classes the same probability",
        tolerance=2e-3,
        hint="The probability of the right class is 1/10, whichever it is. np.log is the natural logarithm.",
        mistakes=(
            (-log(10), "the minus sign is missing: a loss is never negative"),
            (1.0, "this is the logarithm to the base 10; the loss uses the natural one, np.log"),
            (0.1, "this is the probability itself; the loss is minus its logarithm"),
            (0.9, "this is the error of a guess; the loss is minus the logarithm of a probability"),
        ),
    )
)

register_value(
    Value(
        name="bytes to fc4",
        expected=64 * 32 * 2 * 2 * 4,
        about="how many bytes the maps of one tower take, after pool3, for a batch of 64",
        hint="How many numbers does one tower make of an image (the row pool3 of the table)? A float32 is 4 bytes.",
        mistakes=(
            (32 * 2 * 2 * 4, "this is for one image; the batch has 64"),
            (64 * 32 * 2 * 2, "these are numbers; each takes 4 bytes"),
            (2 * 64 * 32 * 2 * 2 * 4, "this is both ways together; the ledger has a row for each way"),
            (64 * 32 * 4 * 4 * 4, "these are the maps before pool3, of 4 x 4 numbers"),
        ),
    )
)
