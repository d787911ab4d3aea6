r"""Softmax and cross-entropy in one layer (paper, section 3.5: multinomial logistic regression), and its backward pass.

With logits z (N, classes) and the right class t_n of each image:

    p[n, c] = exp(z[n, c]) / sum_k exp(z[n, k])             L = -1/N sum_n log p[n, t_n]

    log p[n, c] = z[n, c] - log sum_k exp z[n, k],   so   dL/dz[n, c] = (p[n, c] - [c = t_n]) / N

Both stay the same when a constant is taken from a row of z; the row's maximum is, so that no exponential overflows.
"""

from __future__ import annotations

from minialex.arrays import Array, array_module


class SoftmaxCrossEntropy:
    """forward(logits (N, classes), labels (N,) of ints) -> the mean loss, in nats; backward() -> dlogits (N, classes)."""

    def __init__(self) -> None:
        self._saved: tuple[Array, Array] | None = None

    def forward(self, logits: Array, labels: Array) -> float:
        self._check(logits)
        mean: float = self.mean(logits, self.check_labels(array_module(logits).asarray(labels), *logits.shape)).item()
        return mean

    def mean(self, logits: Array, labels: Array) -> Array:
        """The same, but as an array () that stays with the logits. `labels` are there too, and known to be right."""
        xp = array_module(logits)
        shifted = logits - logits.real.max(axis=1, keepdims=True)
        log_sum = xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
        log_p = shifted - log_sum
        self._saved = log_p, labels
        mean: Array = -log_p[xp.arange(len(labels)), labels].mean()
        return mean

    def backward(self) -> Array:
        if self._saved is None:
            raise RuntimeError("SoftmaxCrossEntropy: backward needs a forward pass first")
        log_p, labels = self._saved
        xp = array_module(log_p)
        dlogits: Array = xp.exp(log_p)
        dlogits[xp.arange(len(labels)), labels] -= 1
        dlogits /= len(labels)
        return dlogits

    @staticmethod
    def check_labels(labels: Array, images: int, classes: int) -> Array:
        """The labels, if there is one of 0..classes - 1 for each image; else ValueError. On a GPU this waits for the answer."""
        if labels.shape != (images,) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"SoftmaxCrossEntropy: labels must be {images} ints, one a row of logits, got {labels.dtype} {labels.shape}"
            )
        bad = (labels < 0) | (labels >= classes)
        if bad.any():
            n = int(bad.argmax())
            raise ValueError(f"SoftmaxCrossEntropy: labels[{n}] is {int(labels[n])}, not a class of 0..{classes - 1}")
        return labels

    @staticmethod
    def _check(logits: Array) -> None:
        if getattr(logits, "ndim", 0) != 2 or logits.dtype.kind not in "fc" or len(logits) == 0:
            raise ValueError(
                f"SoftmaxCrossEntropy: logits must be floats of shape (N, classes), N >= 1, got "
                f"{getattr(logits, 'dtype', type(logits).__name__)} {getattr(logits, 'shape', '')}"
            )
