"""Every picture that minialex draws, in one style: a file for each kind. Each function returns a matplotlib Figure.

The figures never touch pyplot or matplotlib's settings: they can be made on a machine without a screen, in any thread, and
leave a notebook's own plots alone. What they share stands in style.py.
"""

from minialex.plots.figure3 import kernels, tile
from minialex.plots.figure4 import predictions, short
from minialex.plots.learning import curves
from minialex.plots.maps import activations, exchange
from minialex.plots.sizes import weight_sizes
from minialex.plots.style import BLUE, BLUE_TINT, DPI, GREEN, GREY, GROUND, INK, ORANGE, ORANGE_TINT
from minialex.plots.timeline import timeline
from minialex.plots.units import busy_units
from minialex.plots.where import where_it_looks

__all__ = [
    "BLUE",
    "BLUE_TINT",
    "DPI",
    "GREEN",
    "GREY",
    "GROUND",
    "INK",
    "ORANGE",
    "ORANGE_TINT",
    "activations",
    "busy_units",
    "curves",
    "exchange",
    "kernels",
    "predictions",
    "short",
    "tile",
    "timeline",
    "weight_sizes",
    "where_it_looks",
]
