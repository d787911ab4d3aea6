"""A slider over pictures that were made beforehand: it needs no kernel, and where scripts do not run one picture stays."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

__all__ = ["flipbook"]

SCRIPT = """
(() => {
  const waiting = ".mx-flip:not([data-live])";
  const root = document.currentScript ? document.currentScript.parentElement : document.querySelector(waiting);
  if (!root || root.dataset.live) return;
  root.dataset.live = "yes";
  const pages = %(pages)s, labels = %(labels)s, image = root.querySelector("img");
  const bar = document.createElement("label"), slider = document.createElement("input"), text = document.createElement("span");
  Object.assign(slider, {type: "range", min: 0, max: pages.length - 1, value: %(start)d});
  bar.style.cssText = "display:flex;gap:12px;align-items:center;font:13px/1.5 system-ui,sans-serif;margin-bottom:4px";
  slider.style.width = "260px";
  const show = () => {
    image.src = "data:image/png;base64," + pages[slider.value];
    image.alt = text.textContent = labels[slider.value];
  };
  slider.addEventListener("input", show);
  bar.append(slider, text);
  root.prepend(bar);
  show();
})();
"""


class flipbook:
    """Figures with a label each, turned over by a slider; `start` is the one that is shown first, and that stays as a still."""

    def __init__(self, figures: Sequence[Figure], labels: Sequence[str], start: int = 0, dpi: int = 64) -> None:
        if not figures or len(figures) != len(labels):
            raise ValueError(f"flipbook: {len(figures)} figures need a label each, got {len(labels)}")
        pages = [base64.b64encode(png(figure, dpi)).decode() for figure in figures]
        script = SCRIPT % {"pages": json.dumps(pages), "labels": json.dumps(labels), "start": start}
        still = f'<img alt="{escape(labels[start])}" src="data:image/png;base64,{pages[start]}" style="max-width:100%">'
        self.labels = list(labels)
        self.html = f'<div class="mx-flip" data-lm-suppress-shortcuts="true">{still}<script>{script}</script></div>'

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"pictures behind a slider: {', '.join(self.labels)}"


def png(figure: Figure, dpi: int) -> bytes:
    """The figure's picture with so many pixels an inch; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
