"""The machine, Python, the packages minialex needs, NumPy and the BLAS behind its matrix products."""

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minialex
from minialex.doctor.findings import Finding

# What a speed or a device can depend on; nothing else of the environment belongs into a bug report.
TELLING = re.compile(r"^(OPENBLAS_|OMP_|GOTO_|MKL_|BLIS_|VECLIB_|NPY_|CUDA_|CUPY_|NVIDIA_VISIBLE)")


def machine() -> Iterator[Finding]:
    """minialex, Python, the system, its CPUs and memory, and the variables that steer NumPy, BLAS and CUDA."""
    yield Finding("minialex", f"{_version('minialex') or 'not installed'}, in {Path(minialex.__file__).parent}")
    yield Finding("Python", f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}")
    yield Finding("system", f"{_system()}\n{_cpus()}{_memory()}")
    told = [f"{name}={value}" for name, value in sorted(os.environ.items()) if TELLING.match(name)]
    if told:
        yield Finding("environment", "\n".join(told))


def packages() -> Iterator[Finding]:
    """The packages minialex needs, as its own metadata lists them."""
    try:
        required = importlib.metadata.requires("minialex") or []
    except importlib.metadata.PackageNotFoundError:
        advice = "pip install -e . (in minialex's folder)"
        yield Finding("packages", "minialex is not installed, so its packages cannot be checked", "warn", advice)
        return
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in required if "extra ==" not in line]
    missing = [name for name in names if _version(name) is None]
    present = ", ".join(f"{name} {_version(name)}" for name in names if name not in missing)
    yield Finding("packages", present or "none")
    if missing:
        yield Finding("packages", f"missing: {', '.join(missing)}", "broken", f"pip install {' '.join(missing)}")


def numpy_itself() -> Iterator[Finding]:
    """NumPy's version and the SIMD extensions it found on this CPU."""
    import numpy as np  # noqa: PLC0415 (its absence is a finding)

    simd = _configuration().get("SIMD Extensions", {})
    found = " ".join([*simd.get("baseline", []), *simd.get("found", [])])
    yield Finding("NumPy", f"{np.__version__}, SIMD: {found or 'unknown'}")


def blas() -> Iterator[Finding]:
    """The BLAS libraries NumPy has loaded: version, threads, and the kernels chosen for this CPU."""
    import numpy  # noqa: F401, PLC0415 (threadpoolctl sees only what is loaded)
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    for library in loaded:
        kernels = f"\nkernels for {library['architecture']}" if library.get("architecture") else ""
        threading = f" ({library['threading_layer']})" if library.get("threading_layer") else ""
        threads = f"{library['num_threads']} thread{'s' * (library['num_threads'] != 1)}{threading}"
        name = f"{library['internal_api']} {library.get('version') or '(version unknown)'}"
        yield Finding("BLAS", f"{name}, {threads}, {Path(library['filepath']).name}{kernels}")
    if not loaded:
        built = _configuration().get("Build Dependencies", {}).get("blas", {})
        text = f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()
        yield Finding("BLAS", f"{text}; its number of threads can be neither read nor set from here", "note")
    if chosen := os.environ.get("OPENBLAS_CORETYPE"):
        text = f"OPENBLAS_CORETYPE={chosen} overrides the kernels OpenBLAS would choose; this can halve the speed"
        yield Finding("BLAS", text, "warn", "unset OPENBLAS_CORETYPE")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _configuration() -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    return dict(np.show_config(mode="dicts") or {})


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"] + ", "
    except (OSError, KeyError):  # not Linux, or a very small one
        name = ""
    return name + platform.platform()


def _cpus() -> str:
    count = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    return f"{count} CPU{'s' * (count > 1)}" + (f", {usable} of them for this process" if usable < count else "")


def _memory() -> str:
    try:
        return f", {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB of memory"
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return ""
