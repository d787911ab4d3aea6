"""The checks of the kernels can fail: each planted error is refused."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import numpy as np
import pytest

from minialex.layers.cuda.source import source
from tests.checks.suite import Refuted
from tests.cuda.cases import SUITES, TOLERANCE
from tests.cuda.compiled import HASTY, Library
from tests.cuda.mutants import MUTANTS, Mutant
from tests.cuda.stand_in import gpu, settings, small_grid


@pytest.fixture(scope="module")
def compiled() -> Library:
    """All mutants in one object, in double precision, and the kernels as they are."""
    uses = {"common.cu": "col2im.cu"}
    mutants = {f"m{k}": mutant.source(uses.get(mutant.file)) for k, mutant in enumerate(MUTANTS)}
    return Library(mutants | {"healthy": source()}, "double", HASTY)


@pytest.mark.parametrize(("number", "mutant"), list(enumerate(MUTANTS)), ids=[f"{m.suite}: {m.name}" for m in MUTANTS])
def test_mutant_is_killed(compiled: Library, number: int, mutant: Mutant) -> None:
    with pytest.raises(Refuted) as refuted:
        run(mutant.suite, compiled, f"m{number}")
    assert isinstance(refuted.value.__cause__, AssertionError), "the error should be in the numbers, or a Fault"


@pytest.mark.parametrize("suite", SUITES)
def test_the_same_judge_lets_the_healthy_pass(compiled: Library, suite: str) -> None:
    run(suite, compiled, "healthy", 10)


def run(suite: str, library: Library, prefix: str, max_examples: int = 60) -> None:
    """The suite on the kernels of this prefix; those in single precision, and those the library lacks, are the real ones."""
    changes = settings(libraries={"double": library}, prefix=prefix)
    with gpu(), small_grid(), changes, patch.dict(TOLERANCE, {np.float64: 1e-12}, clear=True):
        SUITES[suite].run(max_examples=max_examples)


def test_every_kernel_has_mutants() -> None:
    suites = Counter(mutant.suite for mutant in MUTANTS)
    assert all(suites[name] >= 3 for name in SUITES if name != "convolution")
    assert len({mutant[1:3] for mutant in MUTANTS}) == len(MUTANTS)
