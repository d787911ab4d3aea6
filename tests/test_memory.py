"""The memory plan against what NumPy really asks for, and what is said where it does not fit."""

from __future__ import annotations

import platform
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import numpy as np
import pytest

from minialex import devices
from minialex.console import Refused
from minialex.devices import parse_devices
from minialex.layers import SoftmaxCrossEntropy
from minialex.layers.fast import max_pool, workspace
from minialex.memory import free, free_memory, plan, refuse_if_too_large, walk
from minialex.net import Net
from minialex.nets import cifar10_net, small_towers
from minialex.optim import SGD
from tests.devices import fake_cupy
from tests.narrow import Narrow

NARROW = Narrow(maps=(24, 32, 48, 48, 32), neurons=(64, 32), image=(99, 95), dtype="float32", block_bytes=1 << 19)
OVER_PLACES = replace(NARROW, preset="code2012", block_bytes=None)
NETS: dict[str, tuple[Callable[[], Net], int]] = {
    "two towers": (lambda: small_towers(parse_devices("cpu,cpu"), input_shape=(3, 32, 32), maps=32, hidden=256), 64),
    "both towers in one place": (lambda: small_towers(parse_devices("cpu"), input_shape=(3, 32, 32), maps=32), 32),
    "one tower": (lambda: cifar10_net(parse_devices("cpu")), 64),
    "in blocks": (lambda: NARROW.towers(parse_devices("cpu,cpu")), 192),
    "normalised over places": (lambda: OVER_PLACES.towers(parse_devices("cpu,cpu")), 96),
}


def steps(net: Net, batch_size: int) -> int:
    """The most bytes that NumPy holds in three training steps, the net and one batch among them."""
    max_pool._origins.cache_clear()  # what earlier work has left would serve here, and not be counted
    for device in net.devices:
        device.submit(workspace._of_thread.arrays.clear).result()
    rng = np.random.default_rng(0)
    C, H, W = net.input_shape
    images = rng.standard_normal((batch_size, H, W, C), dtype=np.float32).transpose(0, 3, 1, 2)
    labels, loss, optimizer = rng.integers(0, net.num_classes, batch_size), SoftmaxCrossEntropy(), SGD(net)
    for _ in range(3):
        loss.forward(net.forward(images, train=True), labels)
        net.backward(loss.backward())
        optimizer.step()
    return tracemalloc.get_traced_memory()[1]


@pytest.mark.parametrize("name", NETS)
def test_the_plan_is_what_numpy_asks_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (devices.cpu, walk):  # pieces side by side need not be at their fullest in the same moment
        monkeypatch.setattr(module, "cores", lambda: 1)
    make, batch_size = NETS[name]
    tracemalloc.start()
    try:
        net = make()
        held = steps(net, batch_size)
    finally:
        tracemalloc.stop()
    planned = plan(net, batch_size)
    arrays = planned.images + sum(use.arrays for use in planned.uses)
    assert arrays == pytest.approx(held, rel=0.12), planned


def test_the_plan_grows_with_the_batch_as_what_numpy_asks_for() -> None:
    held, planned = [], []
    for batch_size in (64, 192):
        tracemalloc.start()
        try:
            net = NARROW.towers(parse_devices("cpu,cpu"))
            held.append(steps(net, batch_size))
        finally:
            tracemalloc.stop()
        of_it = plan(net, batch_size)
        planned.append(of_it.images + sum(use.arrays for use in of_it.uses))
    assert planned[1] - planned[0] == pytest.approx(held[1] - held[0], rel=0.08)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep what is freed")
def test_later_steps_find_their_memory_where_earlier_ones_left_it() -> None:
    """Pages that are new to the process cost a fault each. With arenas for the threads there are many more."""
    done = subprocess.run([sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True)
    first, *later = map(int, done.stdout.split())
    assert fmean(later) < 0.005 * first, (first, later)


FAULTS = """
from resource import RUSAGE_SELF, getrusage
from minialex.bench.workload import Workload

load, before = Workload("cifar10", "cpu,cpu", 128), getrusage(RUSAGE_SELF).ru_minflt
for step in range(10):
    load.step()
    now = getrusage(RUSAGE_SELF).ru_minflt
    if step == 0 or step > 2:
        print(now - before)
    before = now
"""


def test_parameters_are_counted_once_on_their_device() -> None:
    net = small_towers(parse_devices("cpu,cpu"))
    planned = plan(net, 8)
    for use in planned.uses:
        mine = sum(v.nbytes for _, device, layer in net.layers() if device.name == use.device for v in layer.params.values())
        assert use.parameters == use.gradients == use.velocities == mine
    assert planned.host > sum(use.arrays for use in planned.uses)


def test_memory_grows_with_the_batch() -> None:
    net = small_towers(parse_devices("cpu,cpu"))
    hosts = [plan(net, n).host for n in (1, 8, 64)]
    assert hosts == sorted(hosts)
    assert plan(net, 8).images == 8 * 64 * 4


def test_it_prints_a_row_for_each_device() -> None:
    lines = str(plan(small_towers(parse_devices("cpu,cpu")), 16)).splitlines()
    assert [line.split()[0] for line in lines] == ["memory", "cpu:0", "cpu:1", "host"]
    assert "16 images" in lines[-1]
    assert len({len(line) for line in lines[:-1]}) == 1


def test_what_fits_is_not_refused() -> None:
    net = small_towers(parse_devices("cpu,cpu"))
    refuse_if_too_large(plan(net, 16))
    refuse_if_too_large(plan(net, 1_000_000), {})  # nothing known, nothing refused


def test_the_batch_that_is_advised_is_the_largest_that_fits() -> None:
    net = small_towers(parse_devices("cpu,cpu"), input_shape=(3, 32, 32))
    free_bytes = {"host": 200_000_000}
    with pytest.raises(Refused, match=r"batches of 100000 images need .* GB|MB .*--batch-size (\d+) fits") as refusal:
        refuse_if_too_large(plan(net, 100_000), free_bytes)
    message = str(refusal.value)
    assert "\n" not in message
    advised = int(message.split("--batch-size ")[1].split(maxsplit=1)[0])
    refuse_if_too_large(plan(net, advised), free_bytes)
    with pytest.raises(Refused):
        refuse_if_too_large(plan(net, advised + 1), free_bytes)


def test_a_net_that_can_never_fit_is_said_to() -> None:
    with pytest.raises(Refused, match="not even one image"):
        refuse_if_too_large(plan(small_towers(parse_devices("cpu,cpu")), 16), {"host": 1000})


def test_free_memory_counts_what_the_net_holds_already() -> None:
    net = small_towers(parse_devices("cpu,cpu"))
    held = sum(value.nbytes for value in net.params.values())
    with patch.object(free, "MEMINFO", Path(__file__).parent / "none"), patch.object(free, "CONTAINERS", ()):
        assert (free.free_here() or 0) > 0  # all that the machine has
    with patch("minialex.memory.free_here", return_value=1_000_000_000):
        assert free_memory(net)["host"] >= 1_000_000_000 + held
    with patch("minialex.memory.free_here", return_value=None):
        assert free_memory(net) == {}


def test_a_container_limits_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   50 kB\n")
    (tmp_path / "memory.max").write_text("30000\n")
    (tmp_path / "memory.current").write_text("9000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 4000\n")
    container = ((tmp_path / "memory.max", tmp_path / "memory.current"),)
    with patch.object(free, "MEMINFO", tmp_path / "meminfo"), patch.object(free, "CONTAINERS", container):
        assert free.free_here() == 30000 - 9000 + 4000
        (tmp_path / "memory.max").write_text("max\n")
        assert free.free_here() == 50 * 1024


def test_what_a_gpu_holds_of_images_is_planned() -> None:
    """Floats twice: those in use, and the next ones."""
    with fake_cupy.installed(2):
        net = small_towers(parse_devices("0,0"))
        (use,) = plan(net, 16).uses
        assert use.copies == 2 * plan(net, 16).images
        for _ in range(3):
            net.forward(images := np.ones((16, *net.input_shape), np.float32))
            net.expect(images)
        net.synchronize()
        (wire,) = net.stages[0]._wires.values()  # type: ignore[attr-defined]
        assert wire.buffer.nbytes + wire.spare.nbytes == use.copies


def test_a_gpu_has_its_own_memory() -> None:
    with fake_cupy.installed(2):
        net = small_towers(parse_devices("0,1"))
        planned = plan(net, 16)
        assert [use.device for use in planned.uses] == ["cuda:0", "cuda:1"]
        assert planned.host < 100_000_000  # the nets are not in the computer's memory
        with pytest.raises(Refused, match="on cuda:1, "):
            refuse_if_too_large(planned, {"cuda:0": 1 << 40, "cuda:1": 1000, "host": 1 << 40})
