"""The reward: AlexNet's two towers, in which the parts that a lesson has just built light up, and earlier ones glow.

The picture is inline SVG without fonts or scripts; its lines take the colour of the page's text, so it reads on any ground.
"""

from __future__ import annotations

from html import escape

from lessons.draw.heat import BLUE, GREEN, ORANGE

# What the towers are made of, layer by layer: (part, height). An "exchange" is where the towers see each other's maps.
COLUMN = (
    (("data", 46),),
    (("conv", 42), ("relu", 42), ("lrn", 42), ("pool", 34)),
    (("conv", 34), ("relu", 34), ("lrn", 34), ("pool", 26)),
    (("exchange", 26), ("conv", 26), ("relu", 26)),
    (("conv", 26), ("relu", 26)),
    (("conv", 26), ("relu", 26), ("pool", 18)),
    (("exchange", 18), ("linear", 34), ("relu", 34), ("dropout", 34)),
    (("exchange", 34), ("linear", 34), ("relu", 34), ("dropout", 34)),
    (("exchange", 34), ("linear", 16), ("softmax", 16)),
)
PARTS = {part for layer in COLUMN for part, _ in layer}
WIDTHS = {"conv": 11, "linear": 7, "exchange": 14, "data": 3}
BUILT = {  # the lesson after which a part is yours
    "linear": "01",
    "softmax": "01",
    "relu": "02",
    "conv": "04",
    "pool": "05",
    "lrn": "06",
    "dropout": "07",
    "data": "09",
    "exchange": "10",
}


def badge(lights: tuple[str, ...], lesson: str) -> str:
    """SVG of the net with these parts lit; parts of earlier lessons are tinted. "all" lights everything."""
    lit = PARTS if "all" in lights else set(lights)
    shapes, x, middle, gap = [], 6.0, 60.0, 5.0
    for layer in COLUMN:
        for part, height in layer:
            width = WIDTHS.get(part, 4)
            strength = 0.95 if part in lit else 0.4 if BUILT[part] < lesson else 0.0
            if part == "exchange":
                colour = f"rgba({','.join(map(str, GREEN))},{strength or 0.25})"
                far = height + gap
                for a, b in ((-far / 2, far / 2), (far / 2, -far / 2)):
                    shapes.append(
                        f'<path d="M{x - 1:g} {middle + a:g} C{x + 7:g} {middle + a:g} {x + 5:g} {middle + b:g} '
                        f'{x + 12:g} {middle + b:g}" fill="none" stroke="{colour}" stroke-width="{2 if part in lit else 1}"/>'
                    )
            else:
                for top, rgb in ((middle - gap / 2 - height, BLUE), (middle + gap / 2, ORANGE)):
                    fill = f"rgba({','.join(map(str, rgb))},{strength})" if strength else "none"
                    shapes.append(
                        f'<rect x="{x:g}" y="{top:g}" width="{width}" height="{height}" rx="1" fill="{fill}" '
                        'stroke="currentColor" stroke-opacity=".35" stroke-width=".6"/>'
                    )
            x += width + 2
        x += 5
    names = ", ".join(sorted(lit)) if lit else "nothing yet"
    return (
        f'<svg width="{1.25 * x:g}" height="{1.25 * 2 * middle - 20:g}" viewBox="0 8 {x:g} {2 * middle - 16:g}" role="img" '
        f'style="max-width:100%"><title>{escape(f"The two towers of AlexNet; lit: {names}")}</title>{"".join(shapes)}</svg>'
    )
