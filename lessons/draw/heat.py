"""Small arrays as heat maps with their numbers in them: HTML tables, which a browser, a notebook and a printed page all show.

Blue is below zero, orange above, both of Okabe and Ito's palette; the colours lie half transparent over the page's own, so
that the same table reads well on white and on black. Where colours are taken away (as some web pages do), the numbers stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from minialex.arrays import Array

BLUE, ORANGE, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)
STRONGEST = 0.62  # opacity of the largest number's colour: text stays readable on it
ROWS, COLUMNS, BLOCKS = 14, 14, 6  # what is shown of a large array
CELL = (
    "padding:2px 6px;min-width:1.6em;text-align:right;border:1px solid rgba(128,128,128,.35);font-variant-numeric:tabular-nums;"
)
TABLE = "border-collapse:collapse;margin:0;font-family:var(--jp-code-font-family,monospace);font-size:12px;background:none;"


@dataclass(frozen=True)
class Picture:
    """Something that a notebook shows as HTML and a terminal as text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def array(
    a: Any,
    title: str = "",
    *,
    digits: int = 3,
    largest: float | None = None,
    marks: Array | None = None,
    note: str = "",
    colours: bool = True,
) -> Picture:
    """A small array with its numbers: a row for a vector, a table for a matrix, blocks for images (N, C, H, W).

    largest: the number that gets the full colour, to give several arrays one scale. marks: True where a cell gets a frame.
    Columns (N, oH, oW, kH, kW, C) are shown as the matrix they are: a row for each patch.
    """
    a = np.asarray(a)
    top = largest if largest is not None else biggest(a)
    parts, texts = [], []
    for label, block, mark in blocks(a, marks):
        caption = f'<div style="{SMALL}">{escape(label)}</div>' if label else ""
        parts.append(f'<div style="display:inline-block;margin:2px 10px 4px 0;vertical-align:top">{caption}')
        parts.append(_table(block, top, digits, mark, colours) + "</div>")
        texts.append((f"{label}:\n" if label else "") + plain(block, digits, mark))
    more = max(0, count(a) - BLOCKS)
    notes = "; ".join(filter(None, (f"{more} more not shown" if more else "", note)))
    head = f'<div style="font-weight:600;margin-bottom:2px">{escape(title)}</div>' if title else ""
    foot = f'<div style="{SMALL}">{escape(notes)}</div>' if notes else ""
    html = f'<div style="display:inline-block;vertical-align:top;margin:4px 14px 4px 0">{head}{"".join(parts)}{foot}</div>'
    heading = f"{title}\n" if title else ""
    return Picture(html, heading + "\n".join(texts) + (f"\n({notes})" if notes else ""))


SMALL = "font-size:11px;opacity:.75;"


def side_by_side(*pictures: Any, title: str = "", between: Sequence[str] = ()) -> Picture:
    """Pictures, or arrays, in one row; `between`: signs that stand between them, such as "*" or "="."""
    shown = [p if hasattr(p, "_repr_html_") else array(p) for p in pictures]
    signs = [*between, *[""] * (len(shown) - 1 - len(between)), ""]
    cells = "".join(
        p._repr_html_() + (f'<div style="align-self:center;margin:0 14px 0 0;font-size:18px">{escape(s)}</div>' if s else "")
        for p, s in zip(shown, signs, strict=True)
    )
    head = f'<div style="font-weight:600;margin:4px 0">{escape(title)}</div>' if title else ""
    text = "\n\n".join(repr(p) + (f"\n{s}" if s else "") for p, s in zip(shown, signs, strict=True))
    row = f'<div style="display:flex;flex-wrap:wrap;align-items:flex-start">{cells}</div>'
    return Picture(head + row, (f"{title}\n" if title else "") + text)


def difference(
    expected: Any, received: Any, names: tuple[str, str] = ("expected", "received"), tolerance: float = 1e-9
) -> Picture:
    """Two arrays of one shape on one scale, and what the second has too much; cells that differ are framed."""
    expected, received = np.asarray(expected), np.asarray(received)
    wrong = differs(expected, received, tolerance)
    with np.errstate(invalid="ignore"):
        off = np.where(wrong, received - expected, np.zeros((), np.result_type(received, expected, np.float32)))
    top = max(biggest(expected), biggest(received))
    said = f"{int(wrong.sum())} of {wrong.size} wrong" if wrong.size else ""
    return side_by_side(
        array(expected, names[0], largest=top),
        array(received, names[1], largest=top, marks=wrong),
        array(off, "difference", marks=wrong, note=said),
    )


def differs(expected: Array, received: Array, tolerance: float = 1e-9) -> Array:
    """Where two arrays are not the same, up to tolerance * the largest expected number (at least 1)."""
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.abs(received - expected) <= tolerance * max(1.0, biggest(expected))
        equal = (received == expected) | (np.isnan(received) & np.isnan(expected))
    return np.asarray(~(close | equal))


def biggest(a: Array) -> float:
    """The largest absolute value that is a number."""
    sizes = np.abs(np.asarray(a, np.complex128 if np.iscomplexobj(a) else np.float64))
    sizes = sizes[np.isfinite(sizes)]
    return float(sizes.max()) if sizes.size else 0.0


def count(a: Array) -> int:
    """How many tables an array falls into."""
    return int(np.prod(a.shape[:-2])) if a.ndim in (3, 4) else 1


def blocks(a: Array, marks: Array | None = None) -> list[tuple[str, Array, Array | None]]:
    """(label, matrix, its marks) for each table, the first BLOCKS of them; those with marks come first."""
    if a.ndim == 6:  # columns: one patch a row
        rows = int(np.prod(a.shape[:3]))
        label = "a row for each position, a column for each (u, v, c)"
        return [(label, a.reshape(rows, -1), None if marks is None else marks.reshape(rows, -1))]
    if a.ndim <= 2 or a.ndim not in (3, 4):
        flat = a.reshape(1, -1) if a.ndim < 2 else a.reshape(a.shape[0], -1)
        return [("", flat, None if marks is None else marks.reshape(flat.shape))]
    places = list(np.ndindex(*a.shape[:-2]))
    if marks is not None and len(places) > BLOCKS:
        places.sort(key=lambda at: not marks[at].any())
    names = ("map",) if a.ndim == 3 else ("image", "map")
    many = a.shape[:-2]
    found = []
    for at in places[:BLOCKS]:
        words = [f"{name} {i}" for name, i, size in zip(names, at, many, strict=True) if size > 1]
        found.append((", ".join(words), a[at], None if marks is None else marks[at]))
    return found


def number(value: Any, digits: int = 3) -> str:
    """A short form of one number."""
    if isinstance(value, bool | np.bool_):
        return "1" if value else "0"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, complex | np.complexfloating):
        return f"{value:.{digits}g}"
    value = float(value)
    if value == int(value) if np.isfinite(value) and abs(value) < 1e6 else False:
        return str(int(value))
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e+")


def plain(matrix: Array, digits: int = 3, marks: Array | None = None) -> str:
    """A matrix for a terminal; cells with marks stand in brackets."""
    shown = matrix[:ROWS, :COLUMNS]
    texts = [[number(v, digits) for v in row] for row in shown]
    if marks is not None:
        texts = [
            [f"[{t}]" if m else t for t, m in zip(row, mark, strict=False)] for row, mark in zip(texts, marks, strict=False)
        ]
    width = max((len(t) for row in texts for t in row), default=1)
    lines = ["  " + " ".join(t.rjust(width) for t in row) + (" ..." if matrix.shape[1] > COLUMNS else "") for row in texts]
    return "\n".join(lines + (["  ..."] if matrix.shape[0] > ROWS else []))


def _table(matrix: Array, top: float, digits: int, marks: Array | None, colours: bool) -> str:
    rows = []
    for i, row in enumerate(matrix[:ROWS]):
        cells = [
            _cell(value, top, digits, marks is not None and bool(marks[i, j]), colours) for j, value in enumerate(row[:COLUMNS])
        ]
        dots = f'<td style="{CELL}">…</td>' if len(row) > COLUMNS else ""
        rows.append(f'<tr style="background:none">{"".join(cells)}{dots}</tr>')
    if len(matrix) > ROWS:
        rows.append(f'<tr style="background:none"><td style="{CELL}">…</td></tr>')
    return f'<table style="{TABLE}">{"".join(rows)}</table>'


def _cell(value: Any, top: float, digits: int, mark: bool, colours: bool) -> str:
    style = CELL
    real = float(np.real(value))
    if colours and top > 0 and np.isfinite(real) and real != 0:
        red, green, blue = ORANGE if real > 0 else BLUE
        style += f"background:rgba({red},{green},{blue},{max(0.06, STRONGEST * min(1.0, abs(real) / top)):.2f});"
    if mark:
        style += "outline:2px solid currentColor;outline-offset:-2px;font-weight:700;"
    text = number(value, digits)
    return f'<td style="{style}">{f"<b>{text}</b>" if mark else text}</td>'
