"""What is claimed of SoftmaxCrossEntropy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minialex import layers
from minialex.gradcheck import check_loss
from tests import reference
from tests.checks.suite import Suite, complains, same
from tests.strategies import LossCase, loss_cases


def the_loss_follows_the_definition(cls: Any, case: LossCase) -> None:
    """The loss is the mean of -log p[n, label], a plain float, and its gradient (p - [c = label]) / N, in the logits' dtype"""
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5)):
        loss, logits, labels = cls(), case.x(dtype), case.labels()
        value = loss.forward(logits, labels)
        assert type(value) is float, f"the loss is a {type(value)}, expected a float"
        wide = logits.astype(np.float64)
        expected = reference.cross_entropy(wide, labels)
        assert abs(value - expected) <= tolerance * (1 + expected), f"the loss is {value}, expected {expected}"
        dlogits = loss.backward()
        same("dlogits", dlogits, reference.cross_entropy_backward(wide, labels), tolerance)
        assert dlogits.dtype == dtype, f"dlogits is {dlogits.dtype} for {logits.dtype} logits"


def the_gradient_of_each_row_sums_to_zero(cls: Any, case: LossCase) -> None:
    """A constant added to all logits of an image changes neither the loss nor the gradient, whose rows sum to 0"""
    loss, logits, labels = cls(), case.x(), case.labels()
    value, dlogits = loss.forward(logits, labels), loss.backward()
    same("the sums of dlogits' rows", dlogits.sum(axis=1), np.zeros(len(logits)), 1e-12)
    moved = loss.forward(logits + case.dy((len(logits), 1)), labels)
    assert abs(moved - value) < 1e-12, f"the loss becomes {moved}, was {value}"
    same("dlogits", loss.backward(), dlogits, 1e-12)


def the_loss_is_a_mean(cls: Any, case: LossCase) -> None:
    """The batch twice over has the same loss, and half the gradient for each copy"""
    loss, logits, labels = cls(), case.x(), case.labels()
    value, dlogits = loss.forward(logits, labels), loss.backward()
    twice = loss.forward(np.concatenate([logits, logits]), np.concatenate([labels, labels]))
    assert abs(twice - value) < 1e-12 * (1 + value), f"the loss of the batch twice over is {twice}, of the batch {value}"
    same("dlogits", loss.backward(), np.concatenate([dlogits, dlogits]) / 2, 1e-14)


def the_loss_leaves_its_arguments_alone(cls: Any, case: LossCase) -> None:
    """Forward and backward change neither logits nor labels, and a second backward gives the same"""
    loss, logits, labels = cls(), case.x().copy(order="K"), case.labels().copy()
    loss.forward(logits, labels)
    first = loss.backward()
    kept = first.copy()
    same("dlogits, the second time,", loss.backward(), kept)
    same("dlogits, returned before,", first, kept)
    same("logits", logits, case.x())
    same("labels", labels, case.labels())


def the_loss_passes_central_differences(cls: Any, case: LossCase) -> None:
    """dlogits equals the slope that moving the logits shows"""
    check_loss(cls(), case.x(), case.labels(), seed=case.seed, tolerance=1e-6, method="central")


def the_loss_passes_complex_steps(cls: Any, case: LossCase) -> None:
    """dlogits equals the slope along an imaginary step, to ten digits"""
    check_loss(cls(), case.x(), case.labels(), seed=case.seed, tolerance=1e-10, method="complex")


def the_loss_agrees_on_other_devices(cls: Any, case: LossCase, device: Any) -> None:
    """The loss is the same wherever logits and labels live, and its gradient stays there"""
    loss = cls()
    value, dlogits = loss.forward(case.x(), case.labels()), loss.backward()
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5)):
        for put in (device.put, np.asarray):  # labels may come from the host as they are
            with device:
                there = cls()
                received = there.forward(case.x(dtype, device.put), case.labels(put))
                gradient = there.backward()
            assert type(received) is float, f"the loss is a {type(received)}, expected a float"
            assert abs(received - value) <= tolerance * (1 + value), f"the loss is {received} there, {value} here"
            assert type(gradient) is type(device.put(np.zeros(1))), f"dlogits is a {type(gradient)}"
            same("dlogits", device.get(gradient), dlogits, tolerance)


def large_logits_do_no_harm(cls: Any) -> None:
    """Logits of ±1e4 give the exact loss and gradient, without overflow; equal ones give ln(classes)"""
    for dtype in (np.float32, np.float64):
        logits = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [0.0, 1e4, 1e4]], dtype)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            loss = cls()
            value = loss.forward(logits, np.array([1, 2, 0]))
            expected = (2e4 + np.log(3) + 1e4 + np.log(2)) / 3
            assert abs(value - expected) < 1e-6 * expected, f"the loss is {value}, expected {expected}"
            third, half = 1 / 3, 1 / 2
            rows = np.array([[1, -1, 0], [third, third, third - 1], [-1, half, half]])
            same("dlogits", loss.backward(), rows / 3, 1e-6)
    value = cls().forward(np.zeros((4, 10), np.float32), np.arange(4))
    assert abs(value - np.log(10)) < 1e-6, f"without knowledge the loss is {value}, expected ln 10"


def wrong_labels_are_named(cls: Any) -> None:
    """Labels out of range, too few, too many, floats or one-hot, and logits of a wrong shape, are errors of one line"""
    loss, logits, labels = cls(), np.zeros((3, 4), np.float32), np.array([0, 1, 2])
    complains(RuntimeError, "forward", of=loss.backward)
    for wrong, words in (
        (np.array([0, 4, 1]), ("labels", "4", "3")),
        (np.array([0, 1, -1]), ("labels", "-1")),
        (labels[:2], ("labels", "(2,)", "3")),
        (np.array([0, 1, 2, 3]), ("labels", "(4,)", "3")),
        (labels.astype(np.float32), ("labels", "float32")),
        (np.eye(4, dtype=int)[labels], ("labels", "(3, 4)")),
    ):
        complains(ValueError, *words, of=partial(loss.forward, logits, wrong))
    complains(ValueError, "logits", "(4,)", of=lambda: loss.forward(logits[0], labels))
    complains(ValueError, "logits", "(3, 4, 1)", of=lambda: loss.forward(logits[..., None], labels))
    complains(ValueError, "logits", "(0, 4)", of=lambda: loss.forward(logits[:0], labels[:0]))
    complains(ValueError, "logits", "int64", of=lambda: loss.forward(logits.astype(np.int64), labels))


SOFTMAX_CROSS_ENTROPY = Suite(
    layers.SoftmaxCrossEntropy,
    loss_cases(),
    (
        the_loss_follows_the_definition,
        the_gradient_of_each_row_sums_to_zero,
        the_loss_is_a_mean,
        the_loss_leaves_its_arguments_alone,
        the_loss_passes_complex_steps,
        the_loss_passes_central_differences,
    ),
    (large_logits_do_no_harm, wrong_labels_are_named),
)

check_softmax_cross_entropy = SOFTMAX_CROSS_ENTROPY.run
