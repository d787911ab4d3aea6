"""`import minialex` is light: what it does not need is not loaded, and need not be there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("cupy", "matplotlib", "sklearn", "scipy", "torch", "PIL", "tqdm", "hypothesis")
SHOW = "import json, sys; {}; print(json.dumps(sorted(sys.modules)))"


def modules_after(statement: str) -> set[str]:
    """What a fresh interpreter has loaded after this."""
    shown = subprocess.run([sys.executable, "-c", SHOW.format(statement)], capture_output=True, text=True, check=True)
    return set(json.loads(shown.stdout))


@pytest.mark.parametrize(
    "statement",
    [
        "import minialex",
        "import minialex.layers, minialex.gradcheck",
        "import minialex.nets, minialex.optim",
        "from minialex.devices import parse_devices; parse_devices('cpu,cpu')",
    ],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    loaded = modules_after(statement)
    assert "minialex" in loaded
    assert loaded & set(HEAVY) == set()


def test_layers_know_nothing_of_devices() -> None:
    assert not {name for name in modules_after("import minialex.layers") if name.startswith("minialex.devices")}


def test_the_gradient_checker_imports_nothing_else_of_minialex() -> None:
    ours = {name for name in modules_after("import minialex.gradcheck") if name.startswith("minialex.")}
    assert "minialex.gradcheck" in ours
    assert {name for name in ours if not name.startswith("minialex.gradcheck")} == set()


def test_a_net_runs_where_nothing_heavy_is_installed() -> None:
    absent = "; ".join(f"sys.modules[{name!r}] = None" for name in HEAVY)
    train = (
        "import numpy as np; from minialex.devices import parse_devices; from minialex.nets import small_towers; "
        "net = small_towers(parse_devices('auto')); net.backward(net.forward(np.ones((1, 1, 8, 8))))"
    )
    assert "minialex.nets" in modules_after(f"{absent}; {train}")
