"""What goes wrong in local response normalisation's backward pass: i and m are easily mixed up in its double sum."""

from __future__ import annotations

from minialex.layers import lrn
from tests.checks import check_local_response_norm
from tests.mutants.engine import Mutant, layer

LOCAL_RESPONSE_NORM = layer(
    "LocalResponseNorm",
    lrn,
    check_local_response_norm,
    Mutant(
        "own term dropped",
        "dX = dY * power(d, -self.beta)",
        "dX = 0 * dY",
        "the first term, dy_i d_i^-beta, is missing: x_i acts on y_i directly, too",
    ),
    Mutant(
        "neighbours' term dropped",
        "dX -= neighbours",
        "pass",
        "the second term is missing: x_i also acts on the neighbours in whose windows it lies",
    ),
    Mutant(
        "neighbours' term added",
        "dX -= neighbours",
        "dX += neighbours",
        "the second term has the wrong sign",
    ),
    Mutant(
        "own channel left out of the sum",
        "t @ self._band(X).T",
        "t @ (self._band(X).T - np.eye(C, dtype=X.dtype))",
        "the sum leaves out m = i: x_i stands in its own d_i, too",
    ),
    Mutant(
        "only the own channel in the sum",
        "t @ self._band(X).T",
        "t * np.ones_like(X)",
        "the sum has only m = i: x_i acts on its neighbours' d_m, too",
    ),
    Mutant(
        "x of the wrong channel",
        "neighbours *= X",
        "neighbours = (t * X) @ self._band(X).T",
        "x_m stands where x_i is meant: the x_i before the sum was taken inside it",
    ),
    Mutant(
        "d of the wrong channel",
        "t @ self._band(X).T",
        "(t * d) @ self._band(X).T / d",
        "d_i stands where d_m is meant: divide before the sum, not after it",
    ),
    Mutant(
        "band not transposed",
        "self._band(X).T",
        "self._band(X)",
        "the sum runs over W(i), not over the m whose windows hold i: for even n these differ",
    ),
    Mutant(
        "2 missing",
        "2 * self._alpha * self.beta",
        "self._alpha * self.beta",
        "the 2 from the square's derivative is missing",
    ),
    Mutant(
        "beta missing",
        "2 * self._alpha * self.beta",
        "2 * self._alpha",
        "the beta from the power's derivative is missing",
    ),
    Mutant(
        "alpha missing",
        "2 * self._alpha * self.beta",
        "2 * self.beta",
        "the alpha inside d is missing in its derivative",
    ),
    Mutant(
        "exponent not lowered",
        "t /= d",
        "pass",
        "the derivative of d^-beta has the exponent -beta - 1, here it is -beta",
    ),
    Mutant(
        "alpha not divided",
        "self._alpha",
        "self.alpha",
        "alpha_over_size divides alpha by n in forward, but not in backward",
    ),
    Mutant(
        "alpha always divided",
        "2 * self._alpha",
        "2 * self.alpha / self.size",
        "alpha is divided by n in backward though forward did not",
    ),
    Mutant(
        "x where y is meant",
        "t = dY * Y",
        "t = dY * X",
        "x_m stands where y_m is meant: a factor d_m^-beta is missing",
    ),
    Mutant(
        "y where x is meant",
        "neighbours *= X",
        "neighbours *= Y",
        "y_i stands where x_i is meant before the sum",
    ),
    Mutant(
        "window across the group's edge",
        "self._band(X).T",
        "LocalResponseNorm(self.size)._band(X).T",
        "backward's windows reach into the next group, which forward's do not",
    ),
    Mutant(
        "dy in channels-first order",
        "dY = pad_channels_last(dy, (0, 0, 0, 0)).reshape",
        "dY = dy.reshape",
        "dy is reshaped to a matrix without bringing its channels to the last axis first",
    ),
    Mutant(
        "y overwritten",
        "t = dY * Y",
        "t = Y; t *= dY",
        "backward overwrites the y that forward returned and that a second backward needs",
    ),
)
