"""The two nets from which the claims start, and how they learn: each claim changes one thing in one of them.

On digits (8 x 8, no windows, no mirrors) the same nets learn for seconds; `sized` makes the change.
"""

from __future__ import annotations

from minialex.claims.bench import Bench
from minialex.claims.learn import Variant

INK = 16.0  # the most that a pixel of the digits holds

# The 2012 code's CIFAR-10 example: mean image subtracted, 24 x 24 windows and mirrors, rates and decay as published there.
FOUR_LAYERS = Variant(
    "four layers", "four_layers", epochs=12, lr=0.001, batch_size=32, weight_decay=0.004, bias_lr=2.0, crop=24, mirror=True
)
# Figure 2 in small. Pixels over 64, for a start (He et al.) that is made for inputs of about 1.
SMALL_ALEXNET = Variant("small AlexNet", "small_alexnet", epochs=12, lr=0.01, batch_size=32, crop=24, mirror=True, scale=64.0)
# For what is said of overfitting: learned twice as long; and the same 5,000 windows again and again.
LONGER = SMALL_ALEXNET.but("longer", epochs=24)
STILL = LONGER.but("central windows", shift=False, mirror=False)


def sized(bench: Bench, variant: Variant, quick: int = 3) -> Variant:
    """The variant for this bench: its number of epochs; for digits the image as it is, and ink as large as pixels are."""
    epochs = bench.epochs(variant.epochs, quick)
    if not bench.quick:
        return variant.but(variant.name, epochs=epochs)
    scale = INK / 255 * (variant.scale or 1.0)
    plain = variant.but(variant.name, epochs=epochs, crop=None, mirror=False, colour_noise=0.0, scale=scale)
    if variant.net == "four_layers":
        return plain.but(variant.name, lr=0.01)  # few steps must lead away from a start near 0
    return plain.but(variant.name, batch_size=64)
