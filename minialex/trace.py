"""The timeline of training steps: what every device does, and when. Off, it costs nothing, for nothing of it is there.

    with Tracer(net, optimizer, batches) as tracer:
        ...                                     # train as ever
    write_trace(tracer.spans(), "step.json")    # https://ui.perfetto.dev opens it, and so does chrome://tracing

While a tracer is open it stands in front of a few methods of these very objects: the stages' and layers' forward and backward,
each device's `submit` and `receive`, the optimizer's step, the batches' epoch. Each call becomes a span. When it closes,
the objects are as they were.

On a virtual CPU device a span is measured by the worker thread that does the work. On a GPU a call only queues kernels, so
two events in the GPU's stream, around them, are read when all is over.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from minialex.data.loader import Loader
from minialex.devices import Device
from minialex.layers import Layer, Sequential
from minialex.layers.fast import Split
from minialex.net import Net
from minialex.optim import SGD
from minialex.towers import Exchange, Gather, Stage, Towers

HOST = "host"
WAITING = 50e-6  # seconds between two pieces of a device's work that are worth a span of their own
STEPS = 4  # how many steps a tracer records unless told otherwise: a file of a megabyte or two


class Span(NamedTuple):
    """Something that was done. `start` and `end` are seconds since the tracer was opened.

    lane: "cpu:0", "cuda:1", "host", "loader:0". kind: "forward", "backward", "again" (a forward pass that is repeated in
    backward), "exchange" (all that a crossing needs, forward) and "return" (backward), "copy", "update", "loader" or "waiting".
    stage: the stage that it belongs to. depth: how many spans of the same lane it lies in.
    """

    lane: str
    name: str
    kind: str
    stage: str
    start: float
    end: float
    depth: int
    bytes: int = 0


class _Mark(NamedTuple):
    """A span as it is measured: its ends are what the lane's clock says, seconds or events."""

    lane: str
    name: str
    kind: str
    stage: str
    start: Any
    end: Any
    depth: int
    bytes: int


class Tracer:
    """Records what `net` does between `with` and its end; with an optimizer and batches also the updates and the loader.

    skip, steps: leave out so many steps at first (they fill buffers and caches), then record so many. A step ends with the
    optimizer's; without one, everything is recorded.
    """

    def __init__(
        self, net: Net, optimizer: SGD | None = None, batches: Any = None, *, skip: int = 0, steps: int = STEPS
    ) -> None:
        self.net, self.optimizer, self.batches = net, optimizer, batches
        self._steps = range(skip, skip + steps)
        self._step, self._on = 0, False
        self._marks: list[_Mark] = []
        self._open = threading.local()  # .spans: what this thread is in the middle of, the innermost last
        self._undo: list[Callable[[], None]] = []
        self._clocks: dict[str, Any] = {}
        self._spans: list[Span] = []

    def __enter__(self) -> Tracer:
        devices = set(self.net.devices)
        for stage in self.net.stages:
            devices |= set(stage.devices)
        for device in devices:
            self._clocks[device.name] = _clock_of(device)
            self._watch_device(device)
        for stage in self.net.stages:
            self._watch_stage(stage)
            self._watch_split(stage)
        for name, device, layer in self.net.layers():
            self._watch_layer(name, device.name, layer)
        if self.optimizer is not None:
            self._in_front(self.optimizer, "step", self._update)
        if hasattr(self.batches, "epoch"):
            self._watch_batches(self.batches)
        self._began = perf_counter()
        self._on = self.optimizer is None or 0 in self._steps
        return self

    def __exit__(self, *exception: object) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        self._on = False
        self._settle()

    def spans(self) -> list[Span]:
        """All that was recorded, and the waiting between, in the order in which it began; empty until the tracer is closed."""
        return self._spans

    @contextmanager
    def span(self, name: str, kind: str, stage: str = "", lane: str = HOST, bytes: int = 0) -> Iterator[None]:
        """Record what happens inside; for whoever wants more in the picture than the tracer finds by itself."""
        if not self._on:
            yield
            return
        clock = self._clocks.get(lane, perf_counter)
        inside = self._open.__dict__.setdefault("spans", [])
        inside.append((lane, name, kind, stage))
        depth = sum(other[0] == lane for other in inside) - 1
        start = clock()
        try:
            yield
        finally:
            self._marks.append(_Mark(lane, name, kind, stage, start, clock(), depth, bytes))
            inside.pop()

    def _in_front(self, thing: Any, method: str, watched: Callable[..., Any]) -> None:
        """From now on thing.method(...) is watched(the method itself, ...), for this object alone."""
        inner = getattr(thing, method)
        vars(thing)[method] = lambda *arguments, **options: watched(inner, *arguments, **options)
        self._undo.append(lambda: vars(thing).pop(method))

    def _instead(self, thing: Any, attribute: str, value: Any) -> None:
        before = getattr(thing, attribute)
        setattr(thing, attribute, value)
        self._undo.append(lambda: setattr(thing, attribute, before))

    def _watch_device(self, device: Device) -> None:
        def submit(inner: Callable[..., Any], work: Callable[..., Any], *arguments: Any) -> Any:
            doing = self._innermost()
            _, name, kind, stage = doing or (HOST, getattr(work, "__name__", "work"), "copy", "")

            def measured(*arguments: Any) -> Any:
                with self.span(name, kind, stage, device.name):
                    return work(*arguments)

            return inner(measured, *arguments)

        def receive(inner: Callable[..., Any], x: Any, source: Device | None, buffer: Any) -> None:
            doing = self._innermost()
            name = f"{HOST if source is None else source.name} to {device.name}"
            with self.span(name, "copy", doing[3] if doing else "", device.name, x.nbytes):
                inner(x, source, buffer)

        self._in_front(device, "submit", submit)
        self._in_front(device, "receive", receive)

    def _watch_stage(self, stage: Stage) -> None:
        title = stage_title(stage)
        for direction in ("forward", "backward"):
            crossing = {"forward": "exchange", "backward": "return"}[direction]
            kind = direction if isinstance(stage, Towers) else crossing

            def call(inner: Callable[..., Any], *arguments: Any, kind: str = kind, **options: Any) -> Any:
                with self.span(title, kind, title):
                    return inner(*arguments, **options)

            self._in_front(stage, direction, call)

    def _watch_split(self, stage: Stage) -> None:
        """Pieces that would run side by side run one after the other, so that a lane does one thing at a time."""
        for tower, device in zip(getattr(stage, "towers", ()), stage.devices, strict=False):
            if not isinstance(tower, Split):
                continue
            lane = device.name

            def twin(inner: Callable[[], Sequential], lane: str = lane) -> Sequential:
                layers = inner()
                for name, layer in layers.leaves():
                    self._watch_layer(name, lane, layer)
                return layers

            self._in_front(tower, "twin", twin)
            self._instead(tower, "side_by_side", map)

    def _watch_layer(self, name: str, lane: str, layer: Layer) -> None:
        def forward(inner: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
            doing = getattr(self._open, "spans", ())
            repeated = any(kind == "backward" for _, _, kind, _ in doing)
            with self.span(name, "again" if repeated else "forward", doing[-1][3] if doing else "", lane):
                return inner(*arguments, **options)

        def backward(inner: Callable[..., Any], *arguments: Any) -> Any:
            doing = self._innermost()
            with self.span(name, "backward", doing[3] if doing else "", lane):
                return inner(*arguments)

        self._in_front(layer, "forward", forward)
        self._in_front(layer, "backward", backward)

    def _update(self, inner: Callable[..., None], *arguments: Any, **options: Any) -> None:
        with self.span("update", "update", "update"):
            inner(*arguments, **options)
        self._step += 1
        self._on = self._step in self._steps

    def _watch_batches(self, batches: Any) -> None:
        def epoch(inner: Callable[..., Iterator[Any]], *arguments: Any, **options: Any) -> Iterator[Any]:
            source = inner(*arguments, **options)
            try:
                while True:
                    with self.span("next batch", "loader", "loader"):
                        batch = next(source, None)
                    if batch is None:
                        return
                    yield batch
                    del batch
            finally:
                if hasattr(source, "close"):
                    source.close()

        self._in_front(batches, "epoch", epoch)
        if isinstance(batches, Loader):
            split = batches.split
            self._instead(batches, "split", replace(split, images=_Watched(split.images, self, "read")))
            self._instead(batches, "augment", _Watched(batches.augment, self, "augment"))

    def _innermost(self) -> tuple[str, str, str, str] | None:
        spans = getattr(self._open, "spans", None)
        return spans[-1] if spans else None

    def _settle(self) -> None:
        """From clock readings to seconds, and the waiting between."""
        for clock in self._clocks.values():
            clock.finish()
        done = []
        for mark in self._marks:
            seconds = getattr(self._clocks.get(mark.lane), "seconds", float)
            start, end = seconds(mark.start) - self._began, seconds(mark.end) - self._began
            done.append(Span(mark.lane, mark.name, mark.kind, mark.stage, start, end, mark.depth, mark.bytes))
        done += _waiting(done, set(self._clocks))
        self._spans = sorted(done, key=lambda span: (span.start, span.depth))


class _Watched:
    """An object of the loader's whose reading (images[...]) or calling (augment(...)) is a span of the thread that does it."""

    def __init__(self, inner: Any, tracer: Tracer, name: str) -> None:
        self._inner, self._tracer, self._name = inner, tracer, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._inner, attribute)

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, indices: Any) -> Any:
        with self._tracer.span(self._name, "loader", "loader", threading.current_thread().name):
            return self._inner[indices]

    def __call__(self, *arguments: Any) -> Any:
        with self._tracer.span(self._name, "loader", "loader", threading.current_thread().name):
            return self._inner(*arguments)


class _CpuClock:
    """The computer's own."""

    def __call__(self) -> float:
        return perf_counter()

    def finish(self) -> None: ...

    def seconds(self, reading: float) -> float:
        return reading


class _CudaClock:
    """A GPU's: a reading is an event in its stream, which has a time once the work before it is done."""

    def __init__(self, device: Any) -> None:
        self._device = device
        device.synchronize()
        self._began, self._first = perf_counter(), self()

    def __call__(self) -> Any:
        with self._device:
            return self._device.stream.record()

    def finish(self) -> None:
        self._device.synchronize()

    def seconds(self, reading: Any) -> float:
        return self._began + float(self._device.xp.cuda.get_elapsed_time(self._first, reading)) / 1e3


def _clock_of(device: Device) -> Any:
    return _CudaClock(device) if hasattr(device, "stream") else _CpuClock()


def _waiting(spans: list[Span], lanes: set[str]) -> list[Span]:
    """The stretches in which a device had nothing to do, named after what it waited for."""
    gaps = []
    for lane in lanes:
        outer = sorted((span for span in spans if span.lane == lane and span.depth == 0), key=lambda span: span.start)
        for before, after in pairwise(outer):
            if after.start - before.end > WAITING:
                gaps.append(Span(lane, f"waiting for {after.name}", "waiting", after.stage, before.end, after.start, 0))
    return gaps


def stage_title(stage: Stage) -> str:
    """ "conv1 to pool2", "fc8", "exchange for conv3", "gather for fc8", "images": a stage in few words."""
    if isinstance(stage, Towers):
        tower: Any = stage.towers[0]
        names = [name for name, _ in tower.leaves()] if hasattr(tower, "leaves") else [tower.name]
        return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    if isinstance(stage, Exchange | Gather):
        return f"{type(stage).__name__.lower()} for {stage.name}"
    return stage.name


def chrome(spans: Iterable[Span]) -> dict[str, Any]:
    """The spans in Chrome's trace-event format (ph "X": complete events, in microseconds): a thread for each lane."""
    spans = list(spans)
    lanes = sorted({span.lane for span in spans}, key=lambda lane: (lane.startswith("loader"), lane != HOST, lane))
    events: list[dict[str, Any]] = [{"ph": "M", "pid": 0, "name": "process_name", "args": {"name": "minialex"}}]
    for number, lane in enumerate(lanes):
        events.append({"ph": "M", "pid": 0, "tid": number, "name": "thread_name", "args": {"name": lane}})
        events.append({"ph": "M", "pid": 0, "tid": number, "name": "thread_sort_index", "args": {"sort_index": number}})
    for span in spans:
        details = {"stage": span.stage} | ({"bytes": span.bytes} if span.bytes else {})
        times = {"ts": round(1e6 * span.start, 3), "dur": round(1e6 * (span.end - span.start), 3)}
        where = {"pid": 0, "tid": lanes.index(span.lane)}
        events.append({"ph": "X", "name": _title(span), "cat": span.kind, **where, **times, "args": details})
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def write_trace(spans: Iterable[Span], path: str | Path) -> None:
    """The timeline as a file for Perfetto or chrome://tracing. Raises OSError where it cannot be written."""
    Path(path).write_text(json.dumps(chrome(spans)), encoding="utf-8")


def _title(span: Span) -> str:
    return f"{span.name}, {span.kind}" if span.kind in ("forward", "backward", "again") else span.name
