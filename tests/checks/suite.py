"""How claims are run and how numbers are compared: a suite, what refutes it, and the words that its claims are written in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky, HypothesisException
from hypothesis.strategies import SearchStrategy

from tests.reference import Array

Property: TypeAlias = Callable[[Any, Any], None]
Fact: TypeAlias = Callable[[Any], None]


class Refuted(AssertionError):
    """A claim that does not hold. claim: its name; case: the drawn case, None for a fact; __cause__: what went wrong."""

    def __init__(self, claim: Callable[..., None], case: Any, reason: BaseException) -> None:
        self.claim, self.case = claim.__name__, case
        says = (claim.__doc__ or self.claim).partition("\n")[0]
        where = "" if case is None else f"\n  case: {case}"
        super().__init__(f"{says}\n  but {type(reason).__name__}: {reason}{where}")


@dataclass(frozen=True)
class Suite:
    """All that is claimed of one kind of layer."""

    layer: Any  # minialex's own
    cases: SearchStrategy[Any]
    properties: tuple[Property, ...]
    facts: tuple[Fact, ...] = ()

    def run(
        self,
        cls: Any = None,
        *,
        max_examples: int = 25,
        shrink: bool = False,
        only: Collection[Callable[..., None]] | None = None,
        cases: SearchStrategy[Any] | None = None,
    ) -> None:
        """Raise Refuted at the first claim that is wrong of `cls`. Every run draws the same cases.

        shrink: look for the smallest case that fails, which takes longer. only: these claims, not all. cases: other ones.
        """
        cls = self.layer if cls is None else cls
        facts = [claim for claim in self.facts if only is None or claim in only]
        properties = [claim for claim in self.properties if only is None or claim in only]
        for fact in facts:
            _hold(fact, None, cls)

        @settings(
            max_examples=max_examples,
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            derandomize=True,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self.cases if cases is None else cases)
        def all_properties(case: Any) -> None:
            for claim in properties:
                _hold(claim, case, cls, case)

        try:
            if properties:
                all_properties()
        except Flaky as error:
            raise Refuted(every_run_gives_the_same, None, error) from error


def every_run_gives_the_same() -> None:
    """The same case gives the same result every time"""


def _hold(claim: Callable[..., None], case: Any, *arguments: Any) -> None:
    """Call the claim; whatever it raises refutes it."""
    try:
        claim(*arguments)
    except HypothesisException:
        raise
    except Exception as error:
        raise Refuted(claim, case, error) from error


def host(x: Any) -> Array:
    """x as a plain NumPy array, wherever it lives."""
    return np.asarray(x.get() if hasattr(x, "get") else x)


def same(what: str, got: Any, expected: Any, tolerance: float = 0.0) -> None:
    """Equal shapes, and equal numbers: exactly, or up to tolerance * the largest expected number.

    Sums of numbers around 1 may cancel, and their rounding stays: so the largest counts as no less than 0.01, in float32 as 1.
    """
    got, expected = host(got), host(expected)
    assert got.shape == expected.shape, f"{what} has the shape {got.shape}, expected {expected.shape}"
    if not expected.size:
        return
    with np.errstate(invalid="ignore"):
        error = np.where(got == expected, 0.0, np.abs(got.astype(np.float64) - expected))  # infinities may be equal
    error[np.isnan(error)] = np.inf
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    at = f"{what}[{', '.join(map(str, worst))}]"
    largest = max(1.0 if got.dtype == np.float32 else 0.01, float(np.max(np.abs(expected))))
    assert error[worst] == 0 or error[worst] <= tolerance * largest, f"{at} is {got[worst]!s}, expected {expected[worst]!s}"


def complains(kind: type[Exception] | tuple[type[Exception], ...], *about: str, of: Callable[[], Any]) -> None:
    """The call raises this kind of error, in one line that mentions every word of `about`."""
    try:
        of()
    except kind as error:
        text = str(error)
    else:
        raise AssertionError(f"no error, though there should be one about {', '.join(about)}")
    assert text, "the error says nothing"
    assert "\n" not in text, f"the error should be one line: {text}"
    for word in about:
        assert word in text, f"the error should mention {word}: {text}"


def gradients(layer: Any, dx: Array) -> dict[str, Array]:
    """What a backward pass left: "dx", and "dweight" for the parameter "weight", ..."""
    assert set(layer.grads) == set(layer.params), f"grads has {set(layer.grads)}, params has {set(layer.params)}"
    return {"dx": dx} | {f"d{name}": gradient for name, gradient in layer.grads.items()}


def copies(arrays: dict[str, Array]) -> dict[str, Array]:
    """Host copies."""
    return {name: np.array(host(value)) for name, value in arrays.items()}
