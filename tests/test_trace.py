"""The timeline: all of a step is in it, in the right lanes, and tracing leaves neither a trace nor a difference."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minialex.data import Split
from minialex.data.loader import Loader
from minialex.devices import parse_devices
from minialex.layers import SoftmaxCrossEntropy
from minialex.net import Net
from minialex.optim import SGD
from minialex.plots.timeline import first_step, timeline
from minialex.trace import Span, Tracer, write_trace
from tests.devices import fake_cupy
from tests.narrow import Narrow

NARROW = Narrow(N=3, block_bytes=1)  # one image at a time


def step(net: Net, optimizer: SGD, draw: int = 0) -> None:
    loss = SoftmaxCrossEntropy()
    loss.forward(net.forward(NARROW.images(draw), train=True), np.arange(NARROW.N) % 3)
    net.backward(loss.backward())
    optimizer.step()


def traced() -> tuple[Net, list[Span]]:
    """One step on two devices."""
    net = NARROW.towers(parse_devices("cpu,cpu"))
    optimizer = SGD(net)
    with Tracer(net, optimizer) as tracer:
        step(net, optimizer)
    return net, tracer.spans()


def test_every_layer_runs_forward_and_backward_on_its_device() -> None:
    net, spans = traced()
    found = {(span.name, span.lane, span.kind) for span in spans}
    for name, device, _ in net.layers():
        assert {(name, device.name, "forward"), (name, device.name, "backward")} <= found


def test_what_blocked_repeats_is_not_taken_for_the_forward_pass() -> None:
    _, spans = traced()
    kinds = Counter((span.name, span.kind) for span in spans)
    assert kinds["relu1.0", "forward"] == kinds["relu1.0", "again"] == kinds["relu1.0", "backward"] == NARROW.N
    assert kinds["conv1.0", "forward"] == kinds["conv1.0", "backward"] == NARROW.N
    assert kinds["conv1.0", "again"] == 0  # its output was kept
    assert kinds["conv3.0", "forward"] == 1


def test_the_copies_between_devices_are_those_of_the_ledger() -> None:
    net, spans = traced()
    copies = Counter[tuple[str, str]]()
    for span in spans:
        if span.kind == "copy" and span.bytes and not span.name.startswith("host"):
            copies[span.name.split(" to ")[0], span.lane] += span.bytes
    ledger = Counter[tuple[str, str]]()
    for row in net.ledger.rows:
        if "host" not in (row.source, row.to):
            ledger[row.source, row.to] += row.bytes
    assert copies == ledger
    assert copies.total() == net.ledger.bytes()
    stages = {span.stage for span in spans if span.kind == "copy" and span.bytes}
    assert {"exchange for conv3", "exchange for fc6", "exchange for fc7", "gather for fc8"} <= stages
    assert "images" not in stages  # CPU devices read the host's


def test_spans_of_a_lane_lie_within_each_other_or_apart() -> None:
    _, spans = traced()
    for lane in {span.lane for span in spans}:
        inside: list[Span] = []
        for span in sorted((s for s in spans if s.lane == lane), key=lambda s: (s.start, s.depth)):
            inside = inside[: span.depth]
            assert len(inside) == span.depth
            assert span.start <= span.end
            if inside:
                assert inside[-1].start <= span.start
                assert span.end <= inside[-1].end
            inside.append(span)


def test_waiting_fills_the_gaps() -> None:
    _, spans = traced()
    waits = [span for span in spans if span.kind == "waiting"]
    for wait in waits:
        assert wait.lane.startswith("cpu:")
        others = [span for span in spans if span.lane == wait.lane and span.kind != "waiting"]
        assert all(span.end <= wait.start or span.start >= wait.end for span in others)


def test_nothing_changes_and_nothing_is_left() -> None:
    states = []
    for tracing in (False, True):
        net = NARROW.towers(parse_devices("cpu,cpu"))
        optimizer = SGD(net)
        things = [net, optimizer, *net.stages, *net.devices, *(layer for _, _, layer in net.layers())]
        before = [set(vars(thing)) for thing in things]
        if tracing:
            with Tracer(net, optimizer):
                step(net, optimizer)
        else:
            step(net, optimizer)
        known = {"_cuts", "grads"}
        assert [set(vars(thing)) - known for thing in things] == [names - known for names in before]
        states.append(net.state_dict())
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name])


def test_an_error_leaves_nothing_either() -> None:
    net = NARROW.towers(parse_devices("cpu,cpu"))
    tracer = Tracer(net)
    with pytest.raises(ValueError, match="expects images"), tracer:
        net.forward(np.zeros((1, 3, 5, 5)))
    assert not any("forward" in vars(layer) for _, _, layer in net.layers())
    step(net, SGD(net))
    assert tracer.spans() == []


@pytest.mark.parametrize(("skip", "steps", "recorded"), [(0, 2, 2), (1, 2, 2), (2, 5, 1), (3, 1, 0)])
def test_only_the_steps_that_are_wanted(skip: int, steps: int, recorded: int) -> None:
    spans = three(skip, steps)
    assert sum(span.kind == "update" and span.lane == "host" for span in spans) == recorded
    assert sum(span.name == "fc8" and span.kind == "forward" and span.depth == 1 for span in spans) == recorded


def three(skip: int, steps: int) -> list[Span]:
    """Three steps under a tracer that leaves some out."""
    net = NARROW.towers(parse_devices("cpu"))
    optimizer = SGD(net)
    with Tracer(net, optimizer, skip=skip, steps=steps) as tracer:
        for draw in range(3):
            step(net, optimizer, draw)
    return tracer.spans()


def test_the_file_is_what_perfetto_reads(tmp_path: Path) -> None:
    _, spans = traced()
    write_trace(spans, tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    lanes = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert list(lanes.values()) == ["host", "cpu:0", "cpu:1"]
    timed = [event for event in events if event["ph"] == "X"]
    assert len(timed) == len(spans)
    assert all(event["dur"] >= 0 and event["ts"] >= 0 and event["tid"] in lanes for event in timed)
    names = Counter(lanes[event["tid"]] for event in timed if event["name"] == "conv2.1, backward")
    assert names == {"cpu:1": NARROW.N}


def test_the_loader_has_lanes_of_its_own() -> None:
    net = NARROW.towers(parse_devices("cpu"))
    images = np.random.default_rng(0).integers(0, 256, (6, 3, *NARROW.image), dtype=np.uint8)
    loader = Loader(Split(images, np.arange(6) % 3), 2, workers=1)
    split, augment = loader.split, loader.augment
    with Tracer(net, batches=loader) as tracer:
        for pixels, _ in loader.epoch(1):
            net.forward(pixels)
    assert loader.split is split
    assert loader.augment is augment
    assert "epoch" not in vars(loader)
    kinds = Counter((span.lane, span.name) for span in tracer.spans() if span.kind == "loader")
    assert kinds["host", "next batch"] == 4  # the last time there is none
    assert kinds["loader:0", "read"] == kinds["loader:0", "augment"] == 3


def test_on_gpus_the_times_are_those_of_events_in_the_streams() -> None:
    with fake_cupy.installed(2):
        import cupy  # noqa: PLC0415  the stand-in

        def work_between(first: Any, last: Any) -> float:
            """For a clock, the number of pieces of work that all streams are known to have done."""
            return float(sum(last.clock.values()) - sum(first.clock.values()))

        cupy.cuda.get_elapsed_time = work_between
        net = NARROW.towers(parse_devices("0,1"))
        with Tracer(net) as tracer:
            net.forward(NARROW.images(), train=False)
        found = {(span.lane, span.name): span for span in tracer.spans() if span.kind == "forward" and span.depth > 0}
        for lane, t in (("cuda:0", 0), ("cuda:1", 1)):
            conv, relu = found[lane, f"conv3.{t}"], found[lane, f"relu3.{t}"]
            assert conv.end - conv.start >= 1e-3  # at least one piece of work, of a millisecond each
            assert relu.start >= conv.end


def test_the_picture_has_a_lane_for_each_device_and_a_closer_look_at_conv3() -> None:
    _, spans = traced()
    whole, close = timeline(spans).axes
    for axes in (whole, close):
        assert [label.get_text() for label in axes.get_yticklabels()] == ["cpu:1", "cpu:0"]
    assert "exchange for conv3" in close.get_title(loc="left")
    low, high = close.get_xlim()
    began = min(span.start for span in first_step(spans))
    devices = [span for span in first_step(spans) if span.lane != "host"]
    met = [span for span in devices if span.name == "exchange for conv3" and span.kind == "exchange"]
    assert met
    assert all(low <= 1e3 * (span.start - began) < 1e3 * (span.end - began) <= high for span in met)


def test_the_picture_is_of_one_step() -> None:
    spans = three(0, 3)
    one = first_step(spans)
    assert sum(span.kind == "update" and span.lane == "host" for span in one) == 1
    assert sum(span.kind == "update" and span.lane == "host" for span in spans) == 3
