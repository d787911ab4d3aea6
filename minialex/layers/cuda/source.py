"""The text of the kernels, and what it says of their arguments: the one place where names, order and types are written."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FOLDER = Path(__file__).parent
OPTIONS = ("-std=c++17", "--fmad=false")  # a * b + c is rounded twice, as NumPy rounds it; memory is the limit anyway
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
STRUCT = re.compile(r"^struct (\w+) \{(.*?)^\};", re.DOTALL | re.MULTILINE)
FIELDS = re.compile(r"^\s*(unsigned long long|unsigned int|long long|int) ([^;]+);", re.MULTILINE)
SCALARS = {"int": "i4", "unsigned int": "u4", "long long": "i8", "unsigned long long": "u8", "unsigned char": "u1"}


class Parameter(NamedTuple):
    """One argument of a kernel: `const REAL* __restrict__ x` is ("x", "REAL", pointer=True, const=True)."""

    name: str
    type: str
    pointer: bool
    const: bool


def files() -> list[Path]:
    """All the sources; the one that the others share comes first."""
    return sorted(FOLDER.glob("*.cu"), key=lambda path: (path.name != "common.cu", path.name))


@cache
def source() -> str:
    """All files as one module. The compiler's messages name file and line."""
    return "".join(f'#line 1 "{path.name}"\n{path.read_text(encoding="utf-8")}' for path in files())


def parameters(text: str) -> dict[str, tuple[Parameter, ...]]:
    """The arguments of every kernel in a source, by the kernel's name."""
    return {name: tuple(map(_parameter, declared.split(","))) for name, declared in KERNEL.findall(text)}


def _parameter(declared: str) -> Parameter:
    words = declared.replace("__restrict__", " ").replace("*", " ").split()
    return Parameter(words[-1], " ".join(word for word in words[:-1] if word != "const"), "*" in declared, "const" in words)


def structs(text: str) -> dict[str, np.dtype[Any]]:
    """The structures that are passed by value, laid out as C lays them out."""
    found = {name: FIELDS.findall(re.sub(r"//.*", "", body)) for name, body in STRUCT.findall(text)}
    return {
        name: np.dtype([(field.strip(), SCALARS[kind]) for kind, names in fields for field in names.split(",")], align=True)
        for name, fields in found.items()
        if fields
    }


@cache
def signatures() -> dict[str, tuple[Parameter, ...]]:
    """`parameters` of the kernels as they are."""
    return parameters(source())


@cache
def layouts() -> dict[str, np.dtype[Any]]:
    """`structs` of the kernels as they are."""
    return structs(source())


def dtype_of(type_name: str, real: np.dtype[Any]) -> np.dtype[Any]:
    """What an argument of this C type, or the array that it points to, has for a dtype where REAL is `real`."""
    if type_name in ("REAL", "Vector"):
        return real
    if type_name.startswith("Winners"):
        return np.dtype("u1")
    return layouts()[type_name] if type_name in layouts() else np.dtype(SCALARS[type_name])
