"""Where arrays live and work runs: GPUs, virtual CPU devices, the wires between them and the ledger of what crossed."""

from minialex.devices.cuda import allow_tf32
from minialex.devices.device import Device, DeviceError, on_all
from minialex.devices.parse import choose, parse_devices
from minialex.devices.reading import Reading
from minialex.devices.strict import strict_mode
from minialex.devices.wire import Crossing, Ledger, Standing, Wire, pack

__all__ = [
    "Crossing",
    "Device",
    "DeviceError",
    "Ledger",
    "Reading",
    "Standing",
    "Wire",
    "allow_tf32",
    "choose",
    "on_all",
    "pack",
    "parse_devices",
    "strict_mode",
]
