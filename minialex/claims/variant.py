"""A Variant: all that decides what is trained for a claim, but the seed and the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np

from minialex.claims.nets import MAKERS
from minialex.data import Source
from minialex.data.dataset import Dataset, Split
from minialex.data.loader import Loader
from minialex.data.views import CentreCrop
from minialex.devices import Device
from minialex.net import Net


@dataclass(frozen=True)
class Variant:
    """What is trained, how, and what it is shown. Two with the same settings are the same run, whatever their claims.

    name: "without norm". net: a name in claims/nets.py's MAKERS; options: its keyword arguments. drop_at: where the rate is
    divided by 10 (shares of the epochs, or numbers). until: stop after the epoch in which the training error is at most this.
    crop: the side of the window that the net sees (None: the whole image); random in training where shift, else the centre.
    scale: what pixels less their mean are divided by (None: the set's own). workers: 0 draws batches in the same thread.
    """

    name: str
    net: str
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 10
    lr: float = 0.01
    batch_size: int = 64
    momentum: float = 0.9
    weight_decay: float = 0.0005
    bias_lr: float = 1.0
    drop_at: tuple[float, ...] = (0.7, 0.9)
    until: float = -inf
    crop: int | None = None
    shift: bool = True
    mirror: bool = False
    colour_noise: float = 0.0
    scale: float | None = None

    def but(self, name: str, *, options: Mapping[str, Any] | None = None, **changes: Any) -> Variant:
        """This variant with another name and these changes; `options` are added to those it has."""
        return replace(self, name=name, options={**self.options, **(options or {})}, **changes)


def net_of(variant: Variant, seed: int, source: Source, devices: tuple[Device, ...]) -> Net:
    """The variant's net, its parameters drawn."""
    C, H, W = source.dataset.image_shape
    shape = (C, variant.crop or H, variant.crop or W)
    return MAKERS[variant.net](devices, len(source.dataset.classes), seed, input_shape=shape, **variant.options)


def view_of(variant: Variant, source: Source) -> CentreCrop:
    """What the net is tested on."""
    return source.test_view(variant.crop, scale=variant.scale)


def batches_of(variant: Variant, seed: int, source: Source) -> Loader:
    """What the net learns from: random windows where that is wanted, else the central one; mirrored or not."""
    crop, data = variant.crop, source.dataset
    _, H, W = data.image_shape
    if crop is not None and not variant.shift:
        top, left = (H - crop) // 2, (W - crop) // 2
        inner = Split(data.train.images[:, :, top : top + crop, left : left + crop], data.train.labels)
        mean = np.asarray(data.mean)
        mean = mean[:, top : top + crop, left : left + crop] if mean.ndim == 3 else mean
        source = Source(Dataset(data.name, data.classes, inner, data.test, mean, data.scale), "", "", measured=source.colours())
        crop = None
    view = source.train_view(crop, scale=variant.scale, mirror=variant.mirror, colour_noise=variant.colour_noise)
    return Loader(source.dataset.train, variant.batch_size, view, seed, workers=0)
