"""The timeline of a training step, at the size of a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from minialex.plots.timeline import timeline
from minialex.trace import Span

__all__ = ["step_lanes"]

DPI = 75


class step_lanes:
    """minialex's timeline of the first whole step among these spans: a lane for each device, and an exchange from nearby."""

    def __init__(self, spans: Sequence[Span], title: str = "") -> None:
        self.figure = timeline(spans, title)

    def _repr_png_(self) -> bytes:
        held = BytesIO()
        self.figure.savefig(held, format="png", dpi=DPI, metadata={"Software": None})
        return held.getvalue()

    def __repr__(self) -> str:
        return "the timeline of a step"
