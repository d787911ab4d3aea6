"""What goes wrong in the backward pass of response normalisation over places: two directions, two ends of a window."""

from __future__ import annotations

from minialex.layers import spatial_norm
from tests.checks import check_spatial_response_norm
from tests.mutants.engine import Mutant, layer

SPATIAL_RESPONSE_NORM = layer(
    "SpatialResponseNorm",
    spatial_norm,
    check_spatial_response_norm,
    Mutant(
        "own term dropped",
        "dX = dY * power(d, -self.beta)",
        "dX = 0 * dY",
        "the first term, dy d^-beta, is missing: x acts on its own y directly, too",
    ),
    Mutant(
        "neighbours' term dropped",
        "dX -= neighbours",
        "pass",
        "the second term is missing: x also acts on the places in whose squares it lies",
    ),
    Mutant(
        "neighbours' term added",
        "dX -= neighbours",
        "dX += neighbours",
        "the second term has the wrong sign",
    ),
    Mutant(
        "forward's window",
        "before=self.size - 1 - self.size // 2",
        "before=self.size // 2",
        "the sum runs over the square around the place, not over the places whose squares hold it: for even n these differ",
    ),
    Mutant(
        "x inside the sum",
        "t = dY * Y",
        "t = dY * Y * X",
        "x_pq stands inside the sum as well: the x of the second term is x_hw alone",
    ),
    Mutant(
        "x where y is meant",
        "t = dY * Y",
        "t = dY * X",
        "x_pq stands where y_pq is meant: a factor d^-beta is missing",
    ),
    Mutant(
        "d of the wrong place",
        "t /= d",
        "t = t",
        "the division by d_pq is missing in the sum",
    ),
    Mutant(
        "beta left out",
        "2 * self._a * self.beta",
        "2 * self._a",
        "the factor beta, which the power brings down, is missing",
    ),
    Mutant(
        "factor 2 left out",
        "2 * self._a * self.beta",
        "self._a * self.beta",
        "the factor 2 of the square's derivative is missing",
    ),
    Mutant(
        "alpha not over n²",
        "2 * self._a * self.beta",
        "2 * self.alpha * self.beta",
        "alpha is not divided by the square's places in backward, though it was in forward",
    ),
    Mutant(
        "alpha over n",
        "2 * self._a * self.beta",
        "2 * self.alpha / self.size * self.beta",
        "alpha is divided by n, as where the window is a row of maps; the square has n² places",
    ),
    Mutant(
        "only the own place in the sum",
        "neighbours = window_sums(t, self.size, before=self.size - 1 - self.size // 2)",
        "neighbours = t.copy()",
        "the sum has only the place itself: x acts on its neighbours' d, too",
    ),
    Mutant(
        "dy in channels-first order",
        "dY = pad_channels_last(dy, (0, 0, 0, 0))",
        "dY = dy.reshape(X.shape)",
        "dy is reshaped without bringing its channels to the last axis first",
    ),
    Mutant(
        "y overwritten",
        "t = dY * Y",
        "t = Y; t *= dY",
        "backward overwrites the y that forward returned and that a second backward needs",
    ),
    Mutant(
        "columns not summed",
        "sums += rows[:, :, v : v + W]",
        "pass",
        "the sum runs over the rows alone",
        "window_sums",
    ),
    Mutant(
        "one row too few",
        "for u in range(1, n)",
        "for u in range(1, n - 1)",
        "the last row of each square is left out",
        "window_sums",
    ),
)
