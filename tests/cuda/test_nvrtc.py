"""NVRTC compiles the kernels, without a GPU, for every generation that it knows from Volta on; and what it makes of them."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from minialex.layers.cuda.source import OPTIONS, signatures, source

WANTED = (70, 75, 80, 86, 90, 100, 120)  # Volta, Turing, Ampere (two), Hopper, Blackwell (two)


@cache
def nvrtc() -> ctypes.CDLL:
    """NVIDIA's compiler library, from the package nvidia-cuda-nvrtc-cu12 (or CUDA 13's), which CuPy's [ctk] brings too."""
    found = find_spec("nvidia")
    for folder in found.submodule_search_locations or () if found else ():
        for pattern in ("*/lib/libnvrtc.so.*", "*/bin/**/nvrtc64_*_0.dll"):
            for path in sorted(Path(folder).glob(pattern)):
                return ctypes.CDLL(str(path))
    for name in ("libnvrtc.so.13", "libnvrtc.so.12"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12")


def architectures() -> tuple[int, ...]:
    """Those that this NVRTC can compile for."""
    number = ctypes.c_int()
    nvrtc().nvrtcGetNumSupportedArchs(ctypes.byref(number))
    known = (ctypes.c_int * number.value)()
    nvrtc().nvrtcGetSupportedArchs(known)
    return tuple(known)


@cache
def ptx(real: str, architecture: int) -> str:
    """The kernels as PTX."""
    library, program = nvrtc(), ctypes.c_void_p()
    given = *OPTIONS, f"-DREAL={real}", f"--gpu-architecture=compute_{architecture}", "--device-as-default-execution-space"
    options = [option.encode() for option in given]  # the last one is CuPy's
    library.nvrtcCreateProgram(ctypes.byref(program), source().encode(), b"minialex.cu", 0, None, None)
    failed = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    text = output(program, "ProgramLog")
    assert not failed, f"compute_{architecture}, {real}:\n{text}"
    warnings = [line for line in text.splitlines() if "warning" in line and "Architectures prior to" not in line]
    assert not warnings, f"compute_{architecture}, {real}: {warnings}"
    text = output(program, "PTX")
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return text


def output(program: ctypes.c_void_p, what: str) -> str:
    """What nvrtcGetPTX or nvrtcGetProgramLog gives."""
    size = ctypes.c_size_t()
    getattr(nvrtc(), f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(nvrtc(), f"nvrtcGet{what}")(program, text)
    return text.value.decode()


def bodies(text: str) -> dict[str, str]:
    """The PTX of each kernel."""
    parts = re.split(r"\.entry (\w+)\(", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("architecture", WANTED)
def test_every_architecture(architecture: int) -> None:
    if architecture not in architectures():
        pytest.skip(f"this NVRTC does not know compute_{architecture}")
    assert bodies(ptx("float", architecture)).keys() == signatures().keys()


@pytest.mark.parametrize("real", ["float", "double"])
def test_what_the_compiler_made(real: str) -> None:
    """All arguments arrive; vector kernels move 16 bytes at once; sums and products are rounded one by one; no thread keeps
    arrays in memory of its own, where registers should do.
    """
    wide = {"float": "v4.f32", "double": "v2.f64"}[real]
    for name, body in bodies(ptx(real, 90)).items():
        assert body.partition(")")[0].count(".param") == len(signatures()[name])
        assert "__local_depot" not in body, f"{name} keeps arrays in local memory"
        if name.endswith("_vectors"):
            loads, stores = re.findall(r"ld\.global\S*", body), re.findall(r"st\.global\S*", body)
            assert any(load.endswith(wide) for load in loads), f"{name} loads {loads}"
            assert any(store.endswith(wide) for store in stores), f"{name} stores {stores}"
        if not name.startswith(("lrn", "avg_pool", "views")):  # whose roots, powers and divisions are made of fma
            assert "fma.rn" not in body, f"{name} contracts products and sums"
