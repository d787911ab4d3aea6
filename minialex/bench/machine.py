"""What the figures were measured on, in a few words: the kind of processor, the versions that matter, what steers BLAS."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from minialex.devices.cpu import cores


def machine() -> dict[str, Any]:
    """Plain data for --json; `in_words` makes a line of it."""
    blas: dict[str, Any] = next((library for library in threadpool_info() if library["user_api"] == "blas"), {})
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": " ".join(str(blas[key]) for key in ("internal_api", "version", "architecture") if blas.get(key)),
        "torch": _version("torch"),
        "cupy": next((found for name in ("cupy-cuda12x", "cupy-cuda13x", "cupy") if (found := _version(name))), None),
        "environment": {name: value for name, value in os.environ.items() if name.startswith(("OPENBLAS_", "OMP_", "MKL_"))},
    }


def in_words(found: dict[str, Any]) -> str:
    """One line, and a second where the environment steers BLAS."""
    libraries = [f"Python {found['python']}", f"NumPy {found['numpy']} with {found['blas']}"]
    libraries += [f"{title} {found[key]}" for key, title in (("torch", "PyTorch"), ("cupy", "CuPy")) if found[key]]
    line = f"{found['processor']}, {found['cores']} cores, {found['system']}; {', '.join(libraries)}"
    if steered := " ".join(f"{name}={value}" for name, value in sorted(found["environment"].items())):
        line += f"\nset in the environment, and not on everybody's machine: {steered}"
    return line


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
