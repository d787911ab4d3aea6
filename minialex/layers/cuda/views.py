"""Crop, mirror image, mean and colour on a GPU, from bytes: what data/views.py and data/augment.py do on the host."""

from __future__ import annotations

from minialex.arrays import Array, array_module, empty
from minialex.layers.cuda.launch import by_rows, launch
from minialex.layers.cuda.memory import channels_first


def views(
    images: Array,
    crop: tuple[int, int],
    tops: Array,
    lefts: Array,
    mirrored: Array,
    mean: Array,
    *,
    colours: Array | None = None,
    divisor: float = 1.0,
) -> Array:
    """images uint8 (n, C, H, W), any strides -> (n, C, h, w), channels-last, in the mean's dtype (float32).

    tops, lefts: int32 (n,); mirrored: uint8 or bool (n,). mean: (h, w, C), subtracted from every view whatever its place, or
    (H, W, C), each pixel's own; if the two shapes are the same, so are the results, unless a view is mirrored: then it is the
    view's. colours (n, C), added, in the mean's dtype. All of them on the images' device.
    """
    (n, C, H, W), (h, w) = images.shape, crop
    if mean.shape not in ((h, w, C), (H, W, C)) or not mean.flags.c_contiguous:
        raise ValueError(f"the mean must be contiguous, ({h}, {w}, {C}) or ({H}, {W}, {C}), got {mean.shape}")
    for name, array in (("tops", tops), ("lefts", lefts), ("mirrored", mirrored)):
        if array.shape != (n,) or not array.flags.c_contiguous:
            raise ValueError(f"{name} must be contiguous and of shape ({n},), got {array.shape}")
    if colours is None:
        colours = array_module(images).zeros((n, C), mean.dtype)
    out = empty(mean, (n, h, w, C))
    sides = {"N": n, "C": C, "H": H, "W": W, "h": h, "w": w, "mean_of_image": int(mean.shape != (h, w, C))}
    strides = dict(zip(("sN", "sC", "sH", "sW"), images.strides, strict=True))
    grid, block = by_rows(n, h)
    launch(
        "views",
        grid,
        block,
        images=images,
        tops=tops,
        lefts=lefts,
        mirrored=mirrored,
        mean=mean,
        colours=colours,
        out=out,
        divisor=divisor,
        g=sides | strides,
    )
    return channels_first(out)
