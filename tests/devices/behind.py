"""What is claimed of steps on GPUs that are behind the host: they wait for nothing, and what went wrong is told as it was.

The same nets learn on GPUs that are not there, which are quick (all is done when the host asks) or as slow as can be (nothing
is done before the host has waited for it), with the kernels and without.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import pytest

from minialex import optim
from minialex.arrays import Array
from minialex.data.batches import Batch
from minialex.devices import parse_devices
from minialex.net import Net
from minialex.nets import small_towers
from minialex.training import Epoch, NonFinite, NonFiniteGradient, NonFiniteLoss, Position, Step, guard, train
from minialex.training.loop import BEHIND
from tests.cuda import stand_in
from tests.cuda.compiled import compiler
from tests.devices import fake_cupy
from tests.devices.fake_gpus import Machine

SHAPE = (2, 9, 12)
KERNELS = {"kernels": stand_in.installed, "no kernels": fake_cupy.installed}
Poison = dict[int, dict[str, float]]  # step -> gradient -> what becomes of one of its numbers


@contextmanager
def machine_of(kernels: str = "no kernels", quick: bool = False, peers: bool = True) -> Iterator[Machine]:
    if kernels == "kernels":
        compiler()
    with KERNELS[kernels](2, peers=peers) as machine:
        machine.quick = quick
        yield machine
        machine.quick = False
    gc.collect()
    assert not machine.late, machine.late


def small(text: str) -> Net:
    return small_towers(parse_devices(text), dtype=np.float64, input_shape=SHAPE, maps=2, hidden=3)


class Given:
    """So many batches of three, the last of two, each with its number for a seed; `spoiled` ones have a nan in image 1."""

    def __init__(self, batches: int, spoiled: tuple[int, ...] = ()) -> None:
        self.batches, self.spoiled = batches, spoiled

    def __len__(self) -> int:
        return self.batches

    def epoch(self, number: int) -> Iterator[Batch]:
        C, H, W = SHAPE
        for n in range(1, self.batches + 1):
            rng = np.random.default_rng((number, n))
            N = 3 if n < self.batches else 2
            images = rng.standard_normal((N, H, W, C)).transpose(0, 3, 1, 2)
            if n in self.spoiled:
                images[1, 0, 0, 0] = nan
            yield images, rng.integers(0, 10, N)


def poisoned(net: Net, poison: Poison) -> Net:
    """In some steps one number of a gradient becomes what `poison` says, on its device; if that is finite, all of them."""
    backward, step = net.backward_from_home, 0

    def changed(dlogits: Array) -> None:
        nonlocal step
        backward(dlogits)
        step += 1
        for name, device, layer in net.layers():
            for key, gradient in layer.grads.items():
                if (value := poison.get(step, {}).get(f"{name}.{key}")) is not None:
                    device.submit(gradient.__setitem__, ... if isfinite(value) else (-1,) * gradient.ndim, value).result()

    net.backward_from_home = changed  # type: ignore[method-assign]
    return net


def same(got: dict[str, Array], expected: dict[str, Array], atol: float = 1e-11) -> None:
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=0, atol=atol, err_msg=name)


def velocities(net: Net, sgd: optim.SGD) -> dict[str, Array]:
    devices = {f"{name}.{key}": device for name, device, layer in net.layers() for key in layer.params}
    return {name: devices[name].get(value) for name, value in sgd.velocity.items()}


# What is claimed


def it_learns_what_cpus_learn(text: str, **options: Any) -> None:
    """The losses of all steps, the sums of the position, parameters and velocities."""
    found = []
    for where in ("cpu,cpu", text):
        with machine_of(**options):
            net, at = small(where), Position()
            sgd = optim.SGD(net, lr=0.05)
            events = train(net, Given(4), sgd, epochs=2, at=at)
            steps = [event for event in events if isinstance(event, Step)]
            totals = [step.loss for step in steps[2:]] + [step.loss for step in steps[:2]] + [e.train_loss for e in at.done]
            state = at.epoch, at.batches, at.step, at.seen
            found.append((totals, state, net.state_dict(), velocities(net, sgd)))
            for epoch, own in zip(at.done, (steps[:4], steps[4:]), strict=True):
                mean = sum(step.loss * step.images for step in own) / sum(step.images for step in own)
                assert epoch.train_loss == pytest.approx(mean)
    (here, place, params, speeds), (there, same_place, same_params, same_speeds) = found
    np.testing.assert_allclose(there, here, rtol=1e-10)
    assert same_place == place
    same(same_params, params)
    same(same_speeds, speeds)


def its_steps_wait_for_nothing(text: str, batches: Any = None, **options: Any) -> None:
    """From the end of the first step to the end of the last; and down comes nothing but two numbers a step."""
    with machine_of(quick=True, **options) as machine:
        net = small(text)
        batches = batches or Given(5)
        events = train(net, batches, optim.SGD(net, lr=0.05), epochs=1)
        assert isinstance(next(events), Step)
        before = machine.waits
        machine.copies.clear()
        for _ in range(len(batches) - 1):
            assert isinstance(next(events), Step)
            assert machine.waits == before, "the host has waited"
        down = [copy.bytes for copy in machine.copies if copy.way == "down"]
        if options.get("peers", True):
            assert down == [2 * 8] * (len(batches) - 1)
        assert isinstance(next(events), Epoch)


def it_waits_only_for_what_is_long_past(text: str, **options: Any) -> None:
    """However slow GPUs are, when the host waits two whole steps are queued behind what it waits for."""
    with machine_of(**options) as machine:
        net = small(text)
        home: Any = net.home
        waits, ahead, length = [], [], 0
        for event in train(net, Given(6), optim.SGD(net, lr=0.05), epochs=1):
            if isinstance(event, Step):
                waits.append(machine.waits)
                ahead.append(list(machine.ahead))
                now = home.stream.clock[home.stream.ptr]
                length = min(length or now, now)  # the first step's work: no later one has more
        assert waits[:BEHIND] == [waits[0]] * BEHIND, "it waits though few steps are open"
        assert np.diff(waits[BEHIND - 1 :]).tolist() == [1] * (6 - BEHIND), "once a step: the numbers of one long past"
        assert all(behind > 1.5 * length for behind in ahead[-1]), f"{ahead[-1]} of {length}"


def a_failure_is_told_as_it_was(
    text: str, at_step: int, poison: Poison | None = None, spoiled: tuple[int, ...] = (), **options: Any
) -> str:
    """Parameters, velocities and position are those of a run that ended before that step; returns what is said."""
    with machine_of(**options):
        net, at = poisoned(small(text), poison or {}), Position()
        sgd = optim.SGD(net, lr=0.05)
        with np.errstate(all="ignore"), pytest.raises(NonFinite) as failure:
            for _ in train(net, Given(5, spoiled), sgd, epochs=2, at=at):
                pass
        twin, twin_at, place = small(text), Position(), Position()
        twin_sgd = optim.SGD(twin, lr=0.05)
        for event in train(twin, Given(5), twin_sgd, epochs=2, steps=at_step - 1, at=twin_at) if at_step > 1 else ():
            place = replace(twin_at) if isinstance(event, Step) else place
        same(net.state_dict(), twin.state_dict(), 0)
        expected = velocities(twin, twin_sgd) if at_step > 1 else {n: np.zeros_like(v) for n, v in velocities(net, sgd).items()}
        same(velocities(net, sgd), expected, 0)
        assert (at.epoch, at.batches, at.step, at.seen, at.total) == (
            place.epoch, place.batches, place.step, place.seen, place.total
        )  # fmt: skip
        assert isinstance(failure.value, NonFiniteLoss if spoiled else NonFiniteGradient)
        said = str(failure.value)
        assert f"at step {at_step}, in epoch 1, with lr 0.05" in said, said
        return said


def the_first_gradient_of_the_first_step_is_named(text: str, **options: Any) -> None:
    """Of two in one step that which backward computes first; and none of a step after it."""
    poison = {3: {"conv2.0.weight": nan, "conv2.1.bias": inf}, 4: {"fc5.bias": nan}, 5: {"fc5.weight": -inf}}
    assert a_failure_is_told_as_it_was(text, 3, poison, **options).endswith("first in the gradient of conv2.1.bias")


def one_device_stops_all(text: str, **options: Any) -> None:
    """Whichever it is."""
    for name in ("fc5.weight", "conv1.0.weight", "conv1.1.weight"):
        assert a_failure_is_told_as_it_was(text, 2, {2: {name: nan}}, **options).endswith(f"first in the gradient of {name}")


def the_batch_that_failed_is_looked_at(text: str, **options: Any) -> None:
    assert a_failure_is_told_as_it_was(text, 2, spoiled=(2,), **options).endswith("image 1 has pixels that are not finite")


def a_sum_that_overflows_stops_nothing(text: str, **options: Any) -> None:
    with machine_of(**options):
        net = small(text)
        poisoned(net, {2: dict.fromkeys(net.params, 1.7e308)})
        with np.errstate(all="ignore"):
            sgd = optim.SGD(net, lr=1e-300)
            try:
                events = list(train(net, Given(3), sgd, epochs=1))
            except NonFinite as failure:
                raise AssertionError(f"numbers are taken for none: {failure}") from failure
        assert [type(event) for event in events] == [Step] * 3 + [Epoch]
        assert velocities(net, sgd)["conv1.1.bias"].flat[-1] < -1e7, "no update has been made from it"


def a_loss_alone_is_enough(text: str) -> None:
    """A loss that is none although all gradients are numbers: no update either."""
    with machine_of():
        net = small(text)
        watch = guard.Guard(net)
        for _, device, layer in net.layers():
            for key, value in layer.params.items():
                layer.grads[key] = device.submit(lambda value=value: value * 0).result()
        home = net.home
        watch.look(home.put(np.array(nan)))
        assert [int(device.get(flag)[0]) for device, flag in watch.stopped.items()] == [1, 1]
        assert watch.where() == ""
