"""The CUDA devices, on GPUs that are not there (fake_cupy.py), and, marked `gpu`, on those that are.

Whole nets run on one, two and three GPUs, with and without peer access. The numbers must be those of the CPU devices; every
array must lie on its own GPU and every piece of work run in its own stream; no copy may overlap with what it depends on.
"""

from __future__ import annotations

import gc
import inspect
import textwrap
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.arrays import Array
from minialex.devices import Crossing, Device, Ledger, Wire, cuda, on_all, pack, parse_devices
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.nets import small_towers
from minialex.optim import SGD
from minialex.towers import Exchange, Gather
from tests.devices.fake_cupy import installed, ndarray
from tests.devices.fake_gpus import Copy, CUDARuntimeError, Machine, Race
from tests.narrow import Narrow, narrow_nets, one_in
from tests.strategies import ORDERS, Order

PLACES = {"0,1": (0, 1), "1,0": (1, 0), "0,0": (0, 0), "1": (1, 1)}  # --devices -> the GPU of each tower


def images(net: Net, N: int, seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal((N, *net.input_shape))


def learn(net: Net, steps: int, N: int = 3) -> list[float]:
    """A few steps with dropout; returns the losses."""
    loss, update = SoftmaxCrossEntropy(), SGD(net, lr=0.05)
    losses = []
    for step in range(steps):
        logits = net.forward(images(net, N, step), train=True)
        losses.append(loss.forward(logits, np.arange(N) % net.num_classes))
        net.backward(loss.backward())
        update.step()
    return losses


def same_numbers(net: Net, twin: Net) -> None:
    """Parameters and gradients are equal, but for rounding: a GPU takes more images at a time."""
    for which in ("state_dict", "grad_dict"):
        got, expected = getattr(net, which)(), getattr(twin, which)()
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, rtol=0, atol=1e-12 * np.abs(value).max(), err_msg=f"{which} {name}")


def in_words_of_gpus(rows: list[Crossing]) -> list[Crossing]:
    """The ledger of CPU devices, had they been GPUs."""
    return [row._replace(source=row.source.replace("cpu", "cuda"), to=row.to.replace("cpu", "cuda")) for row in rows]


def gpus_of(net: Net) -> dict[str, int]:
    """The GPU of each parameter and of each gradient."""
    return {f"{which} {name}": value.device.id for which in ("params", "grads") for name, value in getattr(net, which).items()}


@pytest.mark.parametrize("peers", [True, False])
@pytest.mark.parametrize("text", PLACES)
def test_a_net_learns_on_gpus_as_on_cpus(text: str, peers: bool) -> None:
    with installed(2, peers=peers) as machine:
        devices = parse_devices(text)
        net = small_towers(devices, dtype=np.float64, input_shape=(2, 9, 12), maps=3, hidden=5)
        twin = small_towers(
            parse_devices("cpu:0,cpu:1" if len(set(PLACES[text])) > 1 else "cpu"),
            dtype=np.float64,
            input_shape=(2, 9, 12),
            maps=3,
            hidden=5,
        )
        np.testing.assert_allclose(learn(net, 4), learn(twin, 4), rtol=1e-12)
        same_numbers(net, twin)
        for name, gpu in gpus_of(net).items():
            tower = name.split(".")[1]
            assert gpu == PLACES[text][int(tower) if tower.isdigit() else 0], name
        ways = Counter((copy.way, copy.source, copy.to) for copy in machine.copies)
        direct = {(0, 1), (1, 0)} if peers and len(devices) > 1 and devices[0] is not devices[1] else set()
        assert {(source, to) for way, source, to in ways if way == "peer"} == direct
        assert machine.opened == direct
        unused = {0, 1} - set(PLACES[text])
        assert not any(machine.allocations.get(gpu) for gpu in unused)
    gc.collect()
    assert not machine.late


@pytest.mark.parametrize(("gpus", "where"), [(0, ["cpu:0", "cpu:1"]), (1, ["cuda:0"] * 2), (2, ["cuda:0", "cuda:1"])])
def test_auto_takes_the_net_to_the_gpus_that_there_are(gpus: int, where: list[str]) -> None:
    with installed(gpus) as machine:
        devices = parse_devices("auto")
        assert [device.name for device in devices] == where
        net, twin = (small_towers(places, dtype=np.float64) for places in (devices, parse_devices("cpu,cpu")))
        np.testing.assert_allclose(learn(net, 2), learn(twin, 2), rtol=1e-12)
        same_numbers(net, twin)
        assert set(machine.allocations) == set(range(gpus))


@one_in(4)
@given(narrow=narrow_nets(), peers=st.booleans(), text=st.sampled_from(["0,1", "1,0", "0,0"]))
def test_alexnets_page_runs_on_gpus_as_on_cpus(narrow: Narrow, peers: bool, text: str) -> None:
    with installed(2, peers=peers):
        net, twin = narrow.towers(parse_devices(text)), narrow.towers(parse_devices("cpu,cpu"))
        got, expected = net.forward(narrow.images(), True), twin.forward(narrow.images(), True)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        net.backward(narrow.dlogits())
        twin.backward(narrow.dlogits())
        same_numbers(net, twin)
        if text == "0,1":
            assert net.ledger.rows == in_words_of_gpus(twin.ledger.rows)


@given(peers=st.booleans(), order=st.sampled_from(ORDERS), rest=st.sampled_from([(), (2, 3)]), seed=st.integers(0, 99))
def test_arrays_in_any_memory_order_cross_unchanged(peers: bool, order: Order, rest: tuple[int, ...], seed: int) -> None:
    """A copy from GPU to GPU moves bytes, so what it moves must be dense."""
    rng = np.random.default_rng(seed)
    host = [rng.standard_normal((2, maps, *rest)) for maps in (1, 3)]
    host_dys = [rng.standard_normal((2, 4, *rest)) for _ in range(2)]
    with installed(2, peers=peers):
        devices = parse_devices("0,1")

        def put(arrays: list[Array]) -> tuple[Any, ...]:
            return tuple(laid_out(device, x, order) for device, x in zip(devices, arrays, strict=True))

        for stage, tops in ((Exchange("conv3"), devices), (Gather(1, "fc8"), devices[1:])):
            stage.place(devices, Ledger())
            ys = stage.forward(put(host))
            dxs = stage.backward(put(host_dys)[-len(tops) :])
            for device, y in zip(tops, ys, strict=True):
                np.testing.assert_array_equal(device.get(y), np.concatenate(host, axis=1))
                assert (y.transpose(0, 2, 3, 1) if rest else y).flags.c_contiguous
            dy = sum(host_dys) if isinstance(stage, Exchange) else host_dys[1]
            for device, dx, cut in zip(devices, dxs, (slice(0, 1), slice(1, 4)), strict=True):
                np.testing.assert_allclose(device.get(dx), dy[:, cut], rtol=1e-12)  # type: ignore[index]


def laid_out(device: Device, values: Array, order: Order) -> Any:
    """On this GPU, a view that has these values in another memory order."""
    if order == "F":
        return device.put(values.T.copy()).T
    if order == "channels last" and values.ndim == 4:
        return device.put(values.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2)
    if order == "reversed":
        backwards = (slice(None, None, -1),) * values.ndim
        return device.put(values[backwards].copy())[backwards]
    if order == "sliced":
        whole, odd = np.full([2 * n + 1 for n in values.shape], 99.0), (slice(1, None, 2),) * values.ndim
        whole[odd] = values
        return device.put(whole)[odd]
    return device.put(values)


@pytest.mark.parametrize("peers", [True, False])
def test_the_ledger_says_what_was_really_copied(peers: bool) -> None:
    with installed(2, peers=peers) as machine:
        net = small_towers(parse_devices("0,1"))
        learn(net, 1)
        machine.copies.clear()
        net.backward(net.forward(images(net, 3, 0)))
        crossed = Counter((row.source, row.to, row.bytes) for row in net.ledger.rows)
        copied = Counter(
            (f"cuda:{copy.source}", f"cuda:{copy.to}", copy.bytes) for copy in machine.copies if copy.way == "peer"
        )
        if peers:
            assert copied == {row: times for row, times in crossed.items() if "host" not in row}
        else:
            assert not copied
            down = Counter((f"cuda:{copy.source}", copy.bytes) for copy in machine.copies if copy.way == "down")
            assert down == Counter((row.source, row.bytes) for row in net.ledger.rows if row.source != "host")


@pytest.mark.parametrize("peers", [True, False])
def test_the_host_waits_for_the_logits_and_for_nothing_else(peers: bool) -> None:
    """So both GPUs always have work queued: launching never waits."""
    with installed(2, peers=peers) as machine:
        net = small_towers(parse_devices("0,1"), dtype=np.float64)
        update = SGD(net)
        x = images(net, 3, 0)
        net.backward(net.forward(x, train=True))
        update.step()
        before = machine.waits
        logits = net.forward(x, train=True)
        assert machine.waits == before + 1
        net.backward(logits)
        update.step()
        assert machine.waits == before + 1


def test_the_pinned_memory_grows_with_the_largest_copy() -> None:
    """And not before the GPUs are done with the old one."""
    with installed(2, peers=False) as machine:
        net = small_towers(parse_devices("0,1"), dtype=np.float64)
        twin = small_towers(parse_devices("cpu,cpu"), dtype=np.float64)
        for N in (1, 4, 2, 9):
            got, expected = net.forward(images(net, N, N)), twin.forward(images(net, N, N))
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
            net.backward(got)
            twin.backward(expected)
    assert not machine.late


# Each wait in `receive` is needed: without it, the stand-in sees the race that a GPU would sometimes show.


def send_twice(devices: tuple[Device, ...]) -> None:
    """Tower 0 computes x, tower 1 reads a copy of it, tower 0 overwrites x, and again; the host waits for nothing."""
    a, b = devices
    wire = Wire(a, b, "conv3", "forward", Ledger())
    x, y = a.put(np.ones((2, 3))), b.put(np.zeros((2, 3)))
    for _ in range(2):
        y = b.submit(lambda x=x, y=y: y + wire.carry(x)).result()
        a.submit(lambda x=x: x.__iadd__(1)).result()
    np.testing.assert_array_equal(b.get(y), np.full((2, 3), 1 + 2))


@pytest.mark.parametrize("peers", [True, False])
def test_a_copy_is_ordered_on_both_sides(peers: bool) -> None:
    with installed(2, peers=peers) as machine:
        send_twice(parse_devices("0,1"))
        ways = [copy.way for copy in machine.copies]
    assert ways.count("peer") == (2 if peers else 0)


def without(line: str) -> type[Device]:
    """CudaDevice, with one line of its source left out."""
    source = inspect.getsource(cuda.CudaDevice)
    assert source.count(line) == 1, f"{line} is no longer one line of CudaDevice"
    names: dict[str, Any] = dict(vars(cuda))
    exec(textwrap.dedent(source.replace(line, "pass")), names)
    changed: type[Device] = names["CudaDevice"]
    return changed


@pytest.mark.parametrize(
    ("line", "peers"),
    [
        ("self.stream.wait_event(computed)", True),
        ("self.stream.wait_event(down)", False),
        ("source.stream.wait_event(copied)", True),
        ("source.stream.wait_event(copied)", False),
    ],
)
def test_without_any_of_the_waits_there_is_a_race(line: str, peers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minialex.devices.parse.CudaDevice", without(line))
    monkeypatch.setattr(cuda, "CudaDevice", without(line))
    with installed(2, peers=peers), pytest.raises(Race):
        send_twice(parse_devices("0,1"))


def test_pinned_memory_given_back_too_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "self.synchronize()  # the old one may still be read"
    monkeypatch.setattr("minialex.devices.parse.CudaDevice", without(line))
    with installed(2, peers=False) as machine:
        net = small_towers(parse_devices("0,1"))
        for N in (1, 4):
            net.backward(net.forward(images(net, N, N), train=True))
        assert machine.late
        machine.late.clear()


# One device


def test_put_and_get_copy() -> None:
    with installed(1) as machine:
        (device,) = parse_devices("0")
        host = np.arange(12, dtype=np.float32).reshape(3, 4)
        there: Any = device.put(host.T)
        assert there.__class__ is ndarray
        host[:] = 0
        back = device.get(there)
        np.testing.assert_array_equal(back, np.arange(12).reshape(3, 4).T)
        assert back.flags.c_contiguous
        np.testing.assert_array_equal(device.get(there.T), back.T)
        assert device.put(host, np.float64).dtype == np.float64
        assert [copy.way for copy in machine.copies] == ["up", "down", "down", "up"]


def test_work_and_memory_are_in_the_devices_own_stream() -> None:
    with installed(2) as machine:
        for device in parse_devices("0,1"):
            streams = {device.submit(machine.stream).result() for _ in range(3)}
            assert streams == {device.stream}  # type: ignore[attr-defined]
            assert device.submit(lambda: machine.current[-1]).result() == int(device.name[-1])
            assert device.empty((2, 3), np.float32).device.id == int(device.name[-1])  # type: ignore[attr-defined]
            device.synchronize()
        assert machine.current == [0]
        assert not any(machine.entered.values())


def test_a_failure_reaches_the_caller_and_leaves_the_gpu() -> None:
    def the_culprit(tower: int) -> int:
        if tower == 0:
            raise ArithmeticError("7 does not divide 3")
        return tower

    with installed(2) as machine:
        devices = parse_devices("0,1")
        with pytest.raises(ArithmeticError, match="7 does not divide 3") as failure:
            on_all(devices, the_culprit, (0, 1))
        assert failure.traceback[-1].name == "the_culprit"
        assert machine.current == [0]
        assert not any(machine.entered.values())
        assert devices[1].submit(the_culprit, 1).result() == 1


def test_peer_access_that_is_open_already_is_no_error() -> None:
    """A second net in the same process finds the way open."""
    with installed(2) as machine:
        for _ in range(2):
            send_twice(parse_devices("0,1"))
        assert machine.opened == {(1, 0)}


def test_another_error_at_opening_the_way_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(2):
        devices = parse_devices("0,1")
        runtime = devices[1].xp.cuda.runtime

        def broken(peer: int) -> None:
            raise CUDARuntimeError("cudaErrorDeviceUninitialized: invalid device context")

        monkeypatch.setattr(runtime, "deviceEnablePeerAccess", broken)
        with pytest.raises(CUDARuntimeError, match="invalid device context"):
            send_twice(devices)


def test_two_sets_of_devices_do_not_share_a_stream() -> None:
    with installed(1):
        (a,), (b,) = parse_devices("0"), parse_devices("0")
        assert a.stream is not b.stream  # type: ignore[attr-defined]


# The stand-in itself: what a GPU would refuse, it refuses.


@pytest.fixture
def two() -> Any:
    """Two GPUs, an array on each."""
    with installed(2) as machine:
        a, b = parse_devices("0,1")
        yield machine, a, b, a.put(np.ones((2, 2))), b.put(np.ones((2, 2)))


def test_the_stand_in_refuses_what_a_gpu_would(two: tuple[Machine, Device, Device, Any, Any]) -> None:
    _, a, b, x, y = two
    for work in (lambda: x + y, lambda: x @ y, lambda: x.__iadd__(y), lambda: x.__setitem__(0, y), lambda: y.sum(axis=0)):
        with pytest.raises(ValueError, match="an array of GPU 1 in the work of GPU 0"):
            a.submit(work).result()
    with pytest.raises(RuntimeError, match="null stream"):
        x + 1
    with pytest.raises(TypeError, match="Unsupported type"):
        a.submit(lambda: x + np.ones((2, 2))).result()
    with pytest.raises(TypeError, match="Unsupported type"):
        a.submit(lambda: x.__setitem__(0, np.ones(2))).result()
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(x)
    with pytest.raises(RuntimeError, match="a stream of GPU 0 entered while GPU 1 is current"), b, a.stream:  # type: ignore[attr-defined]
        pass
    assert x.T[0].shape == (2,)  # a view may be taken anywhere


def test_the_stand_in_sees_memory_that_is_freed_too_early(two: tuple[Machine, Device, Device, Any, Any]) -> None:
    """A copy that was dropped by Python while the other GPU was still reading it belongs to somebody else by then."""
    _, a, b, _, _ = two
    x: Any = a.put(np.ones((2, 2)))
    with b:
        done = a.stream.record()  # type: ignore[attr-defined]
        b.stream.wait_event(done)  # type: ignore[attr-defined]
        target = b.empty((2, 2), np.float64)
        b.xp.cuda.runtime.memcpyPeerAsync(target.data.ptr, 1, x.data.ptr, 0, x.nbytes, b.stream.ptr)  # type: ignore[attr-defined]
    del x
    with pytest.raises(Race, match="an allocation on GPU 0: the memory was freed while it was being read by GPU 1"):
        a.empty((2, 2), np.float64)


def test_the_stand_in_has_nothing_in_fresh_memory(two: tuple[Machine, Device, Device, Any, Any]) -> None:
    _, a, _, x, _ = two
    with a:
        assert np.isnan(a.get(a.xp.empty_like(x))).all()
        assert np.isnan(a.get(a.empty((3,), np.float32))).all()


def test_the_stand_in_counts_copies(two: tuple[Machine, Device, Device, Any, Any]) -> None:
    machine, _, b, x, _ = two
    machine.copies.clear()
    b.submit(Wire(two[1], b, "fc6", "forward", Ledger()).carry, pack(x)).result()
    assert machine.copies == [Copy("peer", 0, 1, 32)]


# Real GPUs


@pytest.mark.gpu
@pytest.mark.parametrize("text", ["0,0", "0,1"])
def test_a_net_learns_on_real_gpus_as_on_cpus(text: str) -> None:
    if text == "0,1" and cuda.cuda_count() < 2:
        pytest.skip("needs two GPUs")
    net = small_towers(parse_devices(text), dtype=np.float64)
    twin = small_towers(parse_devices("cpu,cpu"), dtype=np.float64)
    np.testing.assert_allclose(learn(net, 4), learn(twin, 4), rtol=1e-10)
    for name, value in twin.grad_dict().items():
        np.testing.assert_allclose(net.grad_dict()[name], value, rtol=0, atol=1e-9 * np.abs(value).max())


@pytest.mark.gpu
def test_put_get_and_receive_on_a_real_gpu() -> None:
    (a,), (b,) = parse_devices("0"), parse_devices("0")  # two streams of one GPU, with no peer access to itself
    values = np.arange(6.0).reshape(2, 3)
    x = a.put(values)
    arrived = b.submit(Wire(a, b, "conv3", "forward", Ledger()).carry, x).result()
    np.testing.assert_array_equal(b.get(arrived), values)
    np.testing.assert_array_equal(a.get(x.T), values.T)
