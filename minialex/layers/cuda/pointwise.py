"""What is done to one number at a time on a GPU: bias and ReLU, dropout, the update, the search for what is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minialex.arrays import Array, array_module, by_memory, empty
from minialex.layers.cuda.launch import THREADS, flat, launch, vector_parts
from minialex.layers.cuda.memory import contiguous

COLUMN_SUMS = 1 << 18  # threads that add up columns: enough to fill a large GPU, few beside the rows of a convolution
NUMBERS_IN_BLOCK = 8  # float32 numbers in one block of Philox


def bias_relu(Y: Array, bias: Array, relu: bool = True) -> Array:
    """Y (..., C), contiguous, becomes max(0, Y + bias) (relu=False: Y + bias) *in place*, for bias (C,); returns Y."""
    bias = contiguous(bias)
    C = Y.shape[-1]
    parts = vector_parts(Y.dtype, (C,), Y, bias)
    grid, block = flat(Y.size // parts)
    numbers = {"rows": Y.size // max(1, C), "C": C // parts, "relu": int(relu)}
    launch("bias_relu" + "_vectors" * (parts > 1), grid, block, y=owned(Y, "bias_relu"), bias=bias, **numbers)
    return Y


def relu_backward(dy: Array, y: Array) -> tuple[Array, Array]:
    """dy, y (..., C) contiguous (others are copied) -> dY = dy [y > 0] (..., C), and its sum over all rows, (C,)."""
    dy, y = contiguous(dy), contiguous(y)
    C, rows = y.shape[-1], y.size // max(1, y.shape[-1])
    parts = vector_parts(y.dtype, (C,), dy, y)
    chunks = max(1, min(rows, COLUMN_SUMS // (C // parts)))
    dY, partial = empty(y, y.shape), empty(y, (chunks, C))
    grid, block = (-(-chunks * (C // parts) // THREADS),), (THREADS,)
    numbers = {"rows": rows, "C": C // parts, "chunks": chunks}
    launch("relu_backward" + "_vectors" * (parts > 1), grid, block, dy=dy, y=y, dY=dY, partial=partial, **numbers)
    ones = array_module(y).ones(chunks, y.dtype)
    return dY, ones @ partial


def dropout(x: Array, p: float, draws: Sequence[dict[str, int]]) -> Array:
    """m * x for x (N, D, ...): each number is dropped with probability p. The same draws give the same mask.

    draws: `mask_numbers` of one generator for each equal slice of D. Called with dy it is the backward pass.
    """
    x = contiguous(x)
    y = empty(x, x.shape)
    matrix = x.shape[0], x.size // max(1, x.shape[0])
    _masked("dropout", p, draws, x=x.reshape(matrix), y=y.reshape(matrix))
    return y


def bias_relu_dropout(Y: Array, bias: Array, p: float, draws: Sequence[dict[str, int]]) -> Array:
    """Y (N, D), contiguous, becomes y = m * max(0, Y + bias) *in place*, for bias (D,); returns Y.

    Backward needs no mask: where m is 0, so is y, and `relu_backward` of y knows.
    """
    _masked("bias_relu_dropout", p, draws, bias=contiguous(bias), y=owned(Y, "bias_relu_dropout"))
    return Y


def mask_numbers(rng: np.random.Generator, count: int) -> dict[str, int]:
    """Take `count` float32 numbers from a Philox generator without drawing them: where they begin, for the kernel.

    The generator is left as `rng.random(count, dtype=np.float32)` and then `rng.bit_generator.advance(0)`, which throws away
    the rest of a block, would leave it. TypeError for another kind of generator.
    """
    philox: Any = rng.bit_generator
    state = philox.state
    if state["bit_generator"] != "Philox":
        raise TypeError(f"a GPU draws masks as numpy.random.Philox does; {state['bit_generator']} has no counter")
    words = (*state["state"]["key"], *state["state"]["counter"])
    philox.advance(-(-count // NUMBERS_IN_BLOCK))
    return dict(zip(("key0", "key1", "counter0", "counter1", "counter2", "counter3"), map(int, words), strict=True))


def _masked(kernel: str, p: float, draws: Sequence[dict[str, int]], *, y: Array, **others: Array) -> None:
    """One launch for each slice of the columns of y (rows, columns), and of the kernel's other arrays."""
    rows, pitch = y.shape
    width = pitch // len(draws)
    limit = math.ceil(float(np.float32(p)) * (1 << 24))  # a number u = bits / 2^24 is kept if u >= p, as float32
    grid, block = flat(-(-rows * width // NUMBERS_IN_BLOCK))
    for g, draw in enumerate(draws):
        part = slice(g * width, (g + 1) * width)
        arrays = {name: array[..., part] for name, array in (others | {"y": y}).items()}
        numbers = {"rows": rows, "width": width, "pitch": pitch}
        launch(kernel, grid, block, **arrays, **numbers, draw=draw | {"limit": limit})


def sgd_update(
    w: Array, dw: Array, v: Array, lr: float, momentum: float, weight_decay: float, unless: Array | None = None
) -> None:
    """v <- momentum v - lr dw - (weight_decay lr) w; w <- w + v; w and v contiguous, in place. As optim.update, bit for bit.

    unless: int32 (1,): if it is not 0 by then, nothing is done.
    """
    dw = contiguous(dw)
    parts = vector_parts(w.dtype, (w.size,), w, dw, v)
    grid, block = flat(w.size // parts)
    rates = {"lr": lr, "momentum": momentum, "decay": weight_decay * lr}
    arrays = {"w": owned(w, "sgd_update"), "dw": dw, "v": owned(v, "sgd_update"), "unless": unless}
    launch("sgd_update" + "_vectors" * (parts > 1), grid, block, **arrays, size=w.size // parts, **rates)


def not_finite(x: Array, found: Array, stopped: Array) -> None:
    """found, int32 (1,), becomes 1 if some number of x is infinite or nan; unless stopped, int32 (1,), is not 0 by then.

    x: of any shape; read in place where it has no gaps, C-contiguous or channels-last.
    """
    x = contiguous(x.transpose(by_memory(x)))
    grid, block = flat(x.size)
    launch("not_finite", grid, block, x=x, found=owned(found, "not_finite"), stopped=stopped, size=x.size)


def owned(x: Array, work: str) -> Array:
    """x itself, once it is known that a change in place will reach it."""
    if not x.flags.c_contiguous:
        raise ValueError(f"{work}: an array that is changed in place must be contiguous, got strides {x.strides}")
    return x
