"""python -m minialex.layers.cuda: how fast each kernel is on this GPU, beside the bytes that it cannot but move.

The shapes are those of one tower of the paper's net. "least" is the time in which the GPU copies as many bytes, at the rate
that a large copy reaches in the same run: a kernel at 100% waits for memory and for nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from minialex.layers import cuda

COPY = 1 << 28  # numbers in the copy that measures the memory
REPEATS = 20
CONVOLUTIONS = {  # C, side, kernel, stride, padding
    "conv1": (3, 227, 11, 4, 0),
    "conv2": (48, 27, 5, 1, 2),
    "conv3": (256, 13, 3, 1, 1),
    "conv4": (192, 13, 3, 1, 1),
}
NORMALISED = {"1": (48, 55), "2": (128, 27)}  # C, side
POOLED = NORMALISED | {"5": (128, 13)}

Work = tuple[str, int, Callable[[], Any]]  # its name, the bytes it must read and write, how to launch it


def works(cupy: Any, N: int) -> Iterator[Work]:
    """Each kernel on each of its shapes, for a batch of N images."""

    def images(C: int, side: int) -> Any:
        return numbers(N, side, side, C).transpose(0, 3, 1, 2)

    def numbers(*shape: int) -> Any:
        return cupy.asarray(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))

    for name, (C, side, kernel, stride, padding) in CONVOLUTIONS.items():
        x, geometry = images(C, side), ((stride, stride), (padding,) * 4)
        X = cuda.im2col(x, (kernel, kernel), *geometry)
        yield f"im2col {name}", x.nbytes + X.nbytes, partial(cuda.im2col, x, (kernel, kernel), *geometry, out=X)
        yield f"col2im {name}", x.nbytes + X.nbytes, partial(cuda.col2im, X, x.shape, *geometry)
    for name, (C, side) in POOLED.items():
        x, places, window = images(C, side), ((side - 3) // 2 + 1,) * 2, ((3, 3), (2, 2))
        y, winners = cuda.max_pool_forward(x, places, *window)
        moved = x.nbytes + y.nbytes + winners.nbytes
        yield f"max_pool forward {name}", moved, partial(cuda.max_pool_forward, x, places, *window)
        yield f"max_pool backward {name}", moved, partial(cuda.max_pool_backward, y, winners, x.shape, *window)
    for name, (C, side) in NORMALISED.items():
        x = images(C, side)
        _, d = cuda.lrn_forward(x, 5, 1e-4, 0.75, 2.0)
        yield f"lrn forward {name}", 3 * x.nbytes, partial(cuda.lrn_forward, x, 5, 1e-4, 0.75, 2.0)
        yield f"lrn backward {name}", 4 * x.nbytes, partial(cuda.lrn_backward, x, x, d, 5, 1e-4, 0.75)
        rows, bias = x.transpose(0, 2, 3, 1), numbers(C)
        yield f"bias_relu {name}", 2 * x.nbytes, partial(cuda.bias_relu, rows, bias)
        yield f"relu_backward {name}", 3 * x.nbytes, partial(cuda.relu_backward, rows, rows)
    Y, bias = numbers(N, 2048), numbers(2048)
    draws = [cuda.mask_numbers(np.random.Generator(np.random.Philox(0)), Y.size)]
    yield "bias_relu_dropout fc6", 2 * Y.nbytes, partial(cuda.bias_relu_dropout, Y, bias, 0.5, draws)
    w, dw, v = (numbers(2048, 9216) for _ in range(3))
    found, stopped = cupy.zeros(1, np.int32), cupy.zeros(1, np.int32)
    yield "sgd_update fc6", 5 * w.nbytes, partial(cuda.sgd_update, w, dw, v, 0.01, 0.9, 0.0005, stopped)
    yield "not_finite fc6", dw.nbytes, partial(cuda.not_finite, dw, found, stopped)
    pictures = cupy.asarray(np.random.default_rng(0).integers(0, 256, (N, 3, 256, 256), np.uint8))
    places_, mirrored = cupy.zeros(N, np.int32), cupy.zeros(N, np.uint8)
    mean, shown = numbers(224, 224, 3), cupy.empty((N, 224, 224, 3), np.float32)
    yield "views", 5 * shown.size, partial(cuda.views, pictures, (224, 224), places_, places_, mirrored, mean, shown)


def report(cupy: Any, N: int, seconds: Callable[[Callable[[], Any]], float]) -> Iterator[str]:
    """The lines of the table. seconds: what a call takes."""
    source, target = cupy.zeros(COPY, np.float32), cupy.zeros(COPY, np.float32)
    rate = 2 * source.nbytes / seconds(partial(target.__setitem__, Ellipsis, source))
    del source, target
    yield f"copy: {rate / 1e9:.0f} GB/s read and written; batch {N}, float32"
    yield f"{'kernel':<26}{'MB':>9}{'us':>9}{'GB/s':>9}{'least us':>10}{'of copy':>9}"
    for name, moved, work in works(cupy, N):
        took = seconds(work)
        least, share = moved / rate, moved / took / rate
        yield f"{name:<26}{moved / 1e6:>9.1f}{1e6 * took:>9.1f}{moved / took / 1e9:>9.0f}{1e6 * least:>10.1f}{share:>8.0%}"


def events(cupy: Any) -> Callable[[Callable[[], Any]], float]:
    """Times a call on the GPU's own clock: the median of REPEATS, after two that warm up."""

    def seconds(work: Callable[[], Any]) -> float:
        times = []
        for _ in range(REPEATS + 2):
            before, after = cupy.cuda.Event(), cupy.cuda.Event()
            before.record()
            work()
            after.record()
            after.synchronize()
            times.append(cupy.cuda.get_elapsed_time(before, after) / 1e3)
        return float(statistics.median(times[2:]))

    return seconds


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m minialex.layers.cuda", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--gpu", type=int, default=0, help="its number (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="images (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        import cupy  # noqa: PLC0415
    except ImportError as error:
        return refuse(f"CuPy cannot be imported ({error}): pip install 'minialex[cuda12]' (or [cuda13])")
    if not cupy.is_available():
        return refuse("CuPy finds no GPU; python -m minialex doctor says why")
    if not 0 <= options.gpu < cupy.cuda.runtime.getDeviceCount():
        return refuse(f"--gpu {options.gpu}: this machine has {cupy.cuda.runtime.getDeviceCount()}, counted from 0")
    if options.batch < 1:
        return refuse(f"--batch {options.batch}: at least one image is needed")
    with cupy.cuda.Device(options.gpu), cupy.cuda.Stream(non_blocking=True):
        for line in report(cupy, options.batch, events(cupy)):
            print(line)
    return 0


def refuse(why: str) -> int:
    """Say why nothing is measured."""
    print(why, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
