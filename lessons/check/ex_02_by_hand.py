"""Lesson 02: a number that is worked out with a pencil."""

from __future__ import annotations

from lessons.check.exercise import Value, register_value

register_value(
    Value(
        name="slope of tanh at y = 0.96",
        expected=1 - 0.96**2,
        about="the slope of tanh at the place where its output is 0.96",
        tolerance=1e-3,
        hint="The slope is 1 - y², and y = 0.96 is given.",
        mistakes=(
            (0.446052, "this is 1 - tanh²(0.96); but 0.96 is the output y already"),
            (0.04, "this is 1 - y; the slope is 1 - y²"),
            (0.0384, "this is y (1 - y), the slope of the sigmoid; that of tanh is 1 - y²"),
            (0.9216, "this is y²; the slope is 1 minus it"),
        ),
    )
)
