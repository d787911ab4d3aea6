"""The only way from one device to another, and the book in which each crossing is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from minialex.arrays import Array
from minialex.devices.device import Device


class Crossing(NamedTuple):
    """One copy: for which layer, in which pass ("forward" or "backward"), from where to where ("host" is a place too)."""

    layer: str
    direction: str
    source: str
    to: str
    bytes: int


class Ledger:
    """The crossings of the last forward and backward pass, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.rows: list[Crossing] = []

    def clear(self) -> None:
        self.rows.clear()

    def bytes(self, layer: str | None = None, direction: str | None = None, *, host: bool = False) -> int:
        """Bytes that crossed between devices (with host=True: also between host and devices), all or for one layer."""
        return sum(
            row.bytes
            for row in self.rows
            if (layer is None or row.layer == layer)
            and (direction is None or row.direction == direction)
            and (host or "host" not in (row.source, row.to))
        )

    def __str__(self) -> str:
        lines = [f"{'layer':<12} {'pass':<9} {'from':<7} {'to':<7} {'bytes':>14}"]
        lines += [f"{r.layer:<12} {r.direction:<9} {r.source:<7} {r.to:<7} {r.bytes:>14,}" for r in self.rows]
        return "\n".join(lines)


@dataclass
class Wire:
    """The way from `source` (None: the host) to the device `to`, with a buffer at its far end that is kept and filled anew.

    What `carry` returns is that buffer: it holds until the next array of the same shape comes by. (A device in the host's own
    memory needs none for what comes from there: it reads the host's array, which must stay as it is as long.)
    """

    source: Device | None
    to: Device
    layer: str
    direction: str
    ledger: Ledger
    buffer: Array | None = None
    spare: Array | None = None  # a second one, for what sets out ahead of its turn; free from the moment `spare_from` on
    spare_from: Any = None
    coming: tuple[Array, Any] | None = None  # what has set out for the spare buffer, and the moment of its arrival

    def announce(self, x: Array) -> None:
        """Write the crossing of x down; done by the thread that asks for it, so that the ledger has one order."""
        if self.source is not self.to:
            source = "host" if self.source is None else self.source.name
            self.ledger.rows.append(Crossing(self.layer, self.direction, source, self.to.name, x.nbytes))

    def expect(self, x: Array) -> None:
        """x, a packed array of the host, will be carried next: it sets out now, if the device can receive while it computes."""
        if not self.to.sends_ahead:
            return
        if self.coming is not None:  # nobody has fetched it
            self.to.arrive(self.coming[1])
        memory = channels_last(x)
        if self.spare is None or self.spare.shape != memory.shape or self.spare.dtype != memory.dtype:
            self.spare = self.to.empty(memory.shape, memory.dtype)
            self.spare_from = self.to.mark()
        self.coming = x, self.to.begin(memory, self.spare, self.spare_from)

    def carry(self, x: Array) -> Array:
        """x on the other side. Runs on `to`; x must be contiguous, in channels-last order if it has four axes (`pack`)."""
        if self.source is self.to:
            return x
        memory = channels_last(x)
        if self.coming is not None:
            (expected, arrival), self.coming = self.coming, None
            self.to.arrive(arrival)
            if expected is x and self.spare is not None:
                self.spare_from = self.to.mark()  # the buffer's readers are in the queue already
                self.buffer, self.spare = self.spare, self.buffer
                return channels_first(self.buffer)
        if self.source is None and (borrowed := self.to.borrow(memory)) is not None:
            return channels_first(borrowed)
        if self.buffer is None or self.buffer.shape != memory.shape or self.buffer.dtype != memory.dtype:
            self.buffer = self.to.empty(memory.shape, memory.dtype)
        self.to.receive(memory, self.source, self.buffer)
        return channels_first(self.buffer)


@dataclass
class Standing(Wire):
    """A wire for an array that stays what it is: only another one crosses. `last`: the one that is there."""

    last: Array | None = None

    def announce(self, x: Array) -> None:
        if x is not self.last:
            super().announce(x)

    def carry(self, x: Array) -> Array:
        if x is not self.last or self.buffer is None:
            self.last = x
            return super().carry(x)
        return self.buffer


def pack(x: Array) -> Array:
    """x itself where its memory is dense (channels-last for images), else a copy that is. Runs on x's own device."""
    memory = channels_last(x)
    return x if memory.flags.c_contiguous else channels_first(memory.copy(order="C"))


def channels_last(x: Array) -> Array:
    """(N, C, H, W) -> (N, H, W, C), a view; anything else as it is."""
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def channels_first(x: Array) -> Array:
    """(N, H, W, C) -> (N, C, H, W), a view; anything else as it is."""
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
