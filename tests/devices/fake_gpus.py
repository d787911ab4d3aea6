"""GPUs that are not there: what is computed where, and in which order CUDA would let it happen.

A GPU runs behind the host and beside other GPUs. Here all work is done at once, but it is *ordered* only as CUDA orders it:
within a stream, by events, and by what the host has waited for. Each stream carries a vector clock (how much of each stream's
work is known to have ended), each piece of memory remembers who wrote it last and who has read it since, and `Race` is raised
where a use may overlap with one that it must not overlap with. It is raised too when memory is freed, and so given to
somebody else, while another stream may still be using it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import numpy as np

Values = np.ndarray[Any, Any]
Clock = dict[int, int]  # for each stream, how many of its pieces of work are known to have ended


class Race(AssertionError):
    """Two uses of the same memory that nothing puts in order."""


class CUDARuntimeError(RuntimeError):
    """What CuPy raises for an error code: "cudaErrorName: what it means"."""


class Copy(NamedTuple):
    """One transfer: "peer" (from GPU to GPU), "down" (to the host) or "up" (from the host, which is None)."""

    way: str
    source: int | None
    to: int | None
    bytes: int


class Moved(NamedTuple):
    """A copy from or to pinned memory that the host does not wait for: done when so much is; where in which block; what."""

    clock: Clock
    block: weakref.ref[Any]
    offset: int
    bytes: Values

    @property
    def there(self) -> Values | None:
        """These bytes of the block, as they are now; None if it has been freed."""
        block = self.block()
        return None if block is None else np.frombuffer(block, np.uint8, self.bytes.nbytes, self.offset)


@dataclass(eq=False)
class Machine:
    """So many GPUs, what has been done on them, and how much of it the host knows to have ended."""

    gpus: int
    peers: bool  # whether each can read the others' memory
    copies: list[Copy] = field(default_factory=list)
    allocations: dict[int, int] = field(default_factory=dict)  # for each GPU, how many
    quick: bool = False  # whether all is done as soon as the host asks; else nothing is before the host has waited for it
    waits: int = 0  # how often the host has waited for a stream or an event, or for the driver, which copies ordinary memory
    ahead: list[int] = field(
        default_factory=list
    )  # at each wait for an event, how much work was in its stream's queue behind it
    opened: set[tuple[int, int]] = field(default_factory=set)  # (a GPU, the peer whose memory it may read now)
    late: list[str] = field(default_factory=list)  # races found by the garbage collector, which cannot raise
    host: Clock = field(default_factory=dict)
    current: list[int] = field(default_factory=lambda: [0])  # the current GPU last
    entered: dict[int, list[Stream]] = field(default_factory=dict)  # for each GPU, its current stream last
    freed: dict[int, list[dict[str, Clock]]] = field(default_factory=dict)  # the pool of each stream: uses of free memory
    streams: dict[int, Stream] = field(default_factory=dict)  # by number
    numbers: Iterator[int] = field(default_factory=partial(count, 1))
    live: weakref.WeakSet[Memory] = field(default_factory=weakref.WeakSet)
    landing: list[Moved] = field(default_factory=list)  # what is on its way to pinned memory
    leaving: list[Moved] = field(default_factory=list)  # what pinned memory must still hold, for a GPU is to read it

    def stream(self) -> Stream:
        """The current stream of the current GPU. Never the null stream, for no tower's work belongs there."""
        gpu = self.current[-1]
        if gpu >= self.gpus:
            raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
        if not self.entered.get(gpu):
            raise RuntimeError(f"work on the null stream of GPU {gpu}, where a tower's own stream should be current")
        return self.entered[gpu][-1]

    def launch(self, work: str, reads: list[Memory], writes: list[Memory], stream: Stream | None = None) -> None:
        """One piece of work on the current GPU, with memory of that GPU, or pinned memory of the host, only."""
        stream = stream or self.stream()
        if stream.device_id != self.current[-1]:
            raise RuntimeError(f"{work}: a stream of GPU {stream.device_id} while GPU {self.current[-1]} is current")
        for memory in (*reads, *writes):
            if memory.gpu not in (None, stream.device_id):
                raise ValueError(f"{work}: an array of GPU {memory.gpu} in the work of GPU {stream.device_id}")
        stream.work(work, reads, writes)

    def at(self, gpu: int, address: int, size: int) -> Memory:
        """The memory of this GPU that holds these bytes."""
        for memory in self.live:
            if memory.gpu == gpu and memory.low <= address and address + size <= memory.high:
                return memory
        raise CUDARuntimeError("cudaErrorInvalidValue: invalid argument")

    def told(self, clock: Clock) -> None:
        """The host knows what `clock` knows. Copies to pinned memory have arrived; those from there have been made."""
        learn(self.host, clock)
        self.arrived(self.host)
        for moved in [each for each in self.leaving if knows(self.host, each.clock)]:
            self.leaving.remove(moved)
            self.check(moved)

    def arrived(self, clock: Clock) -> None:
        """Whoever knows this much finds in pinned memory what was copied there, and nobody else does."""
        for moved in [each for each in self.landing if knows(clock, each.clock)]:
            self.landing.remove(moved)
            if (there := moved.there) is not None:
                there[...] = moved.bytes

    def left(self, memory: Memory) -> None:
        """A GPU is about to write to this pinned memory, in the right order: what was to be copied from there has been."""
        for moved in [each for each in self.leaving if each.block is memory.block]:
            self.leaving.remove(moved)
            self.check(moved)

    def check(self, moved: Moved) -> None:
        """Whether pinned memory still holds what it did when the copy from it was queued."""
        if (there := moved.there) is not None and not np.array_equal(there, moved.bytes):
            self.late.append("pinned memory was written over while a GPU may still have been reading it")

    def pinned(self, host: Values) -> list[Memory]:
        """The pinned memory that a host array lies in; none for ordinary memory, which CUDA copies before it returns."""
        address = host.__array_interface__["data"][0]
        return [memory for memory in self.live if memory.gpu is None and memory.low <= address < memory.high]


class Memory:
    """A block of memory: on a GPU, in the pool of the stream that asked for it, or (stream None) pinned on the host."""

    def __init__(self, machine: Machine, block: Values, stream: Stream | None) -> None:
        self.machine, self.stream, self.gpu = machine, stream, None if stream is None else stream.device_id
        self.low, self.high = np.lib.array_utils.byte_bounds(block)
        self.uses: dict[str, Clock] = {"written": {}, "read": {}}
        self.block: Any = None  # of pinned memory: a weak reference to what holds the bytes
        machine.live.add(self)
        if stream is not None:
            machine.allocations[stream.device_id] = machine.allocations.get(stream.device_id, 0) + 1
            for uses in machine.freed.pop(stream.ptr, []):  # any of them may be what the pool hands out now
                stream.after("an allocation", uses, "was freed while it was being")

    def __del__(self) -> None:
        if self.stream is not None:
            self.machine.freed.setdefault(self.stream.ptr, []).append(self.uses)
        elif any(self.machine.host.get(s, 0) < ticks for clock in self.uses.values() for s, ticks in clock.items()):
            self.machine.late.append("pinned memory was freed while a GPU may still have been using it")


class Stream:
    """A queue of work on the GPU that was current when it was made."""

    machine: Machine

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None) -> None:
        if not self.machine.gpus:
            raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
        assert non_blocking, "a blocking stream waits for the null stream of its GPU"
        self.ptr, self.device_id, self.clock = next(self.machine.numbers), self.machine.current[-1], Clock()
        self.machine.streams[self.ptr] = self

    def __enter__(self) -> Stream:
        if self.device_id != self.machine.current[-1]:
            raise RuntimeError(f"a stream of GPU {self.device_id} entered while GPU {self.machine.current[-1]} is current")
        self.machine.entered.setdefault(self.device_id, []).append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        self.machine.entered[self.device_id].pop()

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.clock, event.stream = dict(self.clock), self.ptr
        return event

    def wait_event(self, event: Event) -> None:
        learn(self.clock, event.clock)

    def synchronize(self) -> None:
        self.machine.waits += 1
        self.machine.told(self.clock)

    def work(self, work: str, reads: list[Memory], writes: list[Memory]) -> None:
        """One piece of work: nobody else may still be writing what it reads, or using what it writes."""
        learn(self.clock, self.machine.host)  # the host asks for it after all that the host has waited for
        self.clock[self.ptr] = now = self.clock.get(self.ptr, 0) + 1
        for memory in reads:
            self.after(work, {"written": memory.uses["written"]}, "is being")
            memory.uses["read"][self.ptr] = now
        for memory in writes:
            self.after(work, memory.uses, "is being")
            memory.uses = {"written": {self.ptr: now}, "read": {}}

    def after(self, work: str, uses: dict[str, Clock], trouble: str) -> None:
        """Raise unless all these uses are known to have ended."""
        for use, clock in uses.items():
            for stream, ticks in clock.items():
                if self.clock.get(stream, 0) < ticks:
                    gpu = self.machine.streams[stream].device_id
                    raise Race(f"{work} on GPU {self.device_id}: the memory {trouble} {use} by GPU {gpu}")


class Event:
    """A point in a stream's work."""

    machine: Machine

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.clock = Clock()
        self.stream = 0

    @property
    def done(self) -> bool:
        """Whether the GPU has come so far: at once on a quick machine, else only when the host knows anyway."""
        if self.machine.quick:
            self.machine.told(self.clock)
        return knows(self.machine.host, self.clock)

    def synchronize(self) -> None:
        self.machine.waits += 1
        if self.stream:
            queue = self.machine.streams[self.stream].clock
            self.machine.ahead.append(queue.get(self.stream, 0) - self.clock.get(self.stream, 0))
        self.machine.told(self.clock)


def knows(clock: Clock, other: Clock) -> bool:
    """Whether `clock` knows all that `other` knows."""
    return all(clock.get(stream, 0) >= ticks for stream, ticks in other.items())


def learn(clock: Clock, other: Clock) -> None:
    """From now on `clock` knows what `other` knows."""
    for stream, ticks in other.items():
        clock[stream] = max(clock.get(stream, 0), ticks)
