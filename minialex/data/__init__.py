"""Data sets, and the batches that an epoch makes of them. Knows nothing of nets."""

from minialex.data.batches import Batch, Batches, Minibatches
from minialex.data.dataset import Dataset, Images, Split
from minialex.data.digits import digits
from minialex.data.synthetic import synthetic

__all__ = ["Batch", "Batches", "Dataset", "Images", "Minibatches", "Split", "digits", "synthetic"]
