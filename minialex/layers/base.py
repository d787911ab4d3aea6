"""What every layer is: a function y = f(x; params) that remembers enough of one forward pass to run it backwards.

A layer computes with whatever array module its input belongs to (NumPy or CuPy), in the input's dtype, and knows
nothing of devices. `forward` never changes its argument; `backward` takes dL/dy, returns dL/dx and leaves dL/dparam
in `grads`. Both may be called again: the same dy gives the same dx, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minialex.arrays import Array, Shape


class Layer:
    """A layer without parameters; the others fill `params` and, in backward, `grads` under the same names."""

    name: str = ""
    input_gradient: bool = True  # a net tells its first layer that nobody reads dL/d(pixels): Conv2d then skips that work

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self._saved: Any = None  # what the last forward pass kept for the backward pass

    def forward(self, x: Array, train: bool = True) -> Array:
        """y = f(x), in x's dtype. `train` matters only to layers that behave otherwise in training (Dropout)."""
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        """dL/dx for the last forward pass, from dy = dL/dy of y's shape; dL/dparam goes to `grads`."""
        raise NotImplementedError

    def apply(self, x: Array, train: bool = True) -> Array:
        """y, for a caller that will come by forward or remember again before backward: nothing need be kept for it."""
        return self.forward(x, train)

    def remember(self, x: Array, y: Array | None = None) -> None:
        """Be ready for backward as after forward(x), for a caller that has y already, or needs none."""
        self.forward(x)

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of y for an x of this shape; raises ValueError where x would not fit."""
        return shape

    def multiply_adds(self, shape: Shape) -> int:
        """Multiplications (each with its addition) in one forward pass over an x of this shape; 0 where none count."""
        return 0

    def generators(self) -> dict[str, np.random.Generator]:
        """The random generators that forward draws from; their states are part of a run's state."""
        return {}

    def __call__(self, x: Array, train: bool = True) -> Array:
        return self.forward(x, train)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    # What follows is for the subclasses: one line each at the head of forward and backward.

    def _check_input(self, x: Array) -> Array:
        """x itself, once it is known to be an array of real (or, for complex-step checks, complex) numbers that fits."""
        if getattr(x, "dtype", None) is None or x.dtype.kind not in "fc":
            kind = getattr(x, "dtype", type(x).__name__)
            raise TypeError(f"{self!r}: the input must be an array of floats, got {kind}; convert it with .astype()")
        self.output_shape(x.shape)
        return x

    def _check_upstream(self, dy: Array, shape: Shape) -> Array:
        """dy itself, once it is known to have the shape of the last output."""
        if getattr(dy, "shape", None) != shape:
            got = getattr(dy, "shape", type(dy).__name__)
            raise ValueError(f"{self!r}: dy must have the shape of the last output, {shape}, got {got}")
        return dy

    def _recall(self) -> Any:
        """What forward saved, or an error a person understands."""
        if self._saved is None:
            raise RuntimeError(f"{self!r}: backward needs a forward pass first")
        return self._saved


def pair(value: int | tuple[int, int], what: str) -> tuple[int, int]:
    """(h, w) from an int or a pair; both at least 1."""
    h, w = (value, value) if isinstance(value, int | np.integer) else _ints(value, what, (2,))
    if h < 1 or w < 1:
        raise ValueError(f"{what} must be at least 1, got {value}")
    return int(h), int(w)


def four_sides(value: int | tuple[int, ...]) -> tuple[int, int, int, int]:
    """padding as (top, bottom, left, right) from an int, (h, w) or all four; none negative."""
    if isinstance(value, int | np.integer):
        sides = (int(value),) * 4
    else:
        given = _ints(value, "padding", (2, 4))
        sides = (given[0], given[0], given[1], given[1]) if len(given) == 2 else given  # type: ignore[assignment]
    if min(sides) < 0:
        raise ValueError(f"padding must not be negative, got {value}")
    return sides


def _ints(value: Any, what: str, lengths: tuple[int, ...]) -> tuple[int, ...]:
    if (
        not isinstance(value, tuple | list)
        or len(value) not in lengths
        or not all(isinstance(v, int | np.integer) for v in value)
    ):
        raise ValueError(f"{what} must be an int or {' or '.join(map(str, lengths))} ints, got {value!r}")
    return tuple(int(v) for v in value)


def image_shape(layer: Layer, shape: Shape, channels: int | None = None) -> tuple[int, int, int, int]:
    """(N, C, H, W), once x is known to be a batch of images with the right number of channels."""
    wanted = f"(N, {channels if channels is not None else 'C'}, H, W)"
    if len(shape) != 4 or (channels is not None and shape[1] != channels):
        raise ValueError(f"{layer!r}: expected an input of shape {wanted}, got {shape}")
    return shape


def positions(layer: Layer, size: int, before: int, after: int, kernel: int, stride: int, overhang: int = 0) -> int:
    """How many places a kernel can take along one side: floor((size + before + after + overhang - kernel) / stride) + 1."""
    room = size + before + after + overhang - kernel
    if room < 0:
        raise ValueError(f"{layer!r}: a kernel of {kernel} does not fit an input of {size} with padding {before} + {after}")
    return room // stride + 1


def geometry(kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, ...]) -> str:
    """ "3, padding 1", "11x5, stride 4, padding (0, 3, 0, 3)": a layer's window, for errors and tables."""

    def short(sizes: tuple[int, ...]) -> str:
        return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))

    words = [short(kernel)]
    if stride != (1, 1):
        words.append(f"stride {short(stride)}")
    if any(padding):
        words.append(f"padding {padding[0] if len(set(padding)) == 1 else padding}")
    return ", ".join(words)
