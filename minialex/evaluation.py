r"""How good a net is: top-1 and top-5 error and loss on images that it has not learned from.

The top-k error is the share of images whose right class is not among the k that the net finds likeliest (paper, section 2).
Where classes tie, the 2012 code shares the credit, and so does this one. With `above` classes strictly likelier than the
right one and `equal` as likely as it (itself among them), the right one is in the top k with probability

    credit = (k - above) / equal, clipped to 0..1

over all ways to order the tied ones. So a net that gives every class the same score has the error 1 - k / classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from minialex.arrays import Array
from minialex.data.dataset import Images, Split
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net

BATCH_SIZE = 128


@dataclass(frozen=True)
class Scores:
    """loss: mean cross-entropy in nats. top1_error, top5_error: shares of 0..1, as in the paper's tables."""

    loss: float
    top1_error: float
    top5_error: float

    @property
    def accuracy(self) -> float:
        """The share of images whose likeliest class is the right one."""
        return 1 - self.top1_error


def evaluate(net: Net, split: Split, prepare: Callable[[Array], Array], batch_size: int = BATCH_SIZE) -> Scores:
    """The net's scores on a split, in test mode; `prepare` makes stored images a net's input (Dataset.prepare)."""
    logits = np.concatenate(list(_logits(net, split.images, prepare, batch_size)))
    loss = SoftmaxCrossEntropy().forward(logits.astype(np.float64), split.labels)
    return Scores(loss, *(top_k_error(logits, split.labels, k) for k in (1, 5)))


def predict(net: Net, images: Images, prepare: Callable[[Array], Array] | None = None, batch_size: int = BATCH_SIZE) -> Array:
    """images (N, C, H, W) -> the probability of every class, (N, classes), in test mode, `batch_size` images at a time."""
    return np.concatenate([softmax(logits) for logits in _logits(net, images, prepare, batch_size)])


def softmax(logits: Array) -> Array:
    """p[n, c] = exp(z[n, c]) / sum_k exp(z[n, k]) for logits z (N, classes), in their dtype."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def top_k_error(scores: Array, labels: Array, k: int) -> float:
    """The top-k error of scores (N, classes): logits or probabilities. 0 where there are no more than k classes.

    An image with a score that is not a number counts as wrong.
    """
    labels = np.asarray(labels)
    if scores.ndim != 2 or len(scores) == 0 or labels.shape != scores.shape[:1] or k < 1:
        raise ValueError(
            f"top_k_error: needs scores (N, classes), labels (N,), N >= 1 and k >= 1, got {scores.shape}, {labels.shape}, k={k}"
        )
    of_right = np.take_along_axis(scores, labels[:, None], axis=1)
    above, equal = (scores > of_right).sum(axis=1), (scores == of_right).sum(axis=1)
    credit = np.clip((k - above) / np.maximum(equal, 1), 0, 1)
    credit[np.isnan(scores).any(axis=1)] = 0
    return float(1 - credit.mean())


def _logits(net: Net, images: Images, prepare: Callable[[Array], Array] | None, batch_size: int) -> Iterator[Array]:
    """The logits of all images in order, a batch at a time."""
    if batch_size < 1 or len(images) == 0:
        raise ValueError(f"evaluation needs images and a batch size of at least 1, got {len(images)} and {batch_size}")
    for start in range(0, len(images), batch_size):
        batch = images[np.arange(start, min(start + batch_size, len(images)))]
        yield net.forward(prepare(batch) if prepare is not None else batch, train=False)
