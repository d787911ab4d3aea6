"""CuPy's stand-in of the device tests, which can also compile and run the kernels: on the CPU, in memory with walls around it.

    with gpu() as cupy:                                  # `import cupy` finds it too
        y, winners = cuda.max_pool_forward(put(x), ...)  # the very code that runs on a GPU, up to and including the launch

An array ends where its memory ends: the page behind it may not be touched. What lies before it is checked after each launch,
and is nan to whoever reads it.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np

from minialex.devices import parse_devices
from minialex.layers.cuda import launch, pointwise
from minialex.layers.cuda.source import OPTIONS, dtype_of, signatures, source
from tests.cuda.compiled import Fault, Library
from tests.devices import fake_cupy
from tests.devices.fake_gpus import Machine, Memory

PAGE = mmap.PAGESIZE
BEFORE: dict[int, int] = {}  # by the address of a block of pages: how many bytes lie between its beginning and the array's


@cache
def real_kernels(real: str) -> Library:
    """The kernels as they are."""
    return Library({"real": source()}, real)


def walled(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """cupy.empty: fresh memory, nan all over, with a wall behind it."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=int)) * kind.itemsize
    pages = -(-size // PAGE) * PAGE
    block = np.frombuffer(mmap.mmap(-1, pages + 2 * PAGE), np.uint8)
    address = block.__array_interface__["data"][0]
    block[PAGE : PAGE + pages] = 0xFF
    for wall in (address, address + PAGE + pages):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(wall), ctypes.c_size_t(PAGE), 0) == 0, "mprotect"
    BEFORE[address] = pages - size
    values = block[PAGE + pages - size : PAGE + pages].view(kind).reshape(shape, order=order)
    return fake_cupy.ndarray(values, Memory(fake_cupy.ndarray.machine, values, fake_cupy.ndarray.machine.stream()))


def untouched(values: Any) -> bool:
    """Whether the bytes before an array are as they were; nobody knows where it is in no walled block."""
    while values.base is not None and not isinstance(values.base, memoryview):  # as_strided's views have no array for a base
        values = values.base
    gap = BEFORE.get(values.__array_interface__["data"][0]) if isinstance(values.base, memoryview) else None
    return gap is None or bool((values[PAGE : PAGE + gap] == 0xFF).all())


@dataclass
class RawModule:
    """cupy.RawModule. What it runs: a kernel of `prefix` in `libraries`, if it is there, else the real one."""

    code: str
    options: tuple[str, ...]
    prefix: ClassVar[str] = "real"
    libraries: ClassVar[dict[str, Library]] = {}  # for REAL = "float", "double"
    backwards: ClassVar[bool] = False
    launched: ClassVar[list[str]] = []

    def __post_init__(self) -> None:
        assert self.code == source()
        assert self.options[:-1] == OPTIONS
        self.real = self.options[-1].removeprefix("-DREAL=")

    def get_function(self, name: str) -> Any:
        return Kernel(self, name)


@dataclass
class Kernel:
    """What get_function gives: call it with a grid, a block and the arguments."""

    module: RawModule
    name: str
    keep: list[Any] = field(default_factory=list)

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
        real, declared = np.dtype({"float": "f4", "double": "f8"}[self.module.real]), signatures()[self.name]
        assert len(args) == len(declared), f"{self.name} takes {len(declared)} arguments, got {len(args)}"
        assert 0 < np.prod(block, dtype=int) <= 1024, f"{self.name}: a block of {block}"
        assert all(side < 1 << (31 if axis == 0 else 16) for axis, side in enumerate(grid)), f"{self.name}: a grid of {grid}"
        used: dict[bool, list[Memory]] = {True: [], False: []}  # what is read, what is written
        slots = []  # what the driver is given: the value of each argument, in memory of its own
        for parameter, value in zip(declared, args, strict=True):
            wanted, where = dtype_of(parameter.type, real), f"{self.name}: {parameter.name}"
            if parameter.pointer and type(value) is np.uintp and value == 0:  # a null pointer
                slots.append(np.array(value))
                continue
            if parameter.pointer:
                assert type(value) is fake_cupy.ndarray, f"{where} is a {type(value)}"
                used[parameter.const].append(value._memory)
                slots.append(np.array(value.data.ptr, np.uintp))
            else:
                assert isinstance(value, np.generic | np.ndarray), f"{where} is a {type(value)}, whose size CuPy would choose"
                slots.append(np.array(value))
                assert slots[-1].size == 1
            is_flag = value.dtype == bool and wanted == np.uint8
            assert value.dtype == wanted or is_flag, f"{where} is {value.dtype}, expected {wanted}"
        fake_cupy.ndarray.machine.launch(self.name, used[True], used[False])
        RawModule.launched.append(self.name)
        prefix, library = RawModule.prefix, RawModule.libraries.get(self.module.real)
        if library is None or not library.has(prefix, self.name):
            prefix, library = "real", real_kernels(self.module.real)
        addresses = [slot.__array_interface__["data"][0] for slot in slots]
        library.run(prefix, self.name, grid, block, addresses, RawModule.backwards)
        for value, parameter in zip(args, declared, strict=True):
            if parameter.pointer and isinstance(value, fake_cupy.ndarray) and not untouched(value._values):
                raise Fault(f"{self.name} writes before {parameter.name}")


@contextmanager
def installed(gpus: int = 1, *, peers: bool = True) -> Iterator[Machine]:
    """fake_cupy.installed, on whose GPUs the kernels run too."""
    with patch.object(fake_cupy, "empty", walled), fake_cupy.installed(gpus, peers=peers) as machine:
        sys.modules["cupy"].RawModule = RawModule  # type: ignore[attr-defined]
        yield machine


@contextmanager
def gpu() -> Iterator[Any]:
    """One GPU, its stream entered; gives the stand-in for CuPy."""
    with installed():
        cupy: Any = sys.modules["cupy"]
        with cupy.cuda.Device(0), cupy.cuda.Stream(non_blocking=True):
            yield cupy


@contextmanager
def real_gpu() -> Iterator[Any]:
    """cuda:0, its stream entered, where `put` brings arrays to now; gives CuPy."""
    (device,) = parse_devices("cuda:0")
    import cupy  # noqa: PLC0415

    def put(values: Any) -> Any:
        low, high = np.lib.array_utils.byte_bounds(values)
        memory = cupy.full(max(1, high - low), 0xFF, np.uint8)
        start = values.__array_interface__["data"][0] - low
        there = cupy.ndarray(values.shape, values.dtype, memory.data + start, values.strides)
        there[...] = cupy.asarray(np.ascontiguousarray(values))
        return there

    with device, patch.dict(globals(), put=put):
        yield cupy


@contextmanager
def settings(**changes: Any) -> Iterator[None]:
    """RawModule with another library, prefix or order of threads for a while."""
    with patch.multiple(RawModule, **changes):
        yield


@contextmanager
def small_grid() -> Iterator[None]:
    """Grids so small that each thread has several rounds to do."""
    small = {"THREADS": 32, "BLOCKS": 2, "IMAGES": 2}
    with patch.multiple(launch, **small), patch.object(pointwise, "COLUMN_SUMS", 32):  # type: ignore[call-overload]
        yield


def put(values: Any) -> Any:
    """A host array on the GPU with the same strides; what lies between its numbers is nan."""
    cupy: Any = sys.modules["cupy"]
    low, high = np.lib.array_utils.byte_bounds(values)
    memory = cupy.empty(high - low, np.uint8)
    memory._values[...] = 0xFF
    start = values.__array_interface__["data"][0] - low
    there = np.ndarray(values.shape, values.dtype, memory._values, start, values.strides)
    there[...] = values
    return fake_cupy.ndarray(there, memory._memory)
