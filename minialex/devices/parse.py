"""What a person may write after --devices, and which devices that is."""

from __future__ import annotations

import re

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
    if text.strip() == "auto":
        text, _ = choose()
    names = _names(text)
    kinds = {name.split(":")[0] for name in names}
    if len(kinds) > 1:
        raise DeviceError(f"--devices {text}: all devices must be of one kind, GPUs or CPU devices")
    try:
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
    """ "0, cuda:1" -> ["cuda:0", "cuda:1"]; a bare "cpu" takes the next CPU index that is free."""
    parts = [part.strip().lower() for part in text.split(",")]
    names: list[str] = []
    for part in parts:
        match = re.fullmatch(r"(?:(cuda|cpu):)?(\d{1,3})|cpu", part)
        if match is None:
            raise DeviceError(f"--devices {text!r}: {part!r} is no device; write {FORMS}")
        if part == "cpu":
            taken = set(names) | set(parts)
            names.append(next(name for i in range(len(parts) * 2) if (name := f"cpu:{i}") not in taken))
        else:
            names.append(f"{match[1] or 'cuda'}:{int(match[2])}")
    return names


def _make(name: str) -> Device:
    kind, index = name.split(":")
    return CpuDevice(int(index)) if kind == "cpu" else CudaDevice(int(index))
