"""A picture with sliders, which is a still picture wherever nobody is there to move them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from lessons.draw.show import png

__all__ = ["sliders"]

WIDGET = "application/vnd.jupyter.widget-view+json"


class sliders:  # a lesson calls it as it calls the pictures
    """A figure drawn anew whenever a slider is moved.

    function: makes the Figure of whole numbers, called by name. ranges: for each of them (least, most, at first).
    In a notebook with a running kernel and ipywidgets the sliders appear; else the picture with the first numbers, alone.
    A ValueError of the function is shown in the picture's place: some numbers do not go together.
    """

    def __init__(self, function: Callable[..., Figure], **ranges: tuple[int, int, int]) -> None:
        for name, (least, most, first) in ranges.items():
            if not least <= first <= most:
                raise ValueError(f"sliders: {name} should begin between {least} and {most}, not at {first}")
        self.function, self.ranges = function, ranges

    def draw(self, **numbers: int) -> Figure:
        """The figure for these numbers, and for the first ones of those that are not given."""
        return self.function(**{name: first for name, (_, _, first) in self.ranges.items()} | numbers)

    def widget(self) -> Any:
        """The sliders and the picture as one ipywidget; ImportError where there are no ipywidgets."""
        import ipywidgets  # noqa: PLC0415

        handles = {
            name: ipywidgets.IntSlider(first, least, most, description=name.replace("_", " "), layout={"width": "20em"})
            for name, (least, most, first) in self.ranges.items()
        }
        picture, note = ipywidgets.Image(value=png(self.draw()), format="png"), ipywidgets.Label()
        picture.layout.align_self = "flex-start"  # at its own size

        def moved(_: Any) -> None:
            try:
                picture.value, note.value = png(self.draw(**{name: handle.value for name, handle in handles.items()})), ""
            except ValueError as error:
                note.value = str(error)

        for handle in handles.values():
            handle.observe(moved, "value")
        controls = ipywidgets.HBox(tuple(handles.values()), layout={"flex_flow": "row wrap"})
        return ipywidgets.VBox((controls, note, picture))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": repr(self), "image/png": png(self.draw())}
        try:
            shown = self.widget()._repr_mimebundle_()
        except ImportError:
            return bundle
        data = shown[0] if isinstance(shown, tuple) else shown
        return bundle | {WIDGET: data[WIDGET]} if WIDGET in data else bundle

    def __repr__(self) -> str:
        return f"a picture with sliders for {', '.join(name.replace('_', ' ') for name in self.ranges)}"
