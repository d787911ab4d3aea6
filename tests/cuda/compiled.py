"""The kernels, compiled by a C++ compiler: the same source, with host.h for CUDA."""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from minialex.layers.cuda.source import parameters

HERE = Path(__file__).parent
FLAGS = (
    *("-std=c++17", "-g0", "-shared", "-fPIC", "-ffp-contract=off"),
    *("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"),  # overflow, misaligned vectors, ... end the kernel
)
STRICT = ("-O1", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-Wno-unused-function")
HASTY = ("-O0", "-w")  # many sources at once, with errors planted in them


class Fault(AssertionError):
    """A kernel left its memory or did what C++ leaves undefined."""


@cache
def compiler() -> str:
    """A C++ compiler that knows the flags; the test is skipped where there is none."""
    for name in ("c++", "g++", "clang++"):
        if shutil.which(name):
            return name
    pytest.skip("no C++ compiler: the kernels cannot be run on the CPU")


class Library:
    """One compiled object: sources, each under a prefix of its own, for REAL = "float" or "double"."""

    def __init__(self, sources: Mapping[str, str], real: str, manner: tuple[str, ...] = STRICT) -> None:
        units = "\n".join(unit(prefix, text) for prefix, text in sources.items())
        with TemporaryDirectory() as folder:
            code, shared = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
            code.write_text(f'#include "host.h"\n{units}', encoding="utf-8")
            command = [compiler(), *FLAGS, *manner, f"-DREAL={real}", f"-I{HERE}", str(code), "-o", str(shared)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"the kernels do not compile:\n{done.stderr[:4000]}"
            self.shared = ctypes.CDLL(str(shared))

    def has(self, prefix: str, name: str) -> bool:
        """Whether there is such a kernel."""
        return hasattr(self.shared, f"{prefix}_{name}")

    def run(
        self, prefix: str, name: str, grid: tuple[int, ...], block: tuple[int, ...], addresses: list[int], backwards: bool
    ) -> None:
        """Run the kernel over the grid. addresses: of its arguments' values, as the CUDA driver takes them."""
        sides = [(ctypes.c_uint * 3)(*(max(1, side) for side in (*given, 1, 1)[:3])) for given in (grid, block)]
        ended = self.shared[f"{prefix}_{name}"](*sides, int(backwards), (ctypes.c_void_p * len(addresses))(*addresses))
        if ended:
            what = {signal.SIGSEGV: "touches memory outside its arrays", signal.SIGBUS: "touches memory outside its arrays"}
            raise Fault(f"{name} {what.get(ended, 'does what C++ does not define')} ({signal.Signals(ended).name})")


def unit(prefix: str, text: str) -> str:
    """A source in a namespace of its own, with a function for each kernel that takes its arguments by address."""
    callers = []
    for name, declared in parameters(text).items():
        types = [("const " * p.const) + p.type + ("*" * p.pointer) for p in declared]
        values = ", ".join(f"*({kind}*)arguments[{place}]" for place, kind in enumerate(types))
        callers.append(
            f'extern "C" int {prefix}_{name}(const unsigned* grid, const unsigned* block, int backwards, void** arguments)\n'
            f"{{ return over_the_grid(grid, block, backwards, [&] {{ {name}({values}); }}); }}"
        )
    body = text.replace('extern "C" __global__', "__global__")
    return f"#undef PARTS\nnamespace {prefix} {{\n{body}\n" + "\n".join(callers) + "\n}\n"
