"""How an error is planted: one edit of the real source, run as a module of its own. No file is ever touched.

A mutant names the function that it changes, a snippet that stands there exactly once, and what stands there instead. When
the code changes and the snippet is gone, `Misplaced` says so: a mutant is always one edit away from the code of today.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

from tests.checks.suite import Refuted

Check: TypeAlias = Callable[..., None]  # check_xxx(cls, max_examples=...)
EXAMPLES = 30  # drawn cases a mutant may survive for; nearly all die in the first few


class Misplaced(AssertionError):
    """A mutant that no longer fits the code, or that breaks it in a way that any run would show."""


@dataclass(frozen=True)
class Mutant:
    """`old`, which stands once in the function `within`, becomes `new`. `looks_like` names the mistake to who made it.

    within: a method of the subject's class ("backward"), or any function or class of its module ("_Pool2d._crop", "update").
    """

    name: str
    old: str
    new: str
    looks_like: str
    within: str = "backward"


@dataclass(frozen=True)
class Subject:
    """Something with a backward pass, the checks that prove it, and the mutants that they must refuse.

    trials: what is made of the module, and the check that is run on it. Every one of them must see every mutant.
    """

    name: str
    module: ModuleType
    trials: tuple[tuple[Callable[[ModuleType], Any], Check], ...]
    mutants: tuple[Mutant, ...]

    def real(self) -> ModuleType:
        """The module's source as it is, run once more."""
        return run(self.module, inspect.getsource(self.module))

    def planted(self, mutant: Mutant) -> ModuleType:
        """The module with the mutant's error in it."""
        return run(self.module, self.planted_source(mutant))

    def hold(self, module: ModuleType, *, max_examples: int = EXAMPLES) -> None:
        """Run all trials on this module; raise Refuted at the first claim that is wrong."""
        for make, check in self.trials:
            check(make(module), max_examples=max_examples)

    def kills(self, mutant: Mutant, *, max_examples: int = EXAMPLES) -> list[Refuted | None]:
        """What each trial says of the mutant; None where it saw nothing. Misplaced if the mutant is no realistic error."""
        module, said = self.planted(mutant), []
        for make, check in self.trials:
            refuted = None
            with warnings.catch_warnings(category=RuntimeWarning, action="ignore"):
                try:
                    check(make(module), max_examples=max_examples)
                except Refuted as error:
                    refuted = error
            if refuted is not None and isinstance(refuted.__cause__, NameError | AttributeError | SyntaxError):
                raise Misplaced(f"{self.name}, {mutant.name!r} does not even run: {refuted.__cause__}") from refuted
            said.append(refuted)
        return said

    def planted_source(self, mutant: Mutant) -> str:
        """The module's source with the mutant's edit."""
        source = inspect.getsource(self.module)
        first, last = self._lines(source, mutant)
        lines = source.splitlines(keepends=True)
        before, body, after = "".join(lines[:first]), "".join(lines[first:last]), "".join(lines[last:])
        if (count := body.count(mutant.old)) != 1:
            raise Misplaced(
                f"{self.name}, {mutant.name!r}: the snippet {mutant.old!r} stands {count} times in "
                f"{mutant.within} of {self.module.__name__}, expected once; the code has changed, so change the mutant"
            )
        return before + body.replace(mutant.old, mutant.new) + after

    def _lines(self, source: str, mutant: Mutant) -> tuple[int, int]:
        """Where the function stands that the mutant changes: its first line, and the one after its last."""
        places = definitions(ast.parse(source))
        for name in (f"{self.name}.{mutant.within}", mutant.within):
            if name in places:
                return places[name]
        raise Misplaced(f"{self.name}, {mutant.name!r}: {self.module.__name__} has no {mutant.within}; change the mutant")


def definitions(node: ast.AST, prefix: str = "") -> dict[str, tuple[int, int]]:
    """Qualified name -> lines of every function and class."""
    found = {}
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = prefix + child.name
            found[name] = child.lineno - 1, child.end_lineno or child.lineno
            found |= definitions(child, f"{name}.")
    return found


def run(module: ModuleType, source: str) -> ModuleType:
    """A fresh module made of this source, which imports what `module` imports."""
    fresh = ModuleType(module.__name__)
    fresh.__file__ = None
    exec(compile(source, f"<{module.__name__}, mutated>", "exec"), fresh.__dict__)
    return fresh


def layer(name: str, module: ModuleType, check: Check, *mutants: Mutant) -> Subject:
    """A subject that is the class `name` of its module, with one check."""
    return Subject(name, module, ((lambda fresh: getattr(fresh, name), check),), mutants)
