"""Lesson 11: numbers of AlexNet that are worked out with a pencil."""

from __future__ import annotations

from lessons.check.exercise import Value, register_value

register_value(
    Value(
        name="parameters of conv2",
        expected=256 * (48 * 5 * 5 + 1),
        about="how many weights and biases conv2 has, in both towers together",
        hint="A kernel of conv2 reads the 48 maps of its own tower. Do not forget the biases.",
        mistakes=(
            (
                256 * (96 * 5 * 5 + 1),
                "each kernel reads 96 maps here; the towers have not met yet: it reads its own 48",
            ),
            (256 * 48 * 5 * 5, "the biases are missing: one for each kernel"),
            (256 * 96 * 5 * 5, "the biases are missing, and each kernel reads the 48 maps of its own tower, not 96"),
            (128 * (48 * 5 * 5 + 1), "one tower only; there are two, with 128 kernels each"),
            (256 * (48 * 5 + 1), "a kernel is 5 x 5, not 5"),
        ),
    )
)

register_value(
    Value(
        name="parameters of fc6",
        expected=4096 * (9216 + 1),
        about="how many weights and biases fc6 has, in both towers together",
        hint="The input is all that pool5 puts out in both towers: 2 * 128 * 6 * 6 = 9216 numbers.",
        mistakes=(
            (4096 * 9216, "the biases are missing: one for each neuron"),
            (4096 * (4608 + 1), "each neuron reads one tower only; they meet before fc6, so it reads both, 9216 numbers"),
            (2048 * (9216 + 1), "one tower's neurons only; there are 2048 in each"),
            (4096 * (256 * 13 * 13 + 1), "conv5's maps are pooled from 13 x 13 to 6 x 6 before fc6 reads them"),
        ),
    )
)
