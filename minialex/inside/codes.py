r"""Short binary codes for images: an autoencoder over the vectors of the last hidden layer (paper, section 6.1's last lines).

    encoder  a = W_2 relu(W_1 x + b_1) + b_2            one number for each bit
    code     c = sigmoid(a + noise)                     in training; noise makes large |a|, and c near 0 or 1, worth while
    decoder  y = W_4 relu(W_3 c + b_3) + b_4            loss 1/2 mean |y - x|², with respect to the vector's variance

After training, a bit is 1 where a is above its median over the training vectors, so that every bit halves them. Codes are kept
eight bits to a byte. Two codes are compared by the number of bits in which they differ, which is an exclusive-or and a count.
(Salakhutdinov and Hinton 2009, "Semantic hashing"; Krizhevsky and Hinton 2011.)
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from minialex.arrays import Array
from minialex.layers import Layer, ReLU, Sigmoid
from minialex.layers.fast import Linear, Sequential
from minialex.optim import SGD
from minialex.seeds import generator

AT_ONCE = 1 << 22  # distances in memory
NOISE = 1.0  # the standard deviation of what is added before the sigmoid, at the end of training; it grows from 0


class Coder:
    """bits: the length of a code, a multiple of 8. hidden: neurons between vector and code, on both sides.

    `fit` first, then `encode`. Everything drawn comes from the seed.
    """

    def __init__(self, features: int, bits: int = 32, hidden: int = 128, seed: int = 0) -> None:
        if bits < 8 or bits % 8:
            raise ValueError(f"Coder: a code has a multiple of 8 bits, got {bits}")
        self.bits, self.seed = bits, seed
        self.mean, self.scale = np.zeros(features, np.float32), 1.0
        self.thresholds = np.zeros(bits, np.float32)

        def linear(name: str, before: int, after: int) -> Linear:
            return Linear(before, after, std=sqrt(2 / before), rng=generator(seed, f"coder {name}"))

        self.encoder = Sequential(fc1=linear("fc1", features, hidden), relu1=ReLU(), fc2=linear("fc2", hidden, bits))
        self.squash: Layer = Sigmoid()
        self.decoder = Sequential(fc3=linear("fc3", bits, hidden), relu3=ReLU(), fc4=linear("fc4", hidden, features))

    def fit(self, vectors: Array, epochs: int = 30, batch_size: int = 64, lr: float = 0.001) -> list[float]:
        """Learn from vectors (N, features) -> the loss of each epoch: half the share of the variance that is lost."""
        self.mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.scale = float(np.sqrt(np.square(vectors - self.mean, dtype=np.float64).mean())) or 1.0
        x = self._normalised(vectors)
        optimizers = [SGD(part, lr, weight_decay=0.0) for part in (self.encoder, self.decoder)]
        losses = []
        for epoch in range(epochs):
            rng = generator(self.seed, f"coder epoch {epoch}")
            order, total = rng.permutation(len(x)), 0.0
            noise = NOISE * epoch / max(1, epochs - 1)
            for start in range(0, len(x), batch_size):
                batch = x[order[start : start + batch_size]]
                total += self._step(batch, noise * rng.standard_normal((len(batch), self.bits), np.float32)) * len(batch)
                for optimizer in optimizers:
                    optimizer.step()
            losses.append(total / len(x))
            if epoch == int(0.7 * epochs):
                for optimizer in optimizers:
                    optimizer.lr /= 10
        self.thresholds = np.median(self.encoder.forward(x, train=False), axis=0)
        return losses

    def encode(self, vectors: Array) -> Array:
        """vectors (N, features) -> codes (N, bits / 8) uint8."""
        a = self.encoder.forward(self._normalised(vectors), train=False)
        return np.packbits(a > self.thresholds, axis=1)

    def _step(self, x: Array, noise: Array) -> float:
        """Forward and backward for a batch; the loss."""
        c = self.squash.forward(self.encoder.forward(x) + noise)
        difference = self.decoder.forward(c) - x
        gradient = difference / len(x)  # of 1/2 sum |difference|², a mean over the batch
        self.encoder.backward(self.squash.backward(self.decoder.backward(gradient)))
        return 0.5 * float(np.square(difference).mean())

    def _normalised(self, vectors: Array) -> Array:
        normalised: Array = ((vectors - self.mean) / np.float32(self.scale)).astype(np.float32, copy=False)
        return normalised


def random_codes(vectors: Array, known: Array, bits: int, rng: np.random.Generator) -> Array:
    """Codes without learning, to compare with: on which side of `bits` random planes through `known`'s mean a vector lies."""
    planes = rng.standard_normal((vectors.shape[1], bits)).astype(np.float32)
    return np.packbits((vectors - known.mean(axis=0)) @ planes > 0, axis=1)


def hamming(queries: Array, codes: Array) -> Array:
    """Codes (Q, B) and (N, B) of uint8 -> the number of bits in which they differ, int64 (Q, N)."""
    if queries.shape[1:] != codes.shape[1:] or queries.dtype != np.uint8 or codes.dtype != np.uint8:
        raise ValueError(f"hamming: needs codes of one length in uint8, got {queries.shape} {queries.dtype}, {codes.shape}")
    width = next(size for size in (8, 4, 2, 1) if codes.shape[1] % size == 0)  # as few words as there can be
    a, b = (np.ascontiguousarray(part).view(f"u{width}") for part in (queries, codes))
    distances = np.zeros((len(a), len(b)), np.int64)
    for word in range(b.shape[1]):
        distances += np.bitwise_count(a[:, word, None] ^ b[None, :, word])
    return distances


def precision_at(distances: Array, same: Array, k: int) -> Array:
    """distances (Q, N), same (Q, N) of bool -> for each query the share of its k nearest that are of the same class, (Q,).

    Where the k-th distance is shared by several, each of them has the same chance of being among the k: codes tie often.
    """
    if distances.shape != same.shape or not 1 <= k <= distances.shape[1]:
        raise ValueError(
            f"precision_at: needs distances and same (Q, N) and k in 1..N, got {distances.shape}, {same.shape}, {k}"
        )
    last = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
    nearer, level = distances < last, distances == last
    sure = (nearer & same).sum(axis=1)
    share = (level & same).sum(axis=1) / level.sum(axis=1)
    precision: Array = (sure + (k - nearer.sum(axis=1)) * share) / k
    return precision
