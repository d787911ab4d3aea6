"""The whole measurement: who takes part, in which order, and what is found, as plain data that report.py puts into words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from statistics import fmean, median
from typing import Any

from minialex.bench.loading import VIEWS, opened
from minialex.bench.peers import OURS, Pair, Peer, PeerFailed
from minialex.bench.serve import Answer
from minialex.bench.turns import in_turn

Say = Callable[[str], None]

APART = "two processes"  # in the growth: two of one device each, at the same time


@dataclass(frozen=True)
class Wanted:
    """What is to be measured. torch: the program of PyTorch's contestants, none without; formats: its
    images in memory; compiled: torch.compile too; grouped: also grouped convolutions."""

    net: str
    devices: str
    batch_size: int
    repeats: int
    torch: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("channels-first", "channels-last")
    compiled: bool = True
    grouped: bool = False
    turn: float = 0.5  # seconds: as many steps make one turn as we make in that time, and the turn's figure is their mean
    tf32: bool = False  # on GPUs, for ours and PyTorch's products alike
    screen: float = 3.0  # seconds for which each of PyTorch's settings is tried, at least a step, before the best take turns


@dataclass
class Entry:
    """One contestant's result: steps and inferences in seconds, memory in bytes; or why there is none."""

    name: str
    kind: str  # "ours", "eager", "compiled"; "place", one of ours in the growth
    steps: list[float] = field(default_factory=list)
    infers: list[float] = field(default_factory=list)
    screened: list[float] = field(default_factory=list)  # the steps by which it was compared with its like
    memory: Answer = field(default_factory=dict)
    failure: str = ""


@dataclass
class Found:
    """Everything that one run has measured; `asdict` of it is what --json writes."""

    wanted: dict[str, Any]
    machine: dict[str, Any]
    ours: Answer = field(default_factory=dict)  # what our worker said of the net when it was built, without `spec`
    entries: list[Entry] = field(default_factory=list)
    where: Answer = field(default_factory=dict)
    bound: Answer = field(default_factory=dict)
    growth: list[dict[str, Any]] = field(default_factory=list)
    alone: list[dict[str, Any]] = field(default_factory=list)
    loading: Answer = field(default_factory=dict)


def beside(built: Answer, wanted: Wanted) -> dict[str, Any]:
    """Where PyTorch computes, and how: on the first GPU of ours, if ours is on GPUs, with TF32 if ours may use it."""
    gpus = [name for name in built["devices"] if name.startswith("cuda")]
    return {"device": gpus[0], "tf32": wanted.tf32} if gpus else {}


def whole_steps(wanted: Wanted, found: Found, say: Say, trace: tuple[str | None, str | None] = (None, None)) -> None:
    """Steps and inference of ours and of PyTorch's best, in turn; where our step's time goes; the bound; memory."""
    with ExitStack() as running:
        ours = running.enter_context(Peer("minialex", OURS))
        built = ours.ask("build", net=wanted.net, devices=wanted.devices, batch_size=wanted.batch_size, tf32=wanted.tf32)
        found.ours = {key: value for key, value in built.items() if key != "spec"}
        say("minialex: two steps to warm up")
        count = _as_many(wanted.turn, ours.ask("steps", count=2)["seconds"][-1])
        finalists = {"minialex": (Entry("minialex", "ours"), ours)}
        found.entries.append(finalists["minialex"][0])
        for entry, peer in _screen(wanted, built, found, running, say):
            finalists[entry.name] = entry, peer
        say(f"{wanted.repeats} turns of {count} step{'s' * (count > 1)} each: {', '.join(finalists)}")
        _turns("steps", finalists, wanted.repeats, count)
        for entry, peer in finalists.values():
            if not entry.failure:
                entry.memory = peer.ask("memory")
        _turns("infer", finalists, wanted.repeats, count)
        say("the bound: this machine's rates of matrix products and of copying")
        found.bound = ours.ask("bound")
        say("where a step's time goes")
        found.where = ours.ask("where", repeats=min(3, wanted.repeats))
        if any(trace):
            ours.ask("trace", steps=2, file=trace[0], picture=trace[1])


def _as_many(seconds: float, one: float) -> int:
    """How many steps fit into this time, at least one."""
    return max(1, min(50, int(seconds / one)))


def _turns(do: str, finalists: dict[str, tuple[Entry, Peer]], repeats: int, count: int) -> None:
    """Let the finalists do it in turn, `repeats` times; one that fails is out. A turn is `count` steps, after one more."""

    def once(entry: Entry, peer: Peer) -> float:
        if entry.failure:
            return 0.0
        try:
            return fmean(peer.ask(do, count=count + 1)["seconds"][1:])  # the caches were the others' until now
        except PeerFailed as failure:
            if entry.kind == "ours":
                raise
            entry.failure = str(failure)
            return 0.0

    works = {name: partial(once, entry, peer) for name, (entry, peer) in finalists.items()}
    for name, spread in in_turn(works, repeats).items():
        entry = finalists[name][0]
        if not entry.failure:
            setattr(entry, "steps" if do == "steps" else "infers", list(spread.seconds))


def _screen(wanted: Wanted, built: Answer, found: Found, running: ExitStack, say: Say) -> Iterator[tuple[Entry, Peer]]:
    """PyTorch's settings, one by one; the best eager and the best compiled one stay, so that memory holds no others."""
    if not wanted.torch:
        return
    specs = {"": built["spec"]}
    if wanted.grouped and wanted.net == "alexnet":
        with Peer("minialex", OURS) as other:
            specs[", grouped"] = other.ask("build", net="alexnet_grouped", devices="cpu", batch_size=1)["spec"]
    for kind in ("eager", "compiled") if wanted.compiled else ("eager",):
        best: tuple[Entry, Peer] | None = None
        for (grouped, spec), layout in product(specs.items(), wanted.formats):
            entry = Entry(f"torch {kind}, {layout}{grouped}", kind)
            found.entries.append(entry)
            say(f"{entry.name}: {'compiling, ' if kind == 'compiled' else ''}warming up")
            peer = running.enter_context(Peer(entry.name, wanted.torch))
            try:
                shape = {key: built[key] for key in ("input_shape", "num_classes")}
                how = {"compiled": kind == "compiled", "channels_last": layout == "channels-last"}
                peer.ask("build", spec=spec, batch_size=wanted.batch_size, **shape, **how, **beside(built, wanted))
                peer.ask("steps")
                (first,) = peer.ask("steps")["seconds"]
                more = _as_many(wanted.screen, first) - 1
                entry.screened = [first, *peer.ask("steps", count=more)["seconds"]]
            except PeerFailed as failure:
                entry.failure = str(failure)
                peer.close()
                continue
            if best is None:
                best = entry, peer
            elif median(entry.screened) < median(best[0].screened):
                best[1].close()
                best = entry, peer
            else:
                peer.close()
        if best:
            yield best


def growth_places(names: Sequence[str], threads: int) -> dict[str, dict[str, Any]]:
    """One of these devices, and all if there are several; of CPU devices there are always two, and one with all threads,
    and two that share nothing."""
    if names[0].startswith("cpu"):
        return {
            "one device": {"devices": "cpu"},
            f"one, {threads} BLAS threads": {"devices": "cpu", "blas_threads": threads},
            APART: {"devices": "cpu"},
            "two devices": {"devices": "cpu,cpu"},
        }
    several = {"two devices": {"devices": ",".join(names)}} if len(set(names)) > 1 else {}
    return {"one device": {"devices": names[0]}} | several


def growth(wanted: Wanted, found: Found, sizes: Sequence[int], places: dict[str, dict[str, Any]], say: Say) -> None:
    """Batches of growing size, in each of these places in turn; in fresh processes, so that the peak memory is that batch's."""
    for batch_size in sizes:
        say(f"batch {batch_size}")
        with ExitStack() as running:
            kinds: dict[str, type[Peer]] = {name: Pair if name == APART else Peer for name in places}
            each = {name: (Entry(name, "place"), running.enter_context(kind(name, OURS))) for name, kind in kinds.items()}
            firsts = []
            for name, (entry, peer) in each.items():
                try:
                    peer.ask("build", net=wanted.net, batch_size=batch_size, tf32=wanted.tf32, **places[name])
                    peer.ask("steps")
                    firsts += peer.ask("steps")["seconds"]
                except PeerFailed as failure:
                    entry.failure = str(failure)
                    peer.close()
            if firsts:
                _turns("steps", each, wanted.repeats, _as_many(wanted.turn, min(firsts)))
            row = {
                name: {"failure": entry.failure} if entry.failure else {"seconds": entry.steps, "memory": peer.ask("memory")}
                for name, (entry, peer) in each.items()
            }
        found.growth.append({"batch_size": batch_size, "places": row})


def layers_alone(wanted: Wanted, found: Found, say: Say) -> None:
    """Each layer by itself, forward and backward: ours on its devices, its plain twin, PyTorch's with all threads, in turn."""
    with ExitStack() as running:
        ours = running.enter_context(Peer("minialex", OURS))
        built = ours.ask("build", net=wanted.net, devices=wanted.devices, batch_size=wanted.batch_size, tf32=wanted.tf32)
        peers = {}
        for layout in wanted.formats if wanted.torch else ():
            peers[layout] = running.enter_context(Peer(layout, wanted.torch))
            net = {key: built[key] for key in ("spec", "input_shape", "num_classes")}
            how = {"channels_last": layout == "channels-last", **beside(built, wanted)}
            peers[layout].ask("build", batch_size=1, **how, **net)
        for name, level in built["levels"].items():
            say(f"layer {name}")
            works = {"minialex": partial(_ask_once, ours, "layer", name=name)}
            if level["has_twin"]:
                works["plain"] = partial(_ask_once, ours, "layer", name=name, plain=True)
            asked = {key: level[key] for key in ("layers", "shapes", "outs", "reads")}
            works |= {setting: partial(_ask_once, peer, "layer", **asked) for setting, peer in peers.items()}
            taken = in_turn(works, wanted.repeats)
            found.alone.append({"layer": name, "seconds": {who: list(spread.seconds) for who, spread in taken.items()}})


def loading(wanted: Wanted, found: Found, folder: str, say: Say) -> None:
    """Inference of images that lie in memory, and of pictures that are loaded meanwhile; and loading alone; in turn."""
    with ExitStack() as running:
        ours = running.enter_context(Peer("minialex", OURS))
        how = {"devices": wanted.devices, "batch_size": wanted.batch_size, "tf32": wanted.tf32}
        crop = ours.ask("build", net=wanted.net, **how)["input_shape"][1]
        source, rate = running.enter_context(opened(folder, crop, say))
        count = max(4, _as_many(wanted.turn, ours.ask("infer", count=3)["seconds"][-1]))
        waited: dict[str, list[float]] = {view: [] for view in VIEWS}

        def once(view: str) -> float:
            answer = ours.ask("loaded", folder=source.location, view=view, count=count)
            waited[view].append(answer["waited"])
            return float(answer["seconds"])

        def alone(view: str) -> float:
            return float(ours.ask("loaded", folder=source.location, view=view, count=5 * count, alone=True)["seconds"])

        works = {"memory": lambda: fmean(ours.ask("infer", count=count + 1)["seconds"][1:])}
        works |= {f"net, {view}": partial(once, view) for view in VIEWS}
        works |= {f"alone, {view}": partial(alone, view) for view in VIEWS}
        say(f"{wanted.repeats} turns of {count} batches: with the net, and the loader alone")
        taken = in_turn(works, wanted.repeats)
        found.loading = {
            "pictures": len(source.dataset.train) + len(source.dataset.test),
            "prepared": rate,
            "seconds": {name: list(spread.seconds) for name, spread in taken.items()},
            "waited": waited,
        }


def _ask_once(peer: Peer, do: str, **request: Any) -> float:
    """The seconds that it took: of several rounds in a row the mean."""
    return fmean(peer.ask(do, **request)["seconds"])
