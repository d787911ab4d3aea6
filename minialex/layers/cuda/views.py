"""Crop, mirror image, mean and colour on a GPU, from bytes: what data/views.py and data/augment.py do on the host."""

from __future__ import annotations

from typing import Literal

from minialex.arrays import Array, array_module
from minialex.layers.cuda.launch import by_rows, launch


def views(
    images: Array,
    crop: tuple[int, int],
    tops: Array,
    lefts: Array,
    mirrored: Array,
    mean: Array,
    out: Array,
    *,
    mean_at: Literal["centre", "pixel"] = "centre",
    colours: Array | None = None,
    divisor: float = 1.0,
) -> None:
    """images uint8 (n, C, H, W), any strides -> m views of them, written to `out` (m, h, w, C); view k is of image k mod n.

    tops, lefts: int32 (m,); mirrored: uint8 or bool (m,). mean: with mean_at="centre" (h, w, C), subtracted from every view
    whatever its place; with "pixel" (H, W, C), each pixel's own. colours (m, C), added. mean, colours and out have one dtype,
    float32 by rights, and all arrays are on the images' device, contiguous but for the images.
    """
    (n, C, H, W), (h, w), m = images.shape, crop, len(tops)
    colours = array_module(images).zeros((m, C), mean.dtype) if colours is None else colours
    shapes = {"tops": (m,), "lefts": (m,), "mirrored": (m,), "colours": (m, C), "out": (m, h, w, C)}
    shapes["mean"] = (H, W, C) if mean_at == "pixel" else (h, w, C)
    arrays = {"tops": tops, "lefts": lefts, "mirrored": mirrored, "colours": colours, "out": out, "mean": mean}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not arrays[name].flags.c_contiguous:
            raise ValueError(f"{name} must be contiguous and of shape {shape}, got {arrays[name].shape}")
    sides = {"N": m, "images": n, "C": C, "H": H, "W": W, "h": h, "w": w, "mean_of_image": int(mean_at == "pixel")}
    strides = dict(zip(("sN", "sC", "sH", "sW"), images.strides, strict=True))
    grid, block = by_rows(m, h)
    launch("views", grid, block, images=images, **arrays, divisor=divisor, g=sides | strides)
