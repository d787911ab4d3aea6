"""Lesson 10: what crosses, in bytes."""

from __future__ import annotations

from lessons.check.exercise import Value, register_value

ONE_WAY = 128 * 128 * 13 * 13 * 4

register_value(
    Value(
        name="bytes for conv3, one way",
        expected=ONE_WAY,
        about="the bytes that tower 0 sends to tower 1 before conv3, for a batch of 128 images",
        hint="images * maps of one tower * height * width * bytes of a float32.",
        mistakes=(
            (ONE_WAY // 4, "these are the numbers; a float32 takes 4 bytes"),
            (2 * ONE_WAY, "both ways together, or the maps of both towers: one tower sends its own 128 maps"),
            (4 * ONE_WAY, "both ways, forward and backward; asked is one way, forward"),
            (2 * ONE_WAY // 4, "the numbers of both towers; asked are the bytes of one tower's"),
            (128 * 13 * 13 * 4, "one image; the batch has 128"),
            (
                128 * 192 * 13 * 13 * 4,
                "these are conv3's own maps; what crosses is what it reads, the 128 of pool2",
            ),
            (128 * 128 * 27 * 27 * 4, "27 x 27 is the size before pool2; what crosses has been pooled to 13 x 13"),
        ),
    )
)

register_value(
    Value(
        name="gradient of tower 0's first number",
        expected=6,
        about="the gradient of the number 1 in x0",
        hint="x0[0, 0] = 1 stands at the same place in both towers' y. Add the numbers that stand there in dy0 and in dy1.",
        mistakes=(
            (1, "tower 0's part alone; tower 1 has read this number, too"),
            (5, "tower 1's part alone; tower 0 has read this number, too"),
            (3, "the mean of the two parts; paths add up"),
        ),
    )
)
