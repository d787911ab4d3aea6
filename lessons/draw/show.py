"""How a notebook comes to show a matplotlib Figure that never went through pyplot: as a PNG, at the figure's own resolution."""

from __future__ import annotations

import io
import sys
from typing import Any

from matplotlib.figure import Figure


def png(figure: Figure) -> bytes:
    """The figure's picture; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def figures() -> None:
    """Tell IPython, where this runs in it, to show Figures as pictures."""
    ipython: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if ipython is not None:
        ipython.display_formatter.formatters["image/png"].for_type(Figure, png)
