"""The house's rules, read from the code itself: which room may import which, and how long a layer's file may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import minialex

ROOT = Path(minialex.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "__pycache__" not in path.parts)

# What the files of a room may import of minialex, besides the room itself. Whoever is not listed may import anything.
MAY_IMPORT = {
    "arrays": set(),
    "seeds": set(),
    "shown": {"arrays"},
    "lent": {"arrays"},
    "gradcheck": set(),
    "layers": {"arrays", "lent"},
    "devices": {"arrays"},
    "towers": {"arrays", "devices", "layers", "shown"},
    "summary": {"arrays", "devices", "layers", "towers"},
    "net": {"arrays", "devices", "layers", "shown", "towers", "summary"},
    "initial": {"arrays", "devices", "layers", "net", "seeds"},
    "nets": {"arrays", "devices", "layers", "towers", "net", "initial", "seeds"},
    "optim": {"arrays", "devices", "layers", "net"},
    "data": {"arrays", "lent", "seeds", "shown", "console"},
    "evaluation": {"arrays", "layers", "data", "net", "shown"},
    "claims": {"arrays", "console", "data", "devices", "evaluation", "initial", "inside", "layers", "net", "nets", "optim"}
    | {"plots", "inherit", "recipes", "runs", "seeds", "towers", "training"},
    "inside": {"arrays", "data", "devices", "evaluation", "layers", "net", "optim", "seeds", "towers"},
    "plots": {"arrays", "trace", "training"},
    "training": {"arrays", "data", "devices", "evaluation", "layers", "net", "optim", "seeds", "shown"},
}


def room(path: Path) -> str:
    """minialex/layers/conv.py -> "layers"; minialex/net.py -> "net"."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms of minialex that a file imports, wherever in the file it does."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" if node.module == "minialex" else str(node.module) for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("minialex.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downwards(path: Path) -> None:
    allowed = MAY_IMPORT.get(room(path))
    if allowed is not None:
        assert imported_rooms(path) <= allowed | {room(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_computes_gradients_for_us(path: Path) -> None:
    """No torch, jax or autograd anywhere; CuPy only where a GPU is asked for, never at the head of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    heads = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    heads |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not {head.split(".")[0] for head in heads} & {"cupy", "cupyx", "torch", "jax", "autograd", "tensorflow"}
    everywhere = path.read_text(encoding="utf-8")
    assert "import torch" not in everywhere


@pytest.mark.parametrize("path", sorted((ROOT / "layers").glob("*.py")), ids=lambda path: path.name)
def test_a_layer_fits_a_page(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150
