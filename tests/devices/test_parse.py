"""What may be written after --devices, on machines with no GPU, one and two; and what is refused, in one line that helps."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.devices import DeviceError, choose, parse_devices
from minialex.devices.cpu import CpuDevice
from minialex.devices.cuda import CudaDevice
from tests.devices.fake_cupy import installed

BEST = {None: "cpu,cpu", 0: "cpu,cpu", 1: "0,0", 2: "0,1", 3: "0,1"}  # GPUs of the machine (None: no CuPy) -> "auto"
machines = st.sampled_from([*BEST])


@contextmanager
def machine(gpus: int | None) -> Iterator[None]:
    """A machine with so many GPUs; None: without CuPy."""
    if gpus is None:
        with patch.dict("sys.modules", {"cupy": None}):
            yield
    else:
        with installed(gpus):
            yield


def names(text: str) -> list[str]:
    return [device.name for device in parse_devices(text)]


def refusal(text: str) -> str:
    """What parse_devices says to this text: one line that ends with a value that works here, and why."""
    with pytest.raises(DeviceError) as refused:
        parse_devices(text)
    message = str(refused.value)
    assert len(message.splitlines()) == 1, message
    works = re.search(r"Here --devices (\S+) would work \(.+\)$", message)
    assert works is not None, message
    assert parse_devices(works[1])
    return message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cpu,cpu", ["cpu:0", "cpu:1"]),
        ("cpu:0,cpu:1", ["cpu:0", "cpu:1"]),
        ("cpu:0,cpu:0", ["cpu:0", "cpu:0"]),
        ("cpu", ["cpu:0"]),
        ("cpu:3", ["cpu:3"]),
        ("cpu:0,cpu", ["cpu:0", "cpu:1"]),
        ("cpu,cpu:0", ["cpu:1", "cpu:0"]),
        ("cpu,cpu:00", ["cpu:1", "cpu:0"]),
        (" CPU , Cpu\t", ["cpu:0", "cpu:1"]),
        ("0,1", ["cuda:0", "cuda:1"]),
        ("1,0", ["cuda:1", "cuda:0"]),
        ("cuda:0,cuda:1", ["cuda:0", "cuda:1"]),
        ("Cuda:0, 1", ["cuda:0", "cuda:1"]),
        ("0,0", ["cuda:0", "cuda:0"]),
        ("1", ["cuda:1"]),
        ("auto", ["cuda:0", "cuda:1"]),
        (" AUTO ", ["cuda:0", "cuda:1"]),
    ],
)
def test_every_form_is_read(text: str, expected: list[str]) -> None:
    with installed(2):
        assert names(text) == expected


@given(gpus=machines)
def test_auto_is_two_gpus_or_one_for_both_towers_or_two_cpu_devices(gpus: int | None) -> None:
    with machine(gpus):
        works, why = choose()
        assert works == BEST[gpus]
        assert why
        assert names("auto") == names(works)
        assert [device.name for device in parse_devices()] == names(works)


@given(places=st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=6))
def test_a_bare_cpu_is_a_cpu_device_that_nobody_else_names(places: list[int | None]) -> None:
    found = names(",".join("cpu" if place is None else f"cpu:{place}" for place in places))
    assert all(name == f"cpu:{place}" for name, place in zip(found, places, strict=True) if place is not None)
    bare = [name for name, place in zip(found, places, strict=True) if place is None]
    assert len(set(bare)) == len(bare)
    assert not set(bare) & {f"cpu:{place}" for place in places if place is not None}


@given(places=st.lists(st.integers(0, 2), min_size=1, max_size=6), kind=st.sampled_from(["cpu", "cuda"]))
def test_the_same_name_is_the_same_device(places: list[int], kind: str) -> None:
    with installed(3):
        devices = parse_devices(",".join(f"{kind}:{place}" for place in places))
    assert all(isinstance(device, CpuDevice if kind == "cpu" else CudaDevice) for device in devices)
    for a, i in zip(devices, places, strict=True):
        for b, j in zip(devices, places, strict=True):
            assert (a is b) == (i == j)


def test_two_calls_give_two_sets_of_devices() -> None:
    assert parse_devices("cpu")[0] is not parse_devices("cpu")[0]


@pytest.mark.parametrize(
    "text", ["", " ", ",", "cpu,", "gpu", "cuda", "cuda:", "cuda:0:1", "-1", "0.5", "cpu:x", "0;1", "٣", "1234"]
)
@pytest.mark.parametrize("gpus", BEST)
def test_what_is_no_device_is_refused_with_the_forms_that_are(text: str, gpus: int | None) -> None:
    with machine(gpus):
        message = refusal(text)
    assert "is no device" in message
    for form in ("0,1", "0,0", "cpu,cpu", "auto"):
        assert form in message


@pytest.mark.parametrize("text", ["0,cpu", "cpu:0,cuda:0", "cpu,0,1"])
@pytest.mark.parametrize("gpus", BEST)
def test_gpus_and_cpu_devices_do_not_mix(text: str, gpus: int | None) -> None:
    with machine(gpus):
        assert "one kind" in refusal(text)


@given(text=st.text("0123cpuda:, \n", max_size=12) | st.text(max_size=20), gpus=machines)
def test_any_text_gives_devices_or_one_line(text: str, gpus: int | None) -> None:
    with machine(gpus):
        try:
            devices = parse_devices(text)
        except DeviceError:
            refusal(text)
        else:
            assert len(devices) == 1 + text.count(",") or text.strip().lower() == "auto"


@pytest.mark.parametrize(
    ("gpus", "text", "missing"),
    [
        (None, "0,1", "CuPy"),
        (None, "0,1", "pip install 'minialex[cuda12]'"),
        (0, "0", "no CUDA device"),
        (0, "0,1", "minialex doctor"),
        (1, "0,1", "cuda:1 is not there: this machine has 1 GPU."),
        (1, "cuda:1", "cuda:1"),
        (2, "0,2", "cuda:2 is not there: this machine has 2 GPUs."),
    ],
)
def test_a_gpu_that_is_not_there_is_named_with_what_works_instead(gpus: int | None, text: str, missing: str) -> None:
    with machine(gpus):
        message = refusal(text)
    assert message.startswith(f"--devices {text}: ")
    assert missing in message
    assert f"Here --devices {BEST[gpus]} would work" in message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            "\n====\nFailed to import CuPy.\n\nOriginal error:\n  ImportError: libcudart.so.12 is missing\n====\n",
            "libcudart.so.12",
        ),
        ("", "no reason given"),
    ],
)
def test_a_cupy_that_does_not_load_says_why_in_one_line(error: str, reason: str) -> None:
    class Broken(ModuleType):
        """CuPy raises an error of many lines when a library of CUDA is missing."""

        def find_spec(self, name: str, *_: object) -> None:
            if name == "cupy":
                raise ImportError(error)

    with patch("sys.meta_path", [Broken("broken")]), patch.dict("sys.modules"):
        sys.modules.pop("cupy", None)
        assert reason in refusal("0,1")
