"""`python -m minialex doctor`: is this machine fit for minialex, and which devices would it choose?

Every probe is a generator of findings and knows nothing of the others. A probe that raises becomes a finding itself, so the
report always ends with its verdict, however ill the machine is.
"""

import importlib
import io
import sys
from collections.abc import Iterable, Iterator

from minialex.doctor import gpu, host
from minialex.doctor.findings import Finding, Level, Probe, as_text, error_line, verdict

__all__ = ["PROBES", "Finding", "examine", "main"]


def needs_packages(module: str, name: str) -> Probe:
    """A probe whose module cannot even be imported where a package is missing: then that is the finding."""

    def probe() -> Iterator[Finding]:
        yield from getattr(importlib.import_module(f"minialex.doctor.{module}"), name)()

    return probe


# topic, probe, and how bad it is if the probe itself fails: some are needed for training, others only inform
PROBES: tuple[tuple[str, Probe, Level], ...] = (
    ("machine", host.machine, "warn"),
    ("packages", host.packages, "warn"),
    ("NumPy", host.numpy_itself, "broken"),
    ("BLAS", host.blas, "warn"),
    ("GPU", gpu.gpus_and_cupy, "warn"),
    ("products", needs_packages("products", "concurrent_products"), "broken"),
    ("speed", needs_packages("products", "speed"), "note"),
    ("--devices", needs_packages("devices", "automatic"), "broken"),  # last: CPU devices limit BLAS to one thread
)


def examine(probes: Iterable[tuple[str, Probe, Level]] = PROBES) -> Iterator[Finding]:
    """Runs the probes in turn and yields their findings as they come; never raises an Exception."""
    for topic, probe, level in probes:
        try:
            yield from probe()
        except ImportError as error:
            yield Finding(topic, error_line(error), level, "pip install -e . (in minialex's folder)")
        except Exception as error:
            yield Finding(topic, f"this check itself failed: {error_line(error)}", level, "please report it")


def main(probes: Iterable[tuple[str, Probe, Level]] = PROBES) -> int:
    """Prints the report, line by line as it is found; returns the exit code: 1 when something is broken, otherwise 0."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name or a message the terminal cannot show must not end the report
        sys.stdout.reconfigure(errors="backslashreplace")
    print("minialex doctor\n")
    findings = []
    for finding in examine(probes):
        findings.append(finding)
        print(as_text(finding), flush=True)
    print(f"\n{verdict(findings)}")
    return int(any(finding.level == "broken" for finding in findings))
