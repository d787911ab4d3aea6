"""What a person may write after --devices, and which devices that is."""

from __future__ import annotations

import re
from itertools import count

from minialex.devices.cpu import CpuDevice
from minialex.devices.cuda import CudaDevice, cuda_count
from minialex.devices.device import Device, DeviceError

FORMS = "0,1 (two GPUs), 0,0 (both towers on one GPU), cpu,cpu (two virtual CPU devices), cpu:0,cpu:0 or auto"


def parse_devices(text: str = "auto") -> tuple[Device, ...]:
    """The devices that `text` names, one for each tower; the same name twice is the same device twice.

    "0,1" or "cuda:0,cuda:1": GPUs. "cpu,cpu" or "cpu:0,cpu:1": virtual CPU devices. "0,0": both towers on one GPU.
    "auto": two GPUs if there are two, one GPU for both towers, or two virtual CPU devices.
    Raises DeviceError, in one line with what would work instead, where the text or the machine does not allow it.
    """
    text = " ".join(text.lower().split())
    if text == "auto":
        text, _ = choose()
    try:
        names = _names(text)
        places = {name: _make(name) for name in dict.fromkeys(names)}
    except DeviceError as error:
        works, why = choose()
        raise DeviceError(f"--devices {text}: {error}. Here --devices {works} would work ({why})") from None
    return tuple(places[name] for name in names)


def choose() -> tuple[str, str]:
    """What "auto" stands for on this machine, and why."""
    gpus = cuda_count()
    if gpus >= 2:
        return "0,1", f"{gpus} GPUs: one for each tower"
    if gpus == 1:
        return "0,0", "one GPU: both towers on it"
    return "cpu,cpu", "no GPU that CuPy can use: two virtual CPU devices, a thread for each tower"


def _names(text: str) -> list[str]:
    """ "0, cuda:1" -> ["cuda:0", "cuda:1"]; each bare "cpu" takes the next CPU index that nobody names."""
    named = [_name(part.strip()) for part in text.split(",")]
    if len({name.split(":")[0] for name in named}) > 1:
        raise DeviceError("all devices must be of one kind, GPUs or CPU devices")
    free = (name for index in count() if (name := f"cpu:{index}") not in named)
    return [next(free) if name == "cpu" else name for name in named]


def _name(part: str) -> str:
    match = re.fullmatch(r"(?:(cuda|cpu):)?([0-9]{1,3})|cpu", part)
    if match is None:
        raise DeviceError(f"{part!r} is no device; write {FORMS}")
    return part if part == "cpu" else f"{match[1] or 'cuda'}:{int(match[2])}"


def _make(name: str) -> Device:
    kind, index = name.split(":")
    return CpuDevice(int(index)) if kind == "cpu" else CudaDevice(int(index))
