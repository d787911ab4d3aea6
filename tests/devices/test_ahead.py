"""Batches that set out for the GPUs before it is their turn: the same numbers, no race, and nobody waits."""

from __future__ import annotations

import gc
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.arrays import Array
from minialex.checkpoint import capture
from minialex.data.batches import Batch
from minialex.devices import Device, Ledger, Wire, cuda, parse_devices
from minialex.devices.cuda import CudaDevice
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.nets import small_towers
from minialex.optim import SGD
from minialex.runs import sizes
from minialex.training import Step, train
from minialex.training.ahead import Ahead
from tests.devices.fake_cupy import installed
from tests.devices.fake_gpus import Race

SHAPE = (3, 8, 9)


def batch(N: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    _, H, W = SHAPE
    return rng.standard_normal((N, H, W, 3)).transpose(0, 3, 1, 2), rng.integers(0, 10, N)


class Given:
    """Batches of these sizes, the same in every epoch."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def epoch(self, number: int) -> Iterator[Batch]:
        yield from (batch(N, seed) for seed, N in enumerate(self.sizes))


def net_on(places: str) -> Net:
    return small_towers(parse_devices(places), input_shape=SHAPE, maps=2, hidden=4, dtype=np.float64)


def losses(net: Net, sizes: list[int]) -> list[float]:
    events = train(net, Given(sizes), SGD(net, lr=0.05), epochs=2)
    return [event.loss for event in events if isinstance(event, Step)]


@pytest.mark.parametrize("places", ["0,1", "0,0"])
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_run_learns_the_same_and_no_copy_races(places: str, sizes: list[int]) -> None:
    expected = losses(net_on("cpu,cpu"), sizes)
    with installed(2) as machine:
        np.testing.assert_allclose(losses(net_on(places), sizes), expected, rtol=1e-9)
    assert not machine.late


def test_every_batch_but_the_first_of_an_epoch_is_sent_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    begin = CudaDevice.begin

    def counted(self: CudaDevice, *arguments: Any) -> Any:
        begun.append(self.name)
        return begin(self, *arguments)

    monkeypatch.setattr(CudaDevice, "begin", counted)
    with installed(2):
        losses(net_on("0,1"), [3, 3, 2])
    assert begun == 4 * ["cuda:0", "cuda:1"]  # two epochs of three batches


def test_to_send_ahead_is_to_wait_for_nothing() -> None:
    """Who asks for the logits waits for them, as ever; for what sets out and for what arrives nobody does."""
    with installed(2) as machine:
        net = net_on("0,1")
        rest = Ahead(iter([batch(3, n) for n in range(5)]), net)
        loss, update = SoftmaxCrossEntropy(), SGD(net)
        waits = []
        while (one := rest.take()) is not None:
            before = machine.waits
            loss.forward(net.forward(one[0], train=True), one[1])
            net.backward(loss.backward())
            rest.announce()
            update.step()
            waits.append(machine.waits - before)
        assert set(waits) == {1}, "the logits"


def test_what_is_asked_of_gpus_besides_steps_is_fetched_by_them() -> None:
    """The sizes of weights and updates, and what a checkpoint holds."""
    found = []
    for places in ("cpu,cpu", "0,1"):
        with installed(2):
            net = net_on(places)
            optimizer = SGD(net, lr=0.05)
            list(train(net, Given([3, 2]), optimizer, epochs=1))
            state = capture(net, optimizer, meta={})
            found.append((sizes.measure(1, net, optimizer), state.arrays))
    (here, arrays), (there, same) = found
    assert [size.parameter for size in here] == [size.parameter for size in there]
    for one, other in zip(here, there, strict=True):
        assert (one.weight, one.update) == pytest.approx((other.weight, other.update), rel=1e-5)
    for name, value in arrays.items():
        np.testing.assert_allclose(same[name], value, rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("order", ["as announced", "another first", "announced twice"])
def test_an_announcement_binds_nobody(order: str) -> None:
    """A test pass may come between; what was announced and is not taken is forgotten."""
    a, b = batch(3, 1)[0], batch(2, 2)[0]
    asked = {"as announced": [a], "another first": [b, a], "announced twice": [a, b]}[order]
    twin = net_on("cpu,cpu")
    with installed(2):
        net = net_on("0,1")
        for _ in range(3):
            if order == "announced twice":
                net.expect(b)
            net.expect(a)
            for x in asked:
                np.testing.assert_allclose(net.forward(x), twin.forward(x), rtol=1e-9)
                net.backward(np.ones((len(x), 10)))


def test_images_that_would_need_a_copy_first_are_left_alone() -> None:
    with installed(2):
        net = net_on("0,1")
        x = batch(3, 1)[0]
        for other in (x.astype(np.float32), np.ascontiguousarray(x)):
            net.expect(other)
            np.testing.assert_allclose(net.forward(other), net_on("cpu,cpu").forward(other), rtol=1e-5)


def test_a_batch_that_cannot_be_made_lets_the_step_before_it_finish() -> None:
    def broken() -> Iterator[Batch]:
        yield batch(2, 0)
        raise OSError("the disk is gone")

    with installed(2):
        rest = Ahead(broken(), net_on("0,1"))
        assert rest.take() is not None
        rest.announce()
        with pytest.raises(OSError, match="the disk is gone"):
            rest.take()


def test_cpu_devices_hold_no_second_batch() -> None:
    rest = Ahead(iter([batch(2, 0), batch(2, 1)]), net_on("cpu,cpu"))
    assert rest.take() is not None
    rest.announce()
    assert len(list(rest.rest)) == 1


def without(line: str) -> type[Device]:
    """CudaDevice, with one line of its source left out."""
    source = inspect.getsource(cuda.CudaDevice)
    assert source.count(line) == 1, f"{line} is no longer one line of CudaDevice"
    names: dict[str, Any] = dict(vars(cuda))
    exec(textwrap.dedent(source.replace(line, "pass")), names)
    changed: type[Device] = names["CudaDevice"]
    return changed


def send(devices: tuple[Device, ...]) -> None:
    """Three arrays, each sent ahead while the GPU reads the one before; the host waits for nothing."""
    (gpu,) = devices
    wire = Wire(None, gpu, "images", "forward", Ledger())
    sums: list[Array] = []
    x = np.zeros((2, 3))
    for number in range(4):
        y = gpu.submit(wire.carry, x).result()
        x = np.full((2, 3), float(number))
        sums.append(gpu.submit(lambda y=y: y + 1.0).result())
        wire.expect(x)
    gpu.submit(wire.carry, x).result()
    for number, each in enumerate(sums):
        np.testing.assert_array_equal(gpu.get(each), np.full((2, 3), max(1.0, number)))


def test_each_wait_is_there() -> None:
    with installed(1):
        send(parse_devices("0"))


@pytest.mark.parametrize("line", ["self._uploads.wait_event(after)", "self.stream.wait_event(moment)"])
def test_without_either_wait_there_is_a_race(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = without(line)
    monkeypatch.setattr("minialex.devices.parse.CudaDevice", changed)
    monkeypatch.setattr(cuda, "CudaDevice", changed)
    with installed(1) as machine:
        with pytest.raises(Race):
            send(parse_devices("0"))
        gc.collect()
        machine.late.clear()  # it ended in the middle
