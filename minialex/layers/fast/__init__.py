"""The same layers under the same names, computed faster: on a CPU by other ways to the same numbers, on a GPU by kernels.

Tests prove each equal to its plain twin. The kernels are those of layers/cuda; an array that is none for them (`cuda.fits`)
takes the plain layer's way. SpatialResponseNorm is the plain one: a few additions of whole arrays anyway.
"""

from minialex.layers.fast.avg_pool import AvgPool2d
from minialex.layers.fast.biased import ReLU
from minialex.layers.fast.blocked import Blocked
from minialex.layers.fast.conv import Conv2d
from minialex.layers.fast.dropout import Dropout
from minialex.layers.fast.linear import Linear
from minialex.layers.fast.lrn import LocalResponseNorm
from minialex.layers.fast.max_pool import MaxPool2d
from minialex.layers.fast.sequential import Sequential
from minialex.layers.fast.split import Split
from minialex.layers.spatial_norm import SpatialResponseNorm

__all__ = [
    "AvgPool2d",
    "Blocked",
    "Conv2d",
    "Dropout",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "ReLU",
    "Sequential",
    "SpatialResponseNorm",
    "Split",
]
