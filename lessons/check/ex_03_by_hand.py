"""Lessons 03 and 04: the numbers that are worked out with a pencil, for x = [[1, 2, 0], [3, 1, 2], [0, 1, 1]]."""

from __future__ import annotations

from lessons.check.exercise import Value, register_value

register_value(
    Value(
        name="y[1, 1]",
        expected=1,
        about="the sum of weight times pixel, with the kernel in the bottom right corner",
        hint="Under the kernel lie 1, 2 in one row and 1, 1 in the next.",
        mistakes=(
            (4, "the kernel in the top right corner (that is y[0, 1]), or one that was turned by 180 degrees first"),
            (2, "the kernel in the bottom left corner; that is y[1, 0]"),
            (5, "the sign of the weight -1 is lost"),
        ),
    )
)

register_value(
    Value(
        name="dw[1, 0]",
        expected=2,
        about="the sum of dy times the pixels that lay under w[1, 0]",
        hint="Under w[1, 0], the bottom left weight, lay the pixels 3, 1 (for the outputs above) and 0, 1 (for those below).",
        mistakes=(
            (4, "the minus sign of dy[1, 1] is lost"),
            (0.5, "the sum is divided by 4: the gradient is a sum, not a mean"),
            (5, "the pixels are added up without dy"),
        ),
    )
)
