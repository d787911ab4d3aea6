"""The NVIDIA driver, CuPy and the GPUs: does each compute, and which can reach the other's memory?

The driver is asked through nvidia-smi, so that a GPU is seen even where CuPy is not installed.
"""

import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from minialex.doctor.findings import Finding, error_line

INSTEAD = "two virtual CPU devices will be used"
PATIENCE = 15.0  # seconds for nvidia-smi: it can hang for ever when the driver is ill


@dataclass(frozen=True)
class Driver:
    """What nvidia-smi says: the driver's version, the newest CUDA it runs, and each GPU's name and compute capability."""

    version: str
    cuda: tuple[int, int] | None = None
    gpus: tuple[tuple[str, float | None], ...] = ()


def gpus_and_cupy() -> Iterator[Finding]:
    """The driver, the CuPy packages, and every GPU that CuPy sees, put to work on a small kernel."""
    driver = None
    try:
        driver = ask_driver()
        yield describe_driver(driver)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        yield Finding("driver", f"nvidia-smi is there but fails: {error_line(error)}", "warn", "see what nvidia-smi says")

    wheels = installed_wheels()
    if len(wheels) > 1:
        text = f"{len(wheels)} CuPy packages are installed over one another: {', '.join(map(' '.join, wheels.items()))}"
        yield Finding("CuPy", text, "broken", install(driver, wheels))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy warns of two packages in five lines; that has been said above
            cupy = importlib.import_module("cupy")
    except Exception as error:
        yield _without_cupy(driver, wheels, error)
        return
    yield describe_cupy(cupy, wheels)
    yield from each_gpu(cupy, driver, wheels)


def ask_driver() -> Driver | None:
    """The driver as nvidia-smi describes it; None where there is no nvidia-smi.

    Raises:
        RuntimeError: nvidia-smi ended with an error, whose line this is.
        subprocess.TimeoutExpired: it did not answer.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    banner = _output(program)
    try:
        rows = _output(program, "--query-gpu=name,compute_cap", "--format=csv,noheader")
    except RuntimeError:  # drivers before 510 do not know compute_cap
        rows = _output(program, "--query-gpu=name", "--format=csv,noheader")
    gpus = []
    for row in filter(None, rows.splitlines()):
        name, _, capability = row.partition(",")
        gpus.append((name.strip(), float(capability) if re.fullmatch(r"\s*\d+\.\d+\s*", capability) else None))
    # Since driver 610 the banner says "KMD Version" and "CUDA UMD Version".
    version = re.search(r"(?:Driver|KMD) Version:\s*([\d.]+)", banner)
    cuda = re.search(r"CUDA (?:UMD )?Version:\s*(\d+)\.(\d+)", banner)
    return Driver(version[1] if version else "of unknown version", (int(cuda[1]), int(cuda[2])) if cuda else None, tuple(gpus))


def describe_driver(driver: Driver | None) -> Finding:
    """One line on the driver, or on its absence, which is no error."""
    if driver is None:
        return Finding("driver", "no NVIDIA driver found (there is no nvidia-smi)")
    names = ", ".join(name for name, _ in driver.gpus)
    runs = f", runs CUDA up to {driver.cuda[0]}.{driver.cuda[1]}" if driver.cuda else ""
    return Finding("driver", f"{driver.version}{runs}; {len(driver.gpus)} GPU(s){': ' * bool(names)}{names}")


def installed_wheels() -> dict[str, str]:
    """Name and version of every CuPy package: each brings a module named cupy, so two of them overwrite one another."""
    found = {}
    for package in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"] or "").lower()
        if re.fullmatch(r"cupy|cupy-(cuda|rocm).*", name):
            found[name] = package.version
    return dict(sorted(found.items()))


def install(driver: Driver | None, wheels: Iterable[str] = (), afresh: bool = False) -> str:
    """The pip commands that bring the CuPy for this driver and these GPUs, after removing what would be in its way.

    CUDA 13 no longer compiles for GPUs below compute capability 7.5 (Maxwell, Pascal, Volta); its drivers still run CUDA 12.
    """
    wheels = list(wheels)
    if driver is None or driver.cuda is None:
        extra = "cuda13" if wheels == ["cupy-cuda13x"] else "cuda12"
    elif driver.cuda < (12, 0):
        return 'update the NVIDIA driver to one that runs CUDA 12 or newer, then pip install "minialex[cuda12]"'
    else:
        old = any(capability is not None and capability < 7.5 for _, capability in driver.gpus)
        extra = "cuda13" if driver.cuda >= (13, 0) and not old else "cuda12"
    remove = wheels if afresh or wheels != [f"cupy-{extra}x"] else []
    first = f"pip uninstall -y {' '.join(remove)}, then " if remove else ""
    return f'{first}pip install "minialex[{extra}]" (from a clone: pip install -e ".[{extra}]")'


def describe_cupy(cupy: Any, wheels: dict[str, str]) -> Finding:
    """CuPy's version and the CUDA it was built with, runs on and compiles with."""
    nvrtc = _version_of(cupy.cuda.nvrtc.getVersion)
    text = (
        f"{cupy.__version__} from {', '.join(wheels) or 'an unknown package'}\n"
        f"CUDA: runtime {_version_of(cupy.cuda.runtime.runtimeGetVersion)}, "
        f"driver {_version_of(cupy.cuda.runtime.driverGetVersion)}, compiler (NVRTC) {nvrtc}"
    )
    return Finding("CuPy", text)


def each_gpu(cupy: Any, driver: Driver | None, wheels: Iterable[str] = ()) -> Iterator[Finding]:
    """Every GPU CuPy sees: name, compute capability, memory, whether it computes; and what each pair can reach."""
    try:
        count, problem = int(cupy.cuda.runtime.getDeviceCount()), ""
    except Exception as error:
        count, problem = 0, error_line(error)
    if count == 0:
        yield _no_gpu(driver, wheels, problem)
        return
    for index in range(count):
        yield one_gpu(cupy, index, driver, wheels)
    if count > 1:
        yield peers(cupy, count)


def one_gpu(cupy: Any, index: int, driver: Driver | None, wheels: Iterable[str] = ()) -> Finding:
    """GPU `index`, put to work: one kernel that CuPy compiles here and one cuBLAS product must give the exact result."""
    topic, text = f"GPU {index}", ""
    try:
        properties = cupy.cuda.runtime.getDeviceProperties(index)
        capability = (int(properties["major"]), int(properties["minor"]))
        text = f"{properties['name'].decode(errors='replace')}, compute capability {capability[0]}.{capability[1]}"
        with cupy.cuda.Device(index):
            free, total = cupy.cuda.runtime.memGetInfo()
            text += f", {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
            x = cupy.arange(16, dtype="float32").reshape(4, 4)
            total_sum = float((x @ x + x).sum())  # small integers: exact in any precision, TF32 too
        if total_sum != 4040.0:
            raise ArithmeticError(f"x @ x + x is wrong on this GPU (its sum is {total_sum}, and should be 4040)")
    except Exception as error:
        advice = f"{install(driver, wheels)}; until then --devices cpu,cpu"
        return Finding(topic, f"{text or 'found'}; but it cannot compute: {error_line(error)}", "broken", advice)
    return Finding(topic, f"{text}; computes")


def peers(cupy: Any, count: int) -> Finding:
    """For each pair of GPUs: can each reach the other's memory? Where not, copies go through the host."""
    reach = cupy.cuda.runtime.deviceCanAccessPeer
    pairs_by_ways: dict[int, list[str]] = {2: [], 1: [], 0: []}
    for a, b in combinations(range(count), 2):
        pairs_by_ways[bool(reach(a, b)) + bool(reach(b, a))].append(f"{a}-{b}")
    meaning = {
        2: "each reaches the other's memory",
        1: "only one reaches the other's memory",
        0: "neither reaches the other's memory: copies go by way of the host (slower, the same results)",
    }
    text = "\n".join(f"{', '.join(pairs)}: {meaning[ways]}" for ways, pairs in pairs_by_ways.items() if pairs)
    return Finding("GPU pairs", text, "note" if pairs_by_ways[1] or pairs_by_ways[0] else "ok")


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False)
    if done.returncode:
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise RuntimeError(said[0] if said else f"exit code {done.returncode}")
    return done.stdout


def _version_of(ask: Any) -> str:
    try:
        answer = ask()
    except Exception:  # without a GPU that is no error; with one, its kernel says what is missing
        return "not found"
    major, minor = answer if isinstance(answer, tuple) else (answer // 1000, answer % 1000 // 10)
    return f"{major}.{minor}" if major else "none"


def _without_cupy(driver: Driver | None, wheels: dict[str, str], error: Exception) -> Finding:
    seen = driver is not None and bool(driver.gpus)
    if wheels or not isinstance(error, ModuleNotFoundError):
        advice = install(driver, wheels or ["cupy"], afresh=True) if seen else f"pip uninstall -y {' '.join(wheels) or 'cupy'}"
        return Finding("CuPy", f"installed, but its import fails: {error_line(error)}", "broken", advice)
    if seen:
        text = f"not installed, so the GPU stays idle: {INSTEAD}"
        return Finding("CuPy", text, "note", f"to use the GPU: {install(driver)}")
    return Finding(
        "CuPy", "not installed, and not needed without an NVIDIA GPU\nGPUs: none; two virtual CPU devices will be used"
    )


def _no_gpu(driver: Driver | None, wheels: Iterable[str], problem: str) -> Finding:
    because = f" ({problem})" if problem else ""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if driver is None or not driver.gpus:
        return Finding("GPUs", f"none{because}: {INSTEAD}")
    if hidden is not None and (not problem or "NoDevice" in problem):
        text = f"all hidden by CUDA_VISIBLE_DEVICES={hidden!r}: {INSTEAD}"
        return Finding("GPUs", text, "warn", "unset CUDA_VISIBLE_DEVICES")
    text = f"nvidia-smi sees {len(driver.gpus)}, but CuPy can use none{because}"
    return Finding("GPUs", text, "broken", f"{install(driver, wheels)}; until then --devices cpu,cpu")
