"""A few numbers on their way from a device to the host, which goes on meanwhile and asks for them later."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from minialex.arrays import Array


class Reading(ABC):
    """What an array held when it was asked for (`Device.read_later`), whatever has become of it since."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether the numbers are there. Never waits."""

    @abstractmethod
    def value(self) -> Array:
        """The numbers, on the host. Waits where they are not there yet."""


class Here(Reading):
    """Numbers that have been on the host from the beginning: a CPU device's."""

    def __init__(self, numbers: Array) -> None:
        self._numbers = numbers

    def ready(self) -> bool:
        return True

    def value(self) -> Array:
        return self._numbers


class OnTheirWay(Reading):
    """Numbers of a GPU. landing: the pinned memory that they are copied to; arrival: the event after the copy."""

    def __init__(self, landing: Array, arrival: Any) -> None:
        self._landing, self._arrival = landing, arrival

    def ready(self) -> bool:
        return bool(self._arrival.done)

    def value(self) -> Array:
        if not self._arrival.done:
            self._arrival.synchronize()
        return self._landing.copy()
