"""What goes wrong in dropout's backward pass."""

from __future__ import annotations

from minialex.layers import dropout
from tests.checks import check_dropout
from tests.mutants.engine import Mutant, layer

DROPOUT = layer(
    "Dropout",
    dropout,
    check_dropout,
    Mutant(
        "mask missing",
        "* factor",
        "* 1",
        "the gradient passes where the neuron was dropped: the mask is missing",
    ),
    Mutant(
        "mask drawn anew",
        "* factor",
        "* (factor if not factor.shape else self._mask(shape))",
        "backward draws a mask of its own; it has to be the one that forward used",
    ),
    Mutant(
        "mask upside down",
        "* factor",
        "* (1 - factor)",
        "the gradient passes where the neuron was dropped, and only there",
    ),
    Mutant(
        "rescaled in backward",
        "* factor",
        "* factor * dy.dtype.type(1 / (1 - self.p))",
        "backward divides by 1 - p (inverted dropout), forward does not",
    ),
    Mutant(
        "inverted dropout",
        "factor[...] = array_module(x).asarray(self._mask(x.shape))",
        "factor[...] = array_module(x).asarray(self._mask(x.shape)) / (1 - self.p)",
        "training divides by 1 - p (inverted dropout); the paper multiplies by it in the test instead",
        "forward",
    ),
    Mutant(
        "applied twice",
        "* factor",
        "* factor * factor",
        "the factor 1 - p is applied twice in backward after a test pass",
    ),
    Mutant(
        "test pass not scaled in backward",
        "self._saved = factor, x.shape",
        "self._saved = factor if train else factor.dtype.type(1), x.shape",
        "after a test pass backward forgets the factor 1 - p",
        "forward",
    ),
    Mutant(
        "p where 1 - p is meant, in the test",
        "type(1 - self.p)",
        "type(self.p)",
        "the test pass multiplies by p instead of 1 - p (for p = 0.5 nobody notices)",
        "forward",
    ),
    Mutant(
        "p where 1 - p is meant, in the mask",
        "drawn >= self.p",
        "drawn < self.p",
        "neurons are kept, not dropped, with probability p (for p = 0.5 nobody notices)",
        "_mask",
    ),
    Mutant(
        "drops in the test, too",
        "if train:",
        "if True:",
        "neurons are dropped in the test, too",
        "forward",
    ),
    Mutant(
        "one mask for all images",
        "(drawn >= self.p)",
        "(drawn[:1] >= self.p).repeat(N, axis=0)",
        "all images of the batch share one mask",
        "_mask",
    ),
    Mutant(
        "one key for all passes",
        "[rng.integers(2**64, size=2, dtype=np.uint64) for rng in self.rngs]",
        "[np.zeros(2, np.uint64) for rng in self.rngs]",
        "every pass has the same mask: the key is not drawn",
        "_keyed",
    ),
    Mutant(
        "one key for all slices",
        "for key in keys]",
        "for key in keys[:1] * len(keys)]",
        "all slices share the first one's mask",
        "_keyed",
    ),
    Mutant(
        "dy overwritten",
        "return self._check_upstream(dy, shape) * factor",
        "self._check_upstream(dy, shape); dy *= factor; return dy",
        "the caller's dy is overwritten",
    ),
    Mutant(
        "always float64",
        "empty(x, x.shape, x.real.dtype)",
        'empty(x, x.shape, "float64")',
        "the mask is float64, so float32 becomes float64",
        "forward",
    ),
)
