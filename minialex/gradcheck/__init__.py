r"""Is a backward pass right? Its gradients are compared with slopes that are measured on the forward pass alone.

A layer is y = f(a), with a its input or a parameter; backward turns dy into the gradient of L = sum(dy * y). So draw dy
at random (ones would hide much: softmax's outputs always add up to 1), move a along some v, and see how fast L changes:

    central:  D(h) = (L(a + hv) - L(a - hv)) / 2h is right to O(h²), and (4 D(h/2) - D(h)) / 3 to O(h⁴)     (Richardson)
    complex:  Im L(a + ihv) / h, where nothing is subtracted, so that h can be 1e-30

Each term dy_j y_j is measured alone, and errors are relative to the sum of the terms' sizes: terms may cancel, but their
roundings do not. Where a term bends, h shrinks; what still bends at h / 1000 is a kink, such as ReLU's at 0, where the
gradient must lie between the one-sided slopes.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minialex.gradcheck.causes import likeliest_cause

Array = np.ndarray[Any, Any]
ROUNDING = 16 * float(np.finfo(np.float64).eps)  # a few roundings, relative to the largest number of an array


class GradientError(AssertionError):
    """Backward contradicts forward, or breaks what every layer promises: where, by how much, and the likeliest cause."""


def check_layer(layer: Any, x: Array, *, train: bool = True, **options: Any) -> "Report":
    """Check a layer or net: forward(x, train), backward(dy); params, grads and generators() if any. Options: see Report."""
    return Report(lambda x: layer.forward(x, train), layer.backward, x, layer, **options)


def check_loss(loss: Any, logits: Array, labels: Any, **options: Any) -> "Report":
    """Check a loss: forward(logits, labels) -> float, backward() -> dlogits. Options: see Report."""
    return Report(lambda x: loss.forward(x, labels), lambda _: loss.backward(), logits, **options)


@dataclass
class Report:
    """check_gradient(forward, backward, x): is dx = backward(dy) for y = forward(x)? dy = 1 where y is a single number."""

    forward: Callable[[Array], Any]
    backward: Callable[[Array], Any]  # where it returns None, only the params are checked
    x: Array  # float64, in any memory order; a copy is moved. Params are moved in place, and restored
    layer: Any = None  # has params, grads; its generators() are rewound after each forward pass
    seed: int = 0
    method: str = "central"  # or "complex", which swaps complex copies into layer.params: one layer, no Sequential
    tolerance: float = 0.0  # 0: 1e-6 (central), 1e-10 (complex); beyond it only rounding is allowed for
    step: float = 1e-4  # h, relative to the largest number of the array that is moved
    every: int = 64  # arrays of up to so many numbers are measured at each; larger ones along 8 directions that share them
    max_kinks: float = 0.1  # the share of an array's slopes that may jump
    coordinates: int = 0  # found: how many numbers were moved,
    kinks: int = 0  # how many slopes (of one output, at one number) jump,
    error: float = 0.0  # and the largest relative error

    def __str__(self) -> str:
        return f"{self.coordinates} coordinates, {self.kinks} kinks: right to {self.error:.1e} (limit {self.tolerance:g})"

    def __post_init__(self) -> None:
        if self.method not in ("central", "complex"):
            raise ValueError(f"method must be 'central' or 'complex', got {self.method!r}")
        self.rng, is_complex = np.random.default_rng([self.seed, *b"gradcheck"]), self.method == "complex"
        self.tolerance = self.tolerance or (1e-10 if is_complex else 1e-6)
        flip = tuple(slice(None, None, -1 if stride < 0 else 1) for stride in self.x.strides)
        self.x, params = self.x[flip].copy(order="K")[flip], getattr(self.layer, "params", {})
        self.arrays: dict[str, Array] = {"x": self.x, **params}
        rngs: dict[str, np.random.Generator] = getattr(self.layer, "generators", dict)()
        self.states = [(rng.bit_generator, rng.bit_generator.state) for rng in rngs.values()]
        gradients, real = self._promises(), dict(params)
        try:
            if is_complex:
                params.update({name: a.astype(complex) for name, a in real.items()})
                self.arrays = {"x": self.x.astype(complex), **getattr(self.layer, "params", {})}
            with warnings.catch_warnings(action="error", category=np.exceptions.ComplexWarning):
                for name, gradient in gradients.items():
                    self._compare(name, gradient)
        except (TypeError, np.exceptions.ComplexWarning) as problem:
            raise TypeError(f"no {self.method} steps through this layer: {problem}") from problem
        finally:
            params.update(real)

    def _y(self, a: Array, where: Any = slice(0), move: Any = 0.0) -> Array:
        """y with a[where] + move for a[where], by flat index; arrays and generators are left as they were."""
        start = a.flat[where]
        a.flat[where] = start + move
        try:
            y = np.array(self.forward(self.arrays["x"]))
        finally:
            a.flat[where] = start
            for bits, state in self.states:
                bits.state = state
        if y.dtype.kind != a.dtype.kind:
            raise TypeError(f"forward returned {y.dtype} for arrays of {a.dtype}")
        return y

    def _promises(self) -> dict[str, Array]:
        """Demand what every layer promises, whatever it computes. Draws dy; returns the gradients that backward gives."""
        before = {name: np.array(a) for name, a in self.arrays.items()}
        if unfit := [name for name, a in before.items() if a.dtype != float or not a.size or not np.isfinite(a).all()]:
            raise TypeError(f"{unfit[0]} is {before[unfit[0]].dtype}, must be finite float64 (float32 shows 3 digits)")
        self.y = y = self._y(self.x)
        _demand(y.dtype == np.float64 and np.isfinite(y).all(), f"y is {y.dtype} for x of float64, or not finite")
        before["dy"] = self.dy = np.asarray(self.rng.standard_normal(y.shape) if y.ndim else 1.0)
        dy, calls = self.dy.copy(), []
        for _ in range(2):
            grads = {"x": self.backward(dy), **getattr(self.layer, "grads", {})}
            calls.append({name: np.array(g) for name, g in grads.items() if g is not None})
        for name, a in {**self.arrays, "dy": dy}.items():
            _demand(np.array_equal(a, before[name]), f"{name} was changed by forward or backward")
        _demand(np.array_equal(self._y(self.x), y), "two forward passes differ: randomness outside generators()?")
        for name in (names := [name for name in self.arrays if name != "x" or "x" in calls[0]]):
            _demand(name in calls[0], f"{name}: backward left no gradient")
            g, shape = calls[0][name], before[name].shape
            fits = g.shape == shape and g.dtype == np.float64 and np.isfinite(g).all()
            _demand(fits, f"{name}: gradient is {g.dtype} {g.shape}, expected finite float64 {shape}")
            _demand(np.array_equal(g, calls[1][name]), f"{name}: a second backward gave another gradient (are they summed?)")
        _demand(names, "nothing to check: backward returned None, and there are no params")
        return {name: calls[0][name] for name in names}

    def _slope(self, name: str, where: Array, v: Array, g: Array) -> tuple[Any, ...]:
        """Along v in the coordinates `where`: error, least, greatest and claimed slope of L; outputs that jump, that move."""
        a, dy, L, claimed = self.arrays[name], self.dy, self.dy * self.y, g.flat[where] @ v
        low = left = right = noise = np.zeros(dy.shape)
        bent = np.full(dy.shape, self.method == "central")
        if self.method == "complex":
            low = dy * self._y(a, where, 1e-30j * v).imag / 1e-30
        for h in self.step * max(0.01, abs(a).max()) * np.array([1, 0.03, 0.001]):
            if bent.any():
                right2, left2, right, left = ((dy * self._y(a, where, t * v) - L) / t for t in (h, -h, h / 2, -h / 2))
                far, near = (right2 + left2) / 2, (right + left) / 2
                low = np.where(bent, near + (near - far) / 3, low)
                noise = np.where(bent, ROUNDING * abs(self.y).max() * abs(dy) / h, noise)
                bend = abs(near - far) + abs(right2 - left2 - 2 * (right - left))  # O(h²), but at a kink it stays
                bent = bent & (bend > 0.1 * self.tolerance * (abs(low) + abs(low).mean()) + 4 * noise)
        low, high = np.where(bent, np.minimum(left, right), low), np.where(bent, np.maximum(left, right), low)
        sizes = np.maximum(abs(low), abs(high))
        blur = np.linalg.norm(noise) + ROUNDING * max(abs(g).max(), abs(dy).max()) * v.sum()  # by forward; by backward
        error = max(low.sum() - claimed, claimed - high.sum(), 0) / max(sizes.sum() + blur / self.tolerance, 1e-300)
        return error, low.sum(), high.sum(), claimed, np.count_nonzero(bent), np.count_nonzero(sizes)

    def _compare(self, name: str, g: Array) -> None:
        """Measure one array: each number, or shares of them; and all at once, for at a tie each may be right, not all."""
        shares = np.array_split(self.rng.permutation(g.size), g.size if g.size <= self.every else 8)
        probes = [(where, self.rng.uniform(0.5, 1.5, where.size)) for where in [*shares, np.arange(g.size)]]
        found = np.array([self._slope(name, where, v, g) for where, v in probes])
        if not (found[:, 0] <= self.tolerance).all():
            where, v = probes[found[:, 0].argmax()]
            while where.size > 1:  # the fault is in the worse half
                halves = list(zip(np.array_split(where, 2), np.array_split(v, 2), strict=True))
                where, v = max(halves, key=lambda half: float(self._slope(name, half[0], half[1], g)[0]))
            raise GradientError(self._explain(name, g, np.union1d(where, self.rng.permutation(g.size)[:256])))
        jump, move = found[:-1, 4:].sum(axis=0)
        _demand(jump <= self.max_kinks * move, f"{name}: {jump:g} of {move:g} slopes jump: choose an x farther from kinks")
        self.coordinates, self.kinks = self.coordinates + g.size, self.kinks + int(jump)
        self.error = max(self.error, float(found[:, 0].max()))

    def _explain(self, name: str, g: Array, tested: Array) -> str:
        """The worst of the coordinates tested, and the likeliest cause of all that they show."""
        errors, low, high, received = np.array([self._slope(name, np.array([i]), np.ones(1), g)[:4] for i in tested]).T
        wrong, worst = ~(errors <= self.tolerance), errors.argmax()
        cause = likeliest_cause(g, tested, wrong, np.clip(received, low, high), received, batch=[*self.x.shape, 1][0])
        place = [int(i) for i in np.unravel_index(tested[worst], g.shape)]
        expected = f"{low[worst]:.9g}" + (f" to {high[worst]:.9g} (a kink)" if low[worst] < high[worst] else "")
        return (
            f"{name}{place}: expected {expected}, received {received[worst]:.9g}. Likeliest cause: {cause} "
            f"({wrong.sum()} of {wrong.size} coordinates tested are wrong)"
        )


def _demand(ok: Any, message: str) -> None:
    if not ok:
        raise GradientError(message)


check_gradient = Report
