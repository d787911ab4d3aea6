"""Lesson 01: the numbers that are worked out with a pencil."""

from __future__ import annotations

from lessons.check.exercise import Value, register_value

register_value(
    Value(
        name="y[1]",
        expected=1,
        about="the second score, from the second row of W, x and the second bias",
        hint="Multiply the numbers of W's second row with those of x, one by one, add the products up, and add b[1].",
        mistakes=(
            (-0.5, "this is y[0], with the first row of W; counting starts at 0"),
            (2, "the bias b[1] = -1 is left out"),
            (3, "the bias is subtracted"),
        ),
    )
)

register_value(
    Value(
        name="p[1] of [0, ln 3]",
        expected=0.75,
        about="the probability of the second class, whose score is ln 3",
        tolerance=1e-3,
        hint="e to the power 0 is 1, and e to the power ln 3 is 3. What is 3 as a share of both together?",
        mistakes=(
            (0.25, "this is p[0], the share of the first class"),
            (3, "this is e^(ln 3); a probability is its share of the sum"),
            (1 / 3, "this is e^0 / e^(ln 3); the second class's share is e^(ln 3) of the sum of both"),
        ),
    )
)
