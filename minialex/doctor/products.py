"""Are matrix products right when two threads ask for them at once, and how fast are they?

minialex computes each tower in a thread of its own, so a forward product (NN) of one may run beside the backward products
(NT, TN) of the other. In OpenBLAS before 0.3.33.112 each of these variants has its own lock, though their threads share one
queue; two *multithreaded* calls at once can then overwrite one another's work (numpy/numpy#31618, OpenMathLib/OpenBLAS#5836).
With one BLAS thread a caller, as minialex runs, nothing is shared. Here both are tried rather than believed.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from minialex.doctor.findings import Finding, Level

Array = NDArray[Any]
Operands = dict[str, tuple[Array, Array]]

# (m, k, n): the tall product in which the defect was found, and conv2 of one tower for one image.
SHAPES = {"tall": (262144, 4, 2), "conv2": (729, 1200, 128)}
DTYPES = (np.float32, np.float64)
SECONDS = 0.25  # for each shape and dtype; at least two rounds whatever it takes
FIXED = (0, 3, 33, 112)
CURE = 'NumPy 2.5 or newer (Python 3.12), or run it inside "with threadpoolctl.threadpool_limits(1):"'

matmul: Callable[..., Array] = np.matmul  # the tests put a wrong one in its place


def concurrent_products() -> Iterator[Finding]:
    """Products from two threads at once: as minialex runs them (must be right), and with all of BLAS's own threads."""
    tried, wrong = race(1)
    if wrong:
        text = f"WRONG results, with one BLAS thread for each of two callers: {'; '.join(wrong)}"
        yield Finding("products", text, "broken", "pip install --upgrade --force-reinstall numpy (from PyPI)")
    else:
        text = f"{tried} products from two threads at once (NN, NT, TN; float32, float64)"
        yield Finding("products", f"{text}, with one BLAS thread each, as minialex runs: all right")
    threads, version = blas_threads(), suspect()
    if threads == 1:
        return  # nothing else to try: BLAS has no threads of its own here
    tried, wrong = race(threads)
    text = f"{tried} more with the {threads} threads that BLAS would take of its own accord"
    if wrong:
        text = f"with the {threads} threads that BLAS takes of its own accord, some are WRONG: {'; '.join(wrong)}"
    elif version:
        text += f": right this time, but OpenBLAS {version} is known to err (numpy issue 31618)"
    else:
        text += ": all right"
    if wrong or version:
        level: Level = "warn" if wrong else "note"
        text += "\nminialex is not affected: it gives each tower one BLAS thread. Threaded code of your own may be"
        yield Finding("products", text, level, f"for code of your own: {CURE}")
    else:
        yield Finding("products", text)


def speed(seconds: float = 0.3) -> Iterator[Finding]:
    """The rate of float32 products of conv2's shape: one thread, then two at once. A figure to compare, not a verdict."""
    m, k, n = SHAPES["conv2"]
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape, dtype=np.float32) for shape in ((m, k), (k, n)))

    def gflops(_: int) -> float:
        y = np.empty((m, n), np.float32)
        matmul(a, b, out=y)
        start = time.perf_counter()
        done = 0
        while (elapsed := time.perf_counter() - start) < seconds or not done:
            matmul(a, b, out=y)
            done += 1
        return 2e-9 * m * k * n * done / elapsed

    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(2) as pool:
        one = gflops(0)
        two = sum(pool.map(gflops, range(2)))
    text = f"SGEMM {m} x {k} x {n}: {one:.0f} GFLOP/s from one thread, {two:.0f} from two at once ({two / one:.2f} times)"
    if two < 1.3 * one:
        yield Finding("speed", f"{text}\ntwo CPU devices will hardly be faster than one: is the machine busy?", "note")
    else:
        yield Finding("speed", text)


def race(threads: int, seconds: float | None = None) -> tuple[int, list[str]]:
    """Two threads go round NN, NT and TN, one of them the other way, and compare each result with that of a single thread.

    Args:
        threads: how many threads BLAS may use for one call.
        seconds: how long for each shape and dtype, at least two rounds; it ends early when a result is wrong.
    Returns:
        How many products were tried, and one line for every kind that was wrong.
    """
    tried, wrong = 0, []
    for (name, shape), dtype in product(SHAPES.items(), DTYPES):
        operands = variants(shape, dtype)
        with threadpool_limits(limits=1, user_api="blas"):
            expected = {kind: matmul(a, b) for kind, (a, b) in operands.items()}
        label = f"{name} {np.dtype(dtype).name}"
        wrong += [f"{label} {kind} from one thread alone" for kind, y in expected.items() if spoilt(y, *operands[kind])]
        with threadpool_limits(limits=threads, user_api="blas"):
            done, kinds = _two_callers(operands, expected, SECONDS if seconds is None else seconds)
        tried += done
        wrong += [f"{label} {kind}" for kind in sorted(kinds)]
    return tried, wrong


def variants(shape: tuple[int, int, int], dtype: DTypeLike) -> Operands:
    """The operands of one product in the memory orders that make BLAS run it as NN, NT and TN (T: transposed in memory)."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    return {"NN": (a, b), "NT": (a, np.asfortranarray(b)), "TN": (np.asfortranarray(a), b)}


def differs(y: Array, expected: Array, k: int) -> bool:
    """Is `y` further from `expected` than the rounding of sums of `k` terms allows? NaN differs."""
    allowed = 100 * np.finfo(y.dtype).eps * np.sqrt(k) * np.abs(expected).max()
    return not np.abs(y - expected).max() <= allowed


def spoilt(y: Array, a: Array, b: Array) -> bool:
    """Does `y` differ from a @ b, computed without BLAS for sixteen rows spread over the whole?"""
    rows = slice(None, None, len(a) // 16)
    return differs(y[rows], np.einsum("ik,kj->ij", a[rows], b), a.shape[1])


def blas_threads() -> int:
    """How many threads the loaded BLAS would use for one call; 1 where that cannot be told."""
    return max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)


def suspect() -> str:
    """The version of a loaded OpenBLAS older than the one that mended the lock; "" where there is none."""
    for library in threadpool_info():
        version = str(library.get("version") or "")
        parts = tuple(int(part) for part in version.split(".") if part.isdigit())
        if library["internal_api"] == "openblas" and () < parts < FIXED:
            return version
    return ""


def _two_callers(operands: Operands, expected: dict[str, Array], seconds: float) -> tuple[int, set[str]]:
    start, wrong = Barrier(2), set[str]()

    def caller(kinds: list[str]) -> int:
        start.wait(timeout=60)
        end = time.perf_counter() + seconds
        done = 0
        while not wrong and (done < 2 or time.perf_counter() < end):
            for kind in kinds:
                a, b = operands[kind]
                if differs(matmul(a, b), expected[kind], a.shape[1]):
                    wrong.add(kind)
            done += 1
        return done * len(kinds)

    with ThreadPoolExecutor(2) as pool:
        done = sum(pool.map(caller, [list(operands), list(operands)[::-1]]))
    return done, wrong
