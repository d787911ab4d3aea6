"""python -m minialex.layers.cuda measures every kernel, and says what is wrong in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from minialex.layers.cuda import __main__ as bench
from minialex.layers.cuda.source import signatures
from tests.cuda.stand_in import RawModule, gpu, settings
from tests.devices import fake_cupy


def test_every_kernel_is_measured() -> None:
    small = {
        "COPY": 1000,
        "CONVOLUTIONS": {"conv1": (3, 12, 5, 4, 0), "conv2": (4, 5, 3, 1, 1)},
        "NORMALISED": {"1": (4, 5)},
        "POOLED": {"1": (3, 7), "5": (4, 5)},
    }

    def a_millisecond(work: Callable[[], Any]) -> float:
        work()
        return 1e-3

    with gpu() as cupy, patch.multiple(bench, **small), settings(launched=[]):  # type: ignore[call-overload]
        first, head, *lines = bench.report(cupy, 2, a_millisecond)
        measured = {name.removesuffix("_vectors") for name in RawModule.launched}
    assert first.startswith("copy: 0 GB/s")
    assert head.split()[0] == "kernel"
    assert {line[:26].strip() for line in lines} >= {"im2col conv1", "max_pool backward 5", "lrn backward 1", "views"}
    elsewhere = {"avg_pool_forward", "avg_pool_backward", "dropout"}  # not in the paper's net
    assert measured == {name.removesuffix("_vectors") for name in signatures()} - elsewhere


@pytest.mark.parametrize(("arguments", "word"), [(["--gpu", "1"], "--gpu 1"), (["--batch", "0"], "--batch 0")])
def test_what_is_wrong_is_said(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with gpu():
        assert bench.main(arguments) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1


def test_no_gpu_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_cupy.installed(0):
        assert bench.main([]) == 2
    with patch.dict(sys.modules, {"cupy": None}):
        assert bench.main([]) == 2
    no_gpu, no_cupy = capsys.readouterr().err.splitlines()
    assert "no GPU" in no_gpu
    assert "pip install" in no_cupy
