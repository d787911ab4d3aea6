"""Everything that minialex asks of CuPy, read from its source: does the real CuPy have it, with those arguments?

This needs CuPy but no GPU, so a wrong name is found on any machine where the wheel is installed. The stand-in of the other
tests is compared with the real one as well, lest it allow what CuPy does not.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import partial, reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import minialex
from tests.devices import fake_cupy
from tests.devices.fake_gpus import Event, Stream

PACKAGE = Path(minialex.__file__).parent
ON_GPUS_TOO = [PACKAGE / f"layers/fast/{name}.py" for name in ("biased", "columns", "dropout", "sequential", "workspace")]
ON_DEVICES = [
    *PACKAGE.glob("layers/*.py"),
    *ON_GPUS_TOO,
    *map(PACKAGE.joinpath, ("devices/wire.py", "shown.py", "towers.py", "optim.py")),
]
ON_HOSTS = ("arrays.py", "devices/cuda.py", "devices/pinned.py", "training/guard.py", "training/learner.py")
PLAIN = [*ON_DEVICES, *map(PACKAGE.joinpath, ON_HOSTS)]  # what the stand-in can run
KERNELS = [*PACKAGE.glob("layers/cuda/*.py")]
UFUNC = {"out", "dtype", "casting"}  # what every CuPy ufunc takes besides its operands
OBJECTS: dict[str, dict[str, tuple[str, ...]]] = {  # methods of what CuPy gives, with the arguments that are named
    "cuda.Stream": {"record": (), "wait_event": (), "synchronize": (), "__enter__": (), "__exit__": ()},
    "cuda.Event": {"done": (), "synchronize": ()},
    "cuda.Device": {"__enter__": (), "__exit__": (), "compute_capability": ()},
    "ndarray": {
        "get": ("stream", "out", "blocking"),
        "set": ("stream",),
        "copy": ("order",),
        "astype": ("copy",),
        "data": (),
        "view": (),
    },
}


class Use(NamedTuple):
    """One name of CuPy's in the source: "cuda.Stream", and the arguments that the call names."""

    name: str
    arguments: tuple[str, ...]
    where: str


def dotted(node: ast.AST) -> str | None:
    """ "cuda.Stream" for `self.xp.cuda.Stream`, `array_module(x).cuda.Stream`, ...; None for what is not CuPy's."""
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "device"), attr="xp") | ast.Name(id="xp" | "cupy"):
            return ""
        case ast.Call(func=ast.Name(id="array_module")):
            return ""
        case ast.Name(id="runtime"):
            return "cuda.runtime"
        case ast.Attribute(value=value, attr=attr):
            owner = dotted(value)
            return None if owner is None else f"{owner}.{attr}".lstrip(".")
    return None


def uses(sources: list[Path]) -> Iterator[Use]:
    """All of them. A name that is bound first (`concatenate = array_module(x).concatenate`) counts where it is called."""
    for path in sources:
        tree = ast.parse(path.read_text())
        bound = {
            target.id: name
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and (name := dotted(node.value)) and isinstance(target := node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                name = bound.get(node.func.id) if isinstance(node.func, ast.Name) else dotted(node.func)
                if name:
                    yield Use(name, tuple(keyword.arg or "**" for keyword in node.keywords), where)
            elif isinstance(node, ast.Attribute) and (name := dotted(node)) and not name.startswith("__"):
                yield Use(name, (), where)


def find(module: Any, name: str) -> Any:
    return reduce(getattr, name.split("."), module)


def parameters(function: Any) -> set[str]:
    """The names of its arguments; of a function compiled by Cython, from the first line of its documentation."""
    if type(function).__name__ == "ufunc" or (isinstance(function, partial) and function.func is fake_cupy.compute):
        return UFUNC
    if type(function).__name__ == "_GUFunc":
        function = type(function).__call__
    try:
        return set(inspect.signature(function).parameters)
    except ValueError:
        first_line = re.search(r"\((.*)\)", (function.__doc__ or "").partition("\n")[0])
        assert first_line is not None, f"{function} does not tell its arguments"
        named = (re.split(r"[=:]", argument)[0].split()[-1] for argument in first_line[1].split(","))
        return {name.strip("*") for name in named}


def array_attributes() -> set[str]:
    """What the code that works on devices does with arrays."""
    nodes = (node for path in ON_DEVICES for node in ast.walk(ast.parse(path.read_text())))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and hasattr(np.ndarray, node.attr)}


def test_the_source_is_read() -> None:
    """The forms in which minialex names CuPy are all found, so that the tests below have something to say."""
    found = {use.name for use in uses(PLAIN)}
    assert {"empty_like", "maximum", "concatenate", "lib.stride_tricks.as_strided"} <= found
    assert {"cuda.Stream", "cuda.runtime.memcpyPeerAsync", "cuda.runtime.CUDARuntimeError", "is_available"} <= found
    assert ("empty_like", ("shape", "dtype", "order")) in {use[:2] for use in uses(PLAIN)}
    assert {"transpose", "reshape", "flags", "nbytes", "astype"} <= array_attributes()


def wrong(module: Any, sources: list[Path]) -> list[str]:
    """What minialex asks of this CuPy that it does not have."""
    found = []
    for use in sorted(set(uses(sources))):
        try:
            unknown = set(use.arguments) - parameters(find(module, use.name)) if use.arguments else set()
        except AttributeError:
            found.append(f"{use.where}: there is no {use.name}")
        else:
            found += [f"{use.where}: {use.name} takes no {argument}" for argument in unknown]
    return found


def test_the_stand_in_has_it() -> None:
    """If not: teach fake_cupy.py the new name."""
    with fake_cupy.installed():
        import cupy  # noqa: PLC0415

        assert wrong(cupy, PLAIN) == []


def test_the_stand_ins_arrays_can_do_it() -> None:
    assert {name for name in array_attributes() if not hasattr(fake_cupy.ndarray, name)} == set()


@pytest.fixture(scope="module")
def real() -> Any:
    """The real CuPy; importing it needs no GPU."""
    return pytest.importorskip("cupy", reason="CuPy is not installed: its names cannot be compared")


def test_cupy_has_it(real: Any) -> None:
    assert wrong(real, PLAIN + KERNELS) == []


def test_cupys_arrays_can_do_it(real: Any) -> None:
    assert {name for name in array_attributes() if not hasattr(real.ndarray, name)} == set()


def test_cupys_objects_can_do_it(real: Any) -> None:
    for name, methods in OBJECTS.items():
        for method, arguments in methods.items():
            function = getattr(find(real, name), method)
            assert not arguments or set(arguments) <= parameters(function), f"{name}.{method}"


def test_the_stand_in_allows_no_more_than_cupy(real: Any) -> None:
    with fake_cupy.installed():
        import cupy as fake  # noqa: PLC0415

        pairs = [(fake, real), (fake.cuda, real.cuda), (fake.cuda.runtime, real.cuda.runtime)]
        pairs += [(fake_cupy.ndarray, real.ndarray), (Stream, real.cuda.Stream), (Event, real.cuda.Event)]
        for ours, theirs in pairs:
            for name in (name for name in dir(ours) if not name.startswith("_") and name not in ("machine", "work", "after")):
                assert hasattr(theirs, name), f"{theirs} has no {name}"
                function = getattr(ours, name)
                if inspect.isfunction(function) and "<lambda>" not in function.__qualname__:
                    allowed = parameters(getattr(theirs, name))
                    assert set(inspect.signature(function).parameters) <= allowed | {"self"}, f"{name} takes {allowed}"
