"""From a call with named arguments to a kernel on the current device and stream.

The module is compiled when its first kernel is asked for, by NVRTC for the GPU at hand; CuPy keeps the binary on disk, and one
loaded module for each device. A launch returns at once.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import numpy as np

from minialex.arrays import Array
from minialex.layers.cuda.source import OPTIONS, dtype_of, signatures, source

THREADS = 256  # of a block
BLOCKS = 4096  # at most: each thread of a larger array takes several numbers
IMAGES = 65535  # a grid's largest second side
MAYBE = {"unless"}  # parameters for which None, a null pointer, may be given
REALS = {np.dtype("f4"): "float", np.dtype("f8"): "double"}


@lru_cache(maxsize=4)
def module(cupy: Any, real: str) -> Any:
    """The compiled kernels for REAL = "float" or "double". (A test's stand-in for CuPy is another key.)"""
    return cupy.RawModule(code=source(), options=(*OPTIONS, f"-DREAL={real}"))


@lru_cache(maxsize=128)
def function(cupy: Any, real: str, name: str) -> Any:
    """One of its kernels."""
    return module(cupy, real).get_function(name)


def launch(name: str, grid: tuple[int, ...], block: tuple[int, ...], **arguments: Any) -> None:
    """Run the kernel on arrays and numbers, given by the names of its parameters; a dict fills a struct.

    TypeError: a name too few or too many, an array of another dtype. ValueError: a number that its type cannot hold. A kernel
    sees where an array begins, not its strides.
    """
    declared = signatures()[name]
    if arguments.keys() != {parameter.name for parameter in declared}:
        raise TypeError(f"kernel {name}: takes {', '.join(p.name for p in declared)}, got {', '.join(arguments)}")
    real = next(arguments[p.name].dtype for p in declared if p.pointer and p.type in ("REAL", "Vector"))
    if real not in REALS:
        raise TypeError(f"kernel {name}: works on float32 and float64, got {real}; convert the arrays with .astype()")
    packed = tuple(_pack(name, p.name, p.pointer, dtype_of(p.type, real), arguments[p.name]) for p in declared)
    function(sys.modules["cupy"], REALS[real], name)(grid, block, packed)


def _pack(kernel: str, name: str, pointer: bool, dtype: np.dtype[Any], value: Any) -> Any:
    """The value as CuPy shall pass it: an array by its address, a number or a struct by value, in exactly this type."""
    if pointer:
        if value is None and name in MAYBE:
            return np.uintp(0)
        if value.dtype != dtype and not (value.dtype == bool and dtype == np.uint8):
            raise TypeError(f"kernel {kernel}: {name} must be {dtype}, got {value.dtype}")
        return value
    try:
        if dtype.names is not None:
            if value.keys() != set(dtype.names):
                raise TypeError(f"kernel {kernel}: {name} has the fields {', '.join(dtype.names)}, got {', '.join(value)}")
            return np.array(tuple(value[field] for field in dtype.names), dtype)
        return dtype.type(value)
    except OverflowError as error:
        raise ValueError(f"kernel {kernel}: {name} = {value} is too large; split the batch") from error


def flat(numbers: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Grid and block for a plain array of so many numbers (or Vectors)."""
    return (min(BLOCKS, -(-numbers // THREADS)),), (THREADS,)


def by_image(images: int, numbers: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Grid and block for so many numbers in each image: images along the grid's second side."""
    if numbers >= 1 << 31:
        raise ValueError(f"an image of {numbers} numbers is too large for the kernels, which count to {(1 << 31) - 1} in one")
    return (min(BLOCKS, -(-numbers // THREADS)), min(images, IMAGES)), (THREADS,)


def by_rows(images: int, rows: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Grid and block for so many rows in each image, a warp of 32 threads walking along each."""
    return (min(BLOCKS, -(-rows // (THREADS // 32))), min(images, IMAGES)), (32, THREADS // 32)


def vector_parts(dtype: np.dtype[Any], lengths: tuple[int, ...], *arrays: Array) -> int:
    """How many numbers a thread can move at once: those of a Vector if all lengths and addresses allow it, else 1."""
    parts = 16 // dtype.itemsize
    fits = all(length % parts == 0 for length in lengths)
    return parts if fits and all(array.data.ptr % (parts * array.itemsize) == 0 for array in arrays) else 1  # type: ignore[attr-defined]
