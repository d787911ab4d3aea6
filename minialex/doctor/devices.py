"""Which devices training would use when nobody says otherwise."""

from collections.abc import Iterator

from minialex.devices import DeviceError, choose, parse_devices
from minialex.doctor.findings import Finding


def automatic() -> Iterator[Finding]:
    """What `--devices auto` chooses here, and why."""
    choice, why = choose()
    try:
        names = " and ".join(device.name for device in parse_devices("auto"))
    except DeviceError as error:
        yield Finding("--devices", f"auto fails: {error}", "broken", "until that is mended: --devices cpu,cpu")
    else:
        yield Finding("--devices", f"auto means {choice}: the towers on {names}\n({why})")
