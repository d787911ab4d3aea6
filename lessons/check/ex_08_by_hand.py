"""Lesson 08: numbers that are worked out with a pencil."""

from __future__ import annotations

from math import sqrt

from lessons.check.exercise import Value, register_value

register_value(
    Value(
        name="speed in the end",
        expected=10.0,
        about="the velocity that a steady slope of 1 ends in, with momentum 0.9",
        tolerance=1e-6,
        hint="In the end v does not change any more: v = 0.9 v + 1. Solve for v.",
        mistakes=(
            (1.9, "this is the speed after two steps; it goes on growing"),
            (2.71, "this is the speed after three steps; it goes on growing"),
            (0.9, "this is the momentum; which v gives itself again in v = 0.9 v + 1?"),
            (1.0, "this is the speed after the first step; it goes on growing"),
            (9.0, "this is what the old velocity contributes, 0.9 v; the whole is 0.9 v + 1"),
        ),
    )
)

register_value(
    Value(
        name="std for fc6",
        expected=sqrt(2 / 9216),
        about="the standard deviation with which fc6, of 9216 inputs, keeps a signal's size",
        tolerance=1e-2,
        hint="The size of the signal stays when D std² / 2 = 1.",
        mistakes=(
            (sqrt(2 / 4608), "this is for one tower's 4608 inputs; fc6 reads those of both"),
            (2 / 9216, "this is the variance, std²; its root is asked for"),
            (sqrt(1 / 9216), "without the 2: ReLU takes away half, which has to be made up for"),
            (sqrt(2 / 4096), "this is for 4096 inputs; fc6 has 9216 (its 4096 are the outputs of both towers)"),
        ),
    )
)
