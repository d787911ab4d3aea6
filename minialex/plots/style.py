"""What all pictures share: colours, the width of a line, where axes have no frame, and how numbers become colours.

The colours are those of Okabe and Ito, which colour-blind people can tell apart. Amounts go from white, which is 0, to dark
blue; what has a sign goes on to the other side, to dark orange below 0.
"""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8C8C8C", "#262626"
BLUE_TINT, ORANGE_TINT = "#A6CDE6", "#F2B27F"  # light enough for text to stand on
TOWERS = (BLUE, ORANGE, GREEN)  # tower 0, tower 1, and what both have
GROUND = (0.80, 0.87, 0.95)  # between kernels: neither black, grey nor white
NOTE: dict[str, Any] = {"color": INK, "fontsize": 9, "ha": "right", "va": "bottom"}
BOX: dict[str, Any] = {"edgecolor": "none", "framealpha": 0.85, "fontsize": 9, "labelcolor": INK}  # a legend
DPI = 150

NOTHING = "#ECECEC"  # between maps, where there is no number


def ramp(name: str, colours: list[str]) -> Colormap:
    """From the lowest number's colour to the highest's; where there is no number, NOTHING."""
    return LinearSegmentedColormap.from_list(name, colours).with_extremes(bad=NOTHING)


AMOUNT = ramp("amount", ["#FFFFFF", "#BBD9EC", "#4A9CCB", "#0072B2", "#003A5C"])
SIGNED = ramp("signed", ["#8F3F00", "#E58B45", "#FFFFFF", "#4A9CCB", "#00507D"])


def frame(axes: Axes, title: str, unit: str, along: str = "epoch") -> None:
    """A plot of lines: what it shows, in what unit, and only the two axes that carry numbers."""
    axes.set_title(title, color=INK, fontsize=12, loc="left")
    axes.set_xlabel(along, color=INK)
    axes.set_ylabel(unit, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def plain(axes: Axes, title: str = "", size: float = 9.5) -> None:
    """A picture: no numbers along its sides, its title above it, taken as it is."""
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, color=INK, fontsize=size, loc="left", pad=4, parse_math=False)
    for side in axes.spines.values():
        side.set(color=GREY, linewidth=0.6)
