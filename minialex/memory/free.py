"""How much memory is free: on a GPU, and on this computer within the limits of the container that we may be in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

MEMINFO = Path("/proc/meminfo")
CONTAINERS = (  # the limit and what is taken of it: control groups of version 2 and 1
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def free_on(gpu: Any) -> int:
    """Free bytes of a CUDA device, with those that CuPy's pool holds ready."""
    with gpu:
        free, _ = gpu.xp.cuda.runtime.memGetInfo()
        return int(free) + int(gpu.xp.get_default_memory_pool().free_bytes())


def free_here() -> int | None:
    """Free bytes of this computer; where it does not tell, all that it has; None where it tells nothing."""
    told = [_available(), *(_left(limit, taken) for limit, taken in CONTAINERS)]
    known = [size for size in told if size is not None]
    if known:
        return min(known)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        return None


def _available() -> int | None:
    """Linux: what can be had without swapping."""
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _left(limit: Path, taken: Path) -> int | None:
    """Linux: what a container may still take; files that it keeps in memory count as taken, less those not used lately."""
    try:
        left = int(limit.read_text(encoding="ascii")) - int(taken.read_text(encoding="ascii"))
        counts = dict(line.split() for line in (limit.parent / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):  # not in a container, or one without a limit ("max")
        return None
    return left + int(counts.get("inactive_file", 0))
