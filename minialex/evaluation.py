r"""How good a net is: top-1 and top-5 error and loss on images that it has not learned from.

The top-k error is the share of images whose right class is not among the k that the net finds likeliest (paper, section 2).
Where classes tie, the 2012 code shares the credit, and so does this one. With `above` classes strictly likelier than the
right one and `equal` as likely as it (itself among them), the right one is in the top k with probability

    credit = (k - above) / equal, clipped to 0..1

over all ways to order the tied ones. So a net that gives every class the same score has the error 1 - k / classes.

A net may look at several views of an image (section 4.1), and several nets at the same image (section 6, "5 CNNs"). Then what
is scored is the mean of their probabilities,

    p[n, c] = 1/M sum_m softmax(z_m)[n, c]

All of it is kept as log p in float64. A class to which a net gives e^-800 has a loss of 800 and not of infinity, and no image's
numbers depend on the batch in which it came, but for what BLAS rounds otherwise in a product with more rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minialex.arrays import Array
from minialex.data.augment import Augmentation
from minialex.data.dataset import Images, Split
from minialex.data.loader import Loader
from minialex.data.views import CentreCrop, TenViews
from minialex.net import Net
from minialex.shown import Shown

BATCH_SIZE = 128  # images, or views of images, that go through the net at once

Prepare = Callable[[Array], Array]  # stored images (n, C, H, W) -> what a net sees (n, C, h, w), or views (m, n, C, h, w)


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


def evaluate(net: Net, split: Split, prepare: Prepare, batch_size: int = BATCH_SIZE) -> Scores:
    """The net's scores on a split, in test mode. prepare: see `log_probabilities`."""
    return score(log_probabilities(net, split.images, prepare, batch_size), split.labels)


def predict(net: Net, images: Images, prepare: Prepare | None = None, batch_size: int = BATCH_SIZE) -> Array:
    """images (N, C, H, W) -> the probability of every class, (N, classes), in the net's dtype. See `log_probabilities`."""
    probabilities: Array = np.exp(log_probabilities(net, images, prepare, batch_size)).astype(net.dtype)
    return probabilities


def log_probabilities(
    net: Net,
    images: Images,
    prepare: Prepare | None = None,
    batch_size: int = BATCH_SIZE,
    *,
    workers: int = 2,
    advance: Callable[[int], None] = lambda images: None,
) -> Array:
    """The logarithm of every class's probability, float64 (N, classes), for images (N, C, H, W); the net is in test mode.

    prepare: what makes stored images a net's input. CentreCrop and TenViews work in the background, in `workers` threads, and
    an Augmentation is used as it is in tests; any other function, such as Dataset.prepare, is called here; None takes
    the images as they are. Where it gives m views (m, n, C, h, w), their probabilities are averaged.
    batch_size: how many images, or views, the net is given at once. advance is told how many more images are done.
    """
    if batch_size < 1 or len(images) == 0:
        raise ValueError(f"evaluation needs images and a batch size of at least 1, got {len(images)} and {batch_size}")
    parts = []
    for batch in _batches(images, prepare, batch_size, workers, as_bytes=net.takes_bytes):
        views, batch = _in_a_row(batch)
        logs = log_softmax(net.forward(batch))
        parts.append(logs if views == 1 else log_mean(logs.reshape(views, -1, logs.shape[1])))
        advance(len(parts[-1]))
    return np.concatenate(parts)


def score(log_probabilities: Array, labels: Array) -> Scores:
    """The scores of log-probabilities (N, classes) for images of these labels (N,)."""
    top1, top5 = (top_k_error(log_probabilities, labels, k) for k in (1, 5))
    return Scores(float(-np.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()), top1, top5)


def softmax(logits: Array) -> Array:
    """p[n, c] = exp(z[n, c]) / sum_k exp(z[n, k]) for logits z (N, classes), in their dtype."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def log_softmax(logits: Array) -> Array:
    """log p[n, c] = z[n, c] - log sum_k exp(z[n, k]) for logits z (N, classes), float64."""
    with np.errstate(invalid="ignore"):  # infinity - infinity: a net that has diverged; its loss then says so
        shifted: Array = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def log_mean(log_probabilities: Array | Sequence[Array]) -> Array:
    """M log-probabilities (M, N, classes) -> the logarithm of the mean of their probabilities (N, classes), float64.

    Of views of the same images, or of what several nets say of them.
    """
    if len(log_probabilities) == 0 or len({np.shape(part) for part in log_probabilities}) > 1:
        shapes = sorted({np.shape(part) for part in log_probabilities})
        raise ValueError(f"log_mean: needs log-probabilities of the same images and classes, got the shapes {shapes}")
    total = np.array(log_probabilities[0], np.float64)
    with np.errstate(invalid="ignore"):  # as above
        for part in log_probabilities[1:]:
            np.logaddexp(total, part, out=total)
    total -= np.log(len(log_probabilities))
    return total


def top_k_error(scores: Array, labels: Array, k: int) -> float:
    """The top-k error of scores (N, classes): logits, probabilities or their logarithms. 0 where there are at most k classes.

    An image with a score that is not a number counts as wrong.
    """
    return float(1 - top_k_credit(scores, labels, k).mean())


def top_k_credit(scores: Array, labels: Array, k: int) -> Array:
    """For each image 1 where its right class is surely among the k with the highest scores, 0 where not, a share for ties."""
    labels = np.asarray(labels)
    if scores.ndim != 2 or len(scores) == 0 or labels.shape != scores.shape[:1] or k < 1:
        raise ValueError(
            f"top_k_error: needs scores (N, classes), labels (N,), N >= 1 and k >= 1, got {scores.shape}, {labels.shape}, k={k}"
        )
    of_right = np.take_along_axis(scores, labels[:, None], axis=1)
    above, equal = (scores > of_right).sum(axis=1), (scores == of_right).sum(axis=1)
    credit: Array = np.clip((k - above) / np.maximum(equal, 1), 0, 1)
    credit[np.isnan(scores).any(axis=1)] = 0
    return credit


@dataclass(frozen=True)
class ClassScores:
    """What became of a class's images. top1_error: nan where there are none.

    mistaken_for: the class that the wrong ones are most often taken for, and how many `times`; None where none is wrong.
    """

    label: int
    images: int
    top1_error: float
    mistaken_for: int | None
    times: int


def by_class(scores: Array, labels: Array) -> list[ClassScores]:
    """What scores (N, classes) get right and wrong in each class, in the order of the labels."""
    credit, likeliest = top_k_credit(scores, labels, 1), scores.argmax(axis=1)
    found = []
    for label in range(scores.shape[1]):
        mine = labels == label
        wrong = np.bincount(likeliest[mine & (likeliest != label)], minlength=1)
        error = float(1 - credit[mine].mean()) if mine.any() else np.nan
        times = int(wrong.max())
        found.append(ClassScores(label, int(mine.sum()), error, int(wrong.argmax()) if times else None, times))
    return found


def _in_a_row(batch: Array | Shown) -> tuple[int, Array | Shown]:
    """How many views of each image there are, and all of them (m n, C, h, w), first all images' view 0."""
    if isinstance(batch, Shown):
        return batch.views, batch
    if batch.ndim != 5:
        return 1, batch
    views, n = batch.shape[:2]
    return views, batch.reshape(views * n, *batch.shape[2:])


def _batches(images: Images, prepare: Prepare | None, batch_size: int, workers: int, as_bytes: bool) -> Iterator[Array | Shown]:
    """All images in order, prepared, a batch at a time; of views, as many images as make about a batch together.

    as_bytes: if they are stored as bytes, and prepared by a CentreCrop or TenViews, they are still to be shown.
    """
    if isinstance(prepare, Augmentation):
        prepare = prepare.at_test()
    if isinstance(prepare, CentreCrop | TenViews):
        views = 10 if isinstance(prepare, TenViews) else 1
        unknown = Split(images, np.zeros(len(images), np.int64))
        loader = Loader(unknown, max(1, batch_size // views), prepare, workers=workers, shuffle=False)
        yield from (batch for batch, _ in loader.epoch(1, as_bytes=as_bytes))
        return
    for start in range(0, len(images), batch_size):
        stored = images[np.arange(start, min(start + batch_size, len(images)))]
        yield stored if prepare is None else prepare(stored)
