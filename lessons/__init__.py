"""The lessons: AlexNet, built by you, in fifteen notebooks. README.md is the path through them.

What the notebooks import lives here: `from lessons import check` judges what you write, with the same claims and the same
planted mistakes that minialex's own tests use; `from lessons import draw` makes the pictures. Both need the whole repository,
not only the package, because the claims are in its folder `tests`.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOW = "clone the repository and, in its folder, run:  pip install -e '.[lessons]'"


def _bring_tests() -> None:
    """Make the repository's `tests` importable under that name, whatever the working directory is.

    Not by way of sys.path: a folder called tests where the notebook is would come first there.
    """
    home = ROOT / "tests"
    there = sys.modules.get("tests")
    if there is not None:
        if home in (Path(place).resolve() for place in getattr(there, "__path__", [])):
            return
        raise ImportError(f"lessons: another package called `tests` is loaded already, from {there.__path__}; start afresh")
    if not (home / "checks").is_dir():
        raise ImportError(f"lessons: the checks are missing: there is no {home / 'checks'}. To have them, {HOW}")
    spec = spec_from_file_location("tests", home / "__init__.py", submodule_search_locations=[str(home)])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["tests"] = module
    spec.loader.exec_module(module)


_bring_tests()
