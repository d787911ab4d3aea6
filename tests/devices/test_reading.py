"""Numbers that the host asks a device for and reads later, and the pinned memory through which they come."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from minialex.devices import cuda, parse_devices
from minialex.devices.cuda import CudaDevice
from tests.devices.fake_cupy import installed
from tests.mutants.engine import Mutant, Subject


@pytest.mark.parametrize("text", ["cpu", "0"])
def test_a_reading_is_what_the_array_was_when_it_was_asked_for(text: str) -> None:
    with installed(1):
        (device,) = parse_devices(text)
        x = device.put(np.arange(6.0).reshape(2, 3))
        reading = device.submit(device.read_later, x).result()
        device.submit(lambda: x.__imul__(0)).result()
        for _ in range(2):
            np.testing.assert_array_equal(reading.value(), np.arange(6.0).reshape(2, 3))
        assert reading.ready()


def test_only_who_wants_the_value_waits() -> None:
    with installed(1) as machine:
        (device,) = parse_devices("0")
        x = device.put(np.ones(2))
        readings = [device.read_later(x) for _ in range(3)]
        assert not any(reading.ready() for reading in readings)
        assert machine.waits == 0
        np.testing.assert_array_equal(readings[1].value(), np.ones(2))
        assert [reading.ready() for reading in readings] == [True, True, False]
        np.testing.assert_array_equal(readings[0].value(), np.ones(2))
        assert machine.waits == 1
        machine.quick = True
        assert readings[2].ready()
        np.testing.assert_array_equal(readings[2].value(), np.ones(2))
        assert machine.waits == 1


def test_a_reading_that_nobody_reads_lets_no_memory_go_too_early() -> None:
    with installed(1) as machine:
        (device,) = parse_devices("0")
        for _ in range(3):
            device.read_later(device.put(np.ones(2)))
        gc.collect()
        device.synchronize()
        device.read_later(device.put(np.ones(2)))
        ends: Any = device
        assert len(ends._ends._in_use) == 1, "what has arrived is still held"
        device.synchronize()
    assert not machine.late


def test_a_host_array_may_be_written_over_as_soon_as_it_has_set_out() -> None:
    """And so it may be again and again, though the GPU has done nothing yet."""
    with installed(1):
        (device,) = parse_devices("0")
        there = [device.empty((3,), np.float64) for _ in range(4)]
        x = np.zeros(3)
        for number, buffer in enumerate(there):
            x[:] = number
            device.receive(x, None, buffer)
        x[:] = 99
        for number, buffer in enumerate(there):
            np.testing.assert_array_equal(device.get(buffer), np.full(3, float(number)))


# The stand-in sees it where any of this is forgotten.

COPY = "            array.get(stream=self.stream, out=landing, blocking=False)\n"
RECORD = "            arrival = self.stream.record()\n"
SUBJECT = Subject(
    "cuda",
    cuda,
    (),
    (
        Mutant("the landing is let go", "self._ends.keep(landing, until=arrival)", "pass", "", "CudaDevice.read_later"),
        Mutant("the departure is let go", "self._ends.keep(departure, until=arrival)", "pass", "", "CudaDevice._send"),
        Mutant("the host waits for the numbers", "blocking=False", "blocking=True", "", "CudaDevice.read_later"),
        Mutant("asked before it has been copied", COPY + RECORD, RECORD + COPY, "", "CudaDevice.read_later"),
        Mutant(
            "one departure for all",
            "departure = self._ends.empty(host.shape, host.dtype)",
            "departure = vars(self).setdefault('one', self._ends.empty(host.shape, host.dtype))",
            "",
            "CudaDevice._send",
        ),
        Mutant("from ordinary memory", "buffer.set(departure,", "buffer.set(host,", "", "CudaDevice._send"),
    ),
)


def uses(device: CudaDevice) -> None:
    """Three arrays up and three readings down, the host in no order with any of it."""
    machine = device.xp.ndarray.machine
    readings = []
    for number in range(3):
        buffer = device.empty((3,), np.float64)
        device.receive(np.full(3, float(number)), None, buffer)
        readings.append(device.read_later(buffer))
        device.read_later(buffer)
        gc.collect()
    assert machine.waits == 0, "the host has waited"
    for number, reading in enumerate(readings):
        np.testing.assert_array_equal(reading.value(), np.full(3, float(number)))
    device.synchronize()
    assert not machine.late, machine.late


def test_it_uses_them_well() -> None:
    with installed(1):
        uses(CudaDevice(0))


@pytest.mark.parametrize("mutant", SUBJECT.mutants, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant) -> None:
    changed = SUBJECT.planted(mutant)
    with installed(1) as machine:
        with pytest.raises(AssertionError):
            uses(vars(changed)["CudaDevice"](0))
        gc.collect()
        machine.late.clear()
        machine.leaving.clear()
