"""GPUs that are behind the host: a training step waits for nothing, and what went wrong in one is still told as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data.batches import Batch
from minialex.evaluation import Scores
from minialex.optim import SGD
from minialex.training import NonFiniteGradient, Position, Step, train
from tests.devices.behind import (
    KERNELS,
    Given,
    a_failure_is_told_as_it_was,
    a_loss_alone_is_enough,
    a_sum_that_overflows_stops_nothing,
    it_learns_what_cpus_learn,
    it_waits_only_for_what_is_long_past,
    its_steps_wait_for_nothing,
    machine_of,
    poisoned,
    small,
    the_batch_that_failed_is_looked_at,
    the_first_gradient_of_the_first_step_is_named,
)
from tests.narrow import one_in
from tests.test_shown import a_set, loader_of


@pytest.mark.parametrize("peers", [True, False])
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("text", ["0,1", "0,0"])
def test_a_step_waits_for_nothing(text: str, kernels: str, peers: bool) -> None:
    its_steps_wait_for_nothing(text, kernels=kernels, peers=peers)


def test_a_step_of_bytes_waits_for_nothing() -> None:
    its_steps_wait_for_nothing("0,1", loader_of(a_set()), kernels="kernels")


@pytest.mark.parametrize("text", ["0,1", "0,0"])
@pytest.mark.parametrize("kernels", KERNELS)
def test_the_host_waits_only_for_what_is_long_past(text: str, kernels: str) -> None:
    it_waits_only_for_what_is_long_past(text, kernels=kernels)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("text", ["0,1", "1,0", "0,0"])
def test_it_learns_what_cpus_learn(text: str, kernels: str, quick: bool) -> None:
    it_learns_what_cpus_learn(text, kernels=kernels, quick=quick)


names = st.sampled_from([*small("cpu,cpu").params])


@one_in(2)
@given(
    text=st.sampled_from(["0,1", "0,0", "cpu,cpu", "cpu:0,cpu:0"]),
    kernels=st.sampled_from([*KERNELS]),
    quick=st.booleans(),
    step=st.integers(1, 5),
    name=names,
    value=st.sampled_from([nan, inf, -inf]),
)
def test_a_gradient_that_is_none_stops_every_device(
    text: str, kernels: str, quick: bool, step: int, name: str, value: float
) -> None:
    said = a_failure_is_told_as_it_was(text, step, {step: {name: value}}, kernels=kernels, quick=quick)
    assert said == f"a gradient is not finite at step {step}, in epoch 1, with lr 0.05: first in the gradient of {name}"


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("text", ["0,1", "0,0", "cpu,cpu"])
def test_which_step_and_what_began_it(text: str, kernels: str, quick: bool) -> None:
    the_first_gradient_of_the_first_step_is_named(text, kernels=kernels, quick=quick)
    the_batch_that_failed_is_looked_at(text, kernels=kernels, quick=quick)
    a_sum_that_overflows_stops_nothing(text, kernels=kernels, quick=quick)


def test_a_loss_alone_stops_every_device() -> None:
    a_loss_alone_is_enough("0,1")


def test_a_loss_is_waited_for_when_it_is_read() -> None:
    with machine_of() as machine:
        net = small("0,1")
        at = Position()
        events = train(net, Given(5), SGD(net), epochs=1, at=at)
        first, second = next(events), next(events)
        assert isinstance(first, Step)
        assert isinstance(second, Step)
        assert not first.known
        before = machine.waits
        loss = second.loss
        assert machine.waits == before + 2, "the first step's, and its own"
        assert first.known
        assert (first.loss + loss) * 3 == pytest.approx(at.total)
        assert machine.waits == before + 2
        next(events)
        assert isinstance(vars(second)["loss"], float), "who keeps a step should not keep the net"
        assert isinstance(at.total, float)
        assert machine.waits == before + 3
        assert at.train_loss == pytest.approx(at.total / 9)


def test_whoever_asks_hears_of_the_failure_and_hears_it_again() -> None:
    with machine_of():
        net, at = poisoned(small("0,1"), {1: {"fc5.bias": nan}}), Position()
        events = train(net, Given(5), SGD(net), epochs=1, at=at)
        first, second = next(events), next(events)
        assert isinstance(first, Step)
        assert isinstance(second, Step)
        for ask in (lambda: at.train_loss, lambda: second.loss, lambda: first.loss, lambda: next(events)):
            with pytest.raises(NonFiniteGradient, match="at step 1"):
                ask()
        assert (at.step, at.batches, at.seen, at.total) == (0, 0, 0, 0.0)


def test_no_net_is_tested_after_a_step_that_was_none() -> None:
    """The last of an epoch, too, is known before the test."""
    tested: list[None] = []

    def test() -> Scores:
        tested.append(None)
        return Scores(1.0, 0.5, 0.5)

    with machine_of():
        net = poisoned(small("0,1"), {5: {"fc5.bias": nan}})
        with pytest.raises(NonFiniteGradient, match="at step 5"):
            list(train(net, Given(5), SGD(net), epochs=2, test=test))
    assert not tested


def test_labels_are_checked_before_anything_is_sent() -> None:
    class Wrong(Given):
        def epoch(self, number: int) -> Iterator[Batch]:
            for images, labels in super().epoch(number):
                yield images, labels + 10

    images = 3 * 2 * 9 * 12 * 8
    for text in ("0,1", "cpu,cpu"):
        with machine_of() as machine:
            net = small(text)
            with pytest.raises(ValueError, match=r"labels\[0\] is 1\d, not a class of 0..9"):
                next(train(net, Wrong(2), SGD(net), epochs=1))
            assert all(copy.bytes < images for copy in machine.copies), "the images have been sent"


def test_the_ledger_says_what_crosses_in_a_step() -> None:
    """Labels go up, two numbers come down, and each device hears the others' flags; logits and their gradient stay."""
    with machine_of("kernels") as machine:
        net = small("0,1")
        events = train(net, Given(3), SGD(net), epochs=1)
        next(events)
        machine.copies.clear()
        next(events)
        rows = [row for row in net.ledger.rows if row.layer in ("labels", "loss", "guard", "logits")]
        assert sorted(rows) == [
            ("guard", "backward", "cuda:0", "cuda:1", 4),
            ("guard", "backward", "cuda:1", "cuda:0", 4),
            ("labels", "forward", "host", "cuda:0", 3 * 8),
            ("loss", "forward", "cuda:0", "host", 2 * 8),
        ]
        copied = Counter((copy.source, copy.to, copy.bytes) for copy in machine.copies)
        places = {"host": None, "cuda:0": 0, "cuda:1": 1}
        written = Counter((places[row.source], places[row.to], row.bytes) for row in net.ledger.rows)
        written.update({(None, gpu, 2 * 2 * 9 * 12 * 8): 1 for gpu in (0, 1)})  # the next batch has set out,
        written.subtract({(None, gpu, 3 * 2 * 9 * 12 * 8): 1 for gpu in (0, 1)})  # as this one had before
        assert copied == +written
