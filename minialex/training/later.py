"""Numbers that may still be on their way when they are handed out: waited for when somebody reads them, and not before."""

from __future__ import annotations

from typing import Any, Protocol


class Later(Protocol):
    """A number that will be known."""

    @property
    def known(self) -> bool:
        """Whether value() will not wait."""

    def value(self) -> float:
        """The number. Waits where it is not known yet, and raises what stands in its place (NonFinite)."""


class Awaited:
    """A dataclass's field for a number or a Later one: whoever reads it gets the number. default: for a field that has one."""

    def __init__(self, default: float | None = None) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, event: object, owner: type | None = None) -> float:
        if event is None:  # the dataclass asks for the default
            if self._default is None:
                raise AttributeError(self._name)
            return self._default
        held: Any = vars(event)
        if not isinstance(held[self._name], float | int):
            held[self._name] = held[self._name].value()
        return held[self._name]

    def __set__(self, event: object, number: float | Later) -> None:
        vars(event)[self._name] = number if isinstance(number, float | int) or not number.known else number.value()

    def known(self, event: object) -> bool:
        """Whether the field of this event can be read without waiting."""
        held = vars(event)[self._name]
        return isinstance(held, float | int) or held.known
