"""Data sets, and the batches that an epoch makes of them. Knows nothing of nets."""

from minialex.data.batches import Batch, Batches, Minibatches
from minialex.data.dataset import Dataset, Images, Split
from minialex.data.digits import digits
from minialex.data.errors import BadPicture, DataError
from minialex.data.loader import Loader, LoadError
from minialex.data.sets import Source, open_data
from minialex.data.synthetic import synthetic

__all__ = [
    "BadPicture",
    "Batch",
    "Batches",
    "DataError",
    "Dataset",
    "Images",
    "LoadError",
    "Loader",
    "Minibatches",
    "Source",
    "Split",
    "digits",
    "open_data",
    "synthetic",
]
