"""The two-device data flow: a training step through two towers, move by move, with the bytes of every crossing.

One piece of HTML, SVG and JavaScript that asks for nothing from outside; where scripts do not run the still stays. All of it is
made from the net itself: boxes, shapes and bytes are those of its summary.
"""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from lessons.draw.start import towers
from minialex.net import Net
from minialex.summary import rows

__all__ = ["data_flow"]

PAGE = Path(__file__).with_name("flow.html")
BATCHES = (1, 32, 128, 256)
WORDS = {
    "Conv2d": "conv",
    "ReLU": "relu",
    "LocalResponseNorm": "norm",
    "MaxPool2d": "pool",
    "Linear": "full",
    "Dropout": "dropout",
}


class data_flow:
    """A training step of a two-tower net, to be played: what each tower does, what crosses, and the ledger so far.

    batch_size: how many images at first, of 1, 32, 128 or 256. at: the move that is shown first.
    """

    def __init__(self, net: Net, batch_size: int = 128, at: int = 0) -> None:
        if batch_size not in BATCHES:
            raise ValueError(f"data_flow: batch_size must be one of {BATCHES}, got {batch_size}")
        places = [device.name for device in net.devices]
        if len(places) != 2:
            raise ValueError(f"data_flow shows nets of two towers, this one has {len(places)}")
        self.boxes = boxes(net)
        given: dict[str, Any] = {"boxes": self.boxes, "places": places, "batches": BATCHES, "batch": batch_size, "start": at}
        given["itemsize"] = net.dtype.itemsize
        words = f"two towers on {places[0]} and {places[1]}, with what crosses between them for {batch_size} images"
        parts = {"alt": words, "still": base64.b64encode(still(net, batch_size)).decode(), "data": json.dumps(given)}
        self.html = PAGE.read_text(encoding="utf-8")
        for name, part in parts.items():
            self.html = self.html.replace("{{" + name + "}}", part)

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "a training step through two towers (it needs a notebook or a web page)"


def boxes(net: Net) -> list[dict[str, Any]]:
    """A box for each layer with weights and what follows it: name, detail, each tower's output, and what crosses before it."""
    found: list[dict[str, Any]] = []
    crossing = None
    for row in rows(net.stages, net.input_shape, 1, 1):
        kind = row.what.partition("(")[0]
        if kind in ("Exchange", "Gather"):  # forward and backward alike; an exchange has two ways in each
            crossing = {"kind": kind.lower(), "elements": row.crosses // (4 if kind == "Exchange" else 2)}
        elif row.parameters or not found:
            towers = 1 if found and not row.output.startswith("2 x ") else 2
            found.append(
                {"name": row.layer, "detail": WORDS.get(kind, ""), "sizes": [_size(row.output)] * towers, "crossing": crossing}
            )
            crossing = None
        elif kind in WORDS:
            found[-1]["detail"] += f", {WORDS[kind]}"
            found[-1]["sizes"] = [_size(row.output)] * len(found[-1]["sizes"])
    return found


def _size(output: str) -> str:
    """ "2 x 48x27x27" -> "48 × 27 × 27"."""
    return output.removeprefix("2 x ").replace("x", " × ")


def still(net: Net, batch_size: int) -> bytes:
    """The picture for readers without scripts, in few colours: a fraction of the bytes."""
    whole, small = BytesIO(), BytesIO()
    towers(net, batch_size).savefig(whole, format="png", dpi=75)
    Image.open(whole).convert("RGB").quantize(48).save(small, format="png", optimize=True)
    return small.getvalue()
