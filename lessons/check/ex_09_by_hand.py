"""Lesson 09: the number that is worked out with a pencil."""

from __future__ import annotations

from lessons.check.exercise import Value, register_value

register_value(
    Value(
        name="views of a photo",
        expected=2 * 33 * 33,
        about="the number of different views of one photo, mirrored or not",
        hint="The largest top is 256 - 224 = 32, and 0 counts, too. So there are 33, and as many for left.",
        mistakes=(
            (2048, "32 places along a side, as the paper counts: 0 is one of them, so there are 33"),
            (33 * 33, "the mirror images are missing"),
            (1024, "32 places along a side, where 0 is one of them, so that there are 33; and the mirror images are missing"),
            (66, "33 + 33; but each top goes together with each left"),
            (4 * 33 * 33, "mirrored from top to bottom as well; the paper mirrors from left to right only"),
        ),
    )
)
