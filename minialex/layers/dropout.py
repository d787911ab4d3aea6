r"""Dropout as the paper has it (section 4.2): neurons fall silent in training, and all speak, more quietly, in the test.

    training:  y = m x,  each m independently 0 with probability p, else 1        dx = m dy
    test:      y = (1 - p) x, the mean of the above over the masks                 dx = (1 - p) dy

Nothing is rescaled in training (today's "inverted" dropout divides by 1 - p there instead).

For each pass the layer's generator draws two words, the key under which Philox (Salmon et al. 2011) makes the mask's numbers.
Philox computes number i of its sequence from key and i alone, so that a GPU's threads can each make their own part of the very
mask that a CPU draws, and make it again for the backward pass instead of storing it (layers/fast/dropout.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minialex.arrays import Array, Shape, array_module, empty
from minialex.layers.base import Layer


class Dropout(Layer):
    """x of any shape (N, D, ...) -> y of the same shape; p is the probability that a neuron is dropped.

    rng: the generator of the masks' keys, or several, one for each equal slice of D: a grouped net on one device draws its
    masks as the towers of its twin do. Without one, a fresh generator with seed 0.
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | Sequence[np.random.Generator] | None = None) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p must be in [0, 1), got {p}")
        self.p = p
        rng = np.random.default_rng(0) if rng is None else rng
        self.rngs = [rng] if isinstance(rng, np.random.Generator) else list(rng)

    def forward(self, x: Array, train: bool = True) -> Array:
        self._check_input(x)
        if train:
            factor = empty(x, x.shape, x.real.dtype)
            factor[...] = array_module(x).asarray(self._mask(x.shape))
        else:
            factor = x.real.dtype.type(1 - self.p)
        self._saved = factor, x.shape
        return x * factor

    def backward(self, dy: Array) -> Array:
        factor, shape = self._recall()
        return self._check_upstream(dy, shape) * factor

    def _mask(self, shape: Shape) -> Array:
        """m, on the host: float32 numbers in [0, 1) for each slice; True where a neuron stays."""
        N, D = shape[0], shape[1] if len(shape) > 1 else 1
        part = (N, D // len(self.rngs), *shape[2:])
        drawn = np.concatenate([philox.random(part, dtype=np.float32) for philox in self._keyed(D)], axis=1)
        return (drawn >= self.p).reshape(shape)

    def _keyed(self, D: int) -> list[np.random.Generator]:
        """Philox for each slice of D features, with a key from the slice's own generator."""
        if D % len(self.rngs):
            raise ValueError(f"{self!r}: {D} features do not fall into {len(self.rngs)} equal slices")
        keys = [rng.integers(2**64, size=2, dtype=np.uint64) for rng in self.rngs]
        return [np.random.Generator(np.random.Philox(key=key)) for key in keys]

    def generators(self) -> dict[str, np.random.Generator]:
        return {f"rng{i}" if i else "rng": rng for i, rng in enumerate(self.rngs)}

    def __repr__(self) -> str:
        return f"Dropout({self.p:g})"
