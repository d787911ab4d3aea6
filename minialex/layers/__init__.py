"""A room for each layer: its derivation, its forward and its backward pass. Nothing here knows of devices or training."""

from minialex.layers.activation import ReLU, Sigmoid, Tanh
from minialex.layers.base import Layer
from minialex.layers.conv import Conv2d
from minialex.layers.dropout import Dropout
from minialex.layers.flatten import Flatten
from minialex.layers.im2col import col2im, im2col
from minialex.layers.linear import Linear
from minialex.layers.loss import SoftmaxCrossEntropy
from minialex.layers.lrn import LocalResponseNorm
from minialex.layers.pool import AvgPool2d, MaxPool2d
from minialex.layers.sequential import Sequential
from minialex.layers.spatial_norm import SpatialResponseNorm

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "Dropout",
    "Flatten",
    "Layer",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "SpatialResponseNorm",
    "Tanh",
    "col2im",
    "im2col",
]
