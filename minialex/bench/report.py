"""What was found, in words: the tables that bench.py prints and that docs/performance.md keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from minialex.bench.contest import APART, Entry, Found
from minialex.bench.machine import in_words
from minialex.bench.turns import Spread
from minialex.console import Refused
from minialex.summary import megabytes


def sections(found: Found) -> dict[str, str]:
    """The tables that this run has figures for: "layers", "steps", "inference", "growth", "alone", "loading"."""
    tables: dict[str, tuple[object, Callable[[Found], Iterator[str]]]] = {
        "layers": (found.where, by_layer),
        "steps": (found.entries, whole_steps),
        "inference": (found.entries, inference),
        "growth": (found.growth, growth),
        "alone": (found.alone, alone),
        "loading": (found.loading, loading),
    }
    return {name: "\n".join(table(found)) for name, (there, table) in tables.items() if there}


def head(found: Found) -> str:
    """What was measured, on what."""
    wanted = found.wanted
    return (
        f"{wanted['net']}, batches of {wanted['batch_size']}, float32{', products in TF32' * wanted.get('tf32', False)}, "
        f"--devices {wanted['devices']}\n{in_words(found.machine)}"
    )


def by_layer(found: Found) -> Iterator[str]:
    """A row for each layer: both towers' at once; then what else there is in a step."""
    levels, bound, where = found.ours["levels"], found.bound, found.where
    yield f"{'where a step goes':<18}{'forward':>11}{'backward':>12}  {'rate forward, backward':<28}{'share of the bound':>20}"
    for name, (forward, backward) in where["layers"].items():
        least = bound["layers"][name]  # ten times as fast as that is a layer whose work the one before has done
        own = tuple(t if 10 * t > b else 0.0 for b, t in zip(least, (forward, backward), strict=True))
        shares = [_share(b, t) for b, t in zip(least, own, strict=True)]
        rates = _rates(levels[name], own)
        yield f"{name:<18}{_ms(forward)}{_ms(backward, 12)}  {rates:<28}{shares[0]:>12}{shares[1]:>8}"
    for title, (forward, backward) in where["crossings"].items():
        yield f"{title:<18}{_ms(forward)}{_ms(backward, 12)}"
    yield f"{'update':<18}{'':>11}{_ms(where['update'], 12)}"
    yield f"{'waiting':<18}{'':>11}{_ms(where['waiting'], 12)}  mean over the devices"
    known = sum(f + b for part in ("layers", "crossings") for f, b in where[part].values()) + where["update"]
    yield f"{'together':<18}{'':>11}{_ms(known, 12)}  of a step of {1e3 * where['step']:,.1f} ms; rows are of the slower tower"


def whole_steps(found: Found) -> Iterator[str]:
    """Training steps: ours and PyTorch's, ratios, the bound, memory, crossings."""
    N, ours, bound = found.wanted["batch_size"], found.entries[0], found.bound["step"]
    yield f"{'training steps':<40}{'images/s':>9}  {'seconds: least, median, most':<30}{'peak memory':>12}"
    for entry in found.entries:
        yield _entry(entry, entry.steps, N)
    mine = Spread(tuple(ours.steps))
    yield from _ratios(found, "steps")
    yield f"the bound of these products on this machine: {N / bound:,.1f} images/s; minialex reaches {bound / mine.median:.0%}"
    crossed, planned = ours.memory["crossed"], found.ours["planned"]
    yield f"crossing devices in a step: {megabytes(crossed)}; memory planned for the process: {megabytes(planned)}"


def inference(found: Found) -> Iterator[str]:
    """Logits of a batch of centre crops."""
    N, bound = found.wanted["batch_size"], found.bound["infer"]
    yield f"{'inference':<40}{'images/s':>9}  {'seconds: least, median, most':<30}"
    for entry in found.entries:
        if entry.infers or entry.failure:
            yield _entry(entry, entry.infers, N, memory=False)
    mine = Spread(tuple(found.entries[0].infers))
    yield from _ratios(found, "infers")
    yield f"the bound: {N / bound:,.1f} images/s; minialex reaches {bound / mine.median:.0%}"


def growth(found: Found) -> Iterator[str]:
    """Images a second and peak memory for growing batches; how much more two devices do than one, and two processes."""
    names = list(found.growth[0]["places"])
    compared = {"two : one": names[-1]} | ({"processes": APART} if APART in names else {})
    yield (
        f"{'images/s':<8}"
        + "".join(f"{name:>{_wide(name)}}" for name in names)
        + "".join(f"{title:>12}" for title in compared)
        + f"{'peak, two':>12}{'MB/image':>10}"
    )
    before: tuple[int, int] | None = None
    for row in found.growth:
        N, cells = row["batch_size"], row["places"]
        rates = {name: Spread(tuple(cell["seconds"])).rate(N) for name, cell in cells.items() if "seconds" in cell}
        line = f"{N:<8}" + "".join(
            f"{rates[name]:>{_wide(name)},.1f}" if name in rates else f"{'failed':>{_wide(name)}}" for name in names
        )
        for name in compared.values():
            line += f"{rates[name] / rates[names[0]]:>12.2f}" if {name, names[0]} <= rates.keys() else f"{'':>12}"
        memory = cells[names[-1]].get("memory", {})
        peak = memory.get("gpu_peak") or memory.get("peak")
        if peak is not None:
            line += f"{megabytes(peak):>12}"
            line += f"{(peak - before[1]) / (N - before[0]) / 1e6:>10.2f}" if before and before[0] < N else ""
            before = N, peak
        yield line.rstrip()
        yield from (f"  {name}: {cell['failure']}" for name, cell in cells.items() if "failure" in cell)


def _wide(name: str) -> int:
    return max(12, len(name) + 3)


def alone(found: Found) -> Iterator[str]:
    """Single layers, forward and backward together: ours, its plain twin, and the better of PyTorch's two memory formats."""
    yield f"{'layer alone, ms':<18}{'minialex':>10}{'plain':>10}{'torch eager':>13}{'':<18}{'times as fast':>14}"
    for row in found.alone:
        taken = {name: Spread(tuple(seconds)).median for name, seconds in row["seconds"].items()}
        mine, plain = taken.pop("minialex"), taken.pop("plain", None)
        best = min(taken, key=lambda name: taken[name], default="")
        twin = f"{1e3 * plain:>10.2f}" if plain else f"{'':>10}"
        theirs = f"{1e3 * taken[best]:>13.2f}  {best:<16}{taken[best] / mine:>14.2f}" if best else ""
        yield f"{row['layer']:<18}{1e3 * mine:>10.2f}{twin}{theirs}".rstrip()


def loading(found: Found) -> Iterator[str]:
    """Inference with and without the loader beside it; the loader by itself; and how fast pictures were prepared."""
    N, of = found.wanted["batch_size"], found.loading
    taken = {name: Spread(tuple(seconds)) for name, seconds in of["seconds"].items()}
    waited = {f"net, {view}": f"{median(shares):>10.1%}" for view, shares in of["waited"].items()}
    yield f"{'loading':<40}{'images/s':>9}  {'seconds a batch: least, median, most':<38}{'the net waits':>13}"
    if of["prepared"]:
        yield f"{'JPEGs and the like prepared, once':<40}{of['prepared']:>9,.1f}  ({of['pictures']:,} pictures, whole)"
    for name, words in LOADING.items():
        spread = taken[name]
        times = f"{spread.low:.3f}, {spread.median:.3f}, {spread.high:.3f}"
        yield f"{words:<40}{spread.rate(N):>9,.1f}  {times:<38}{waited.get(name, ''):>13}".rstrip()
    own, beside = taken["memory"].median, taken["net, training"].median
    yield (
        f"training views are made {own / taken['alone, training'].median:.1f} times as fast as the net takes images; "
        f"with the loader beside it the net reaches {own / beside:.0%}"
    )


LOADING = {
    "alone, test": "loader alone, test views",
    "alone, training": "loader alone, training views",
    "memory": "inference, images in memory",
    "net, test": "inference of test views, loaded",
    "net, training": "inference of training views, loaded",
}


def update_markdown(path: str | Path, found: Found, command: str) -> list[str]:
    """Put each table between its marks, <!-- bench NET TABLE --> and <!-- end -->; the names of those that had marks.

    Raises Refused where the file cannot be read or has marks for none of them.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"--markdown {path}: {error.strerror or error}") from None
    done = []
    for name, table in sections(found).items():
        mark = f"<!-- bench {found.wanted['net']} {name} -->"
        block = f"{mark}\n```text\n$ {command}\n{head(found)}\n\n{table}\n```\n<!-- end -->"
        before, there, rest = text.partition(mark + "\n")
        _, end, after = rest.partition("<!-- end -->")
        if there and end:
            text = before + block + after
            done.append(name)
    if not done:
        raise Refused(f"--markdown {path}: no mark such as <!-- bench {found.wanted['net']} {next(iter(sections(found)))} -->")
    path.write_text(text, encoding="utf-8")
    return done


def _entry(entry: Entry, seconds: Sequence[float], N: int, memory: bool = True) -> str:
    if entry.failure:
        return f"{entry.name:<40}{'failed':>9}  {entry.failure.removeprefix(entry.name + ': ')}"
    if not seconds:
        screened = Spread(tuple(entry.screened))
        return f"{entry.name:<40}{screened.rate(N):>9,.1f}  (compared once, not the best of its kind)"
    taken = Spread(tuple(seconds))
    times = f"{taken.low:.3f}, {taken.median:.3f}, {taken.high:.3f}"
    peak = entry.memory.get("gpu_peak") or entry.memory.get("peak")
    return f"{entry.name:<40}{taken.rate(N):>9,.1f}  {times:<30}" + (f"{megabytes(peak):>12}" if memory and peak else "")


def _ratios(found: Found, what: str) -> Iterator[str]:
    """Ours against PyTorch's best and against its best eager setting."""
    mine = Spread(tuple(getattr(found.entries[0], what)))
    others = [entry for entry in found.entries[1:] if getattr(entry, what) and not entry.failure]
    if not others:
        return
    medians = {entry.name: Spread(tuple(getattr(entry, what))).median for entry in others}
    eager = [medians[entry.name] for entry in others if entry.kind == "eager"]
    best = min(medians, key=lambda name: medians[name])
    line = f"minialex is {medians[best] / mine.median:.2f} times as fast as PyTorch's best ({best})"
    yield line + (f", {min(eager) / mine.median:.2f} times as fast as eager" if eager else "")


def _rates(level: dict[str, Any], seconds: tuple[float, ...]) -> str:
    multiply_adds, moved = level["multiply_adds"], level["moved"]
    unit, work = ("GFLOP/s", [2 * n for n in multiply_adds]) if multiply_adds[0] else ("GB/s", moved)
    cells = [f"{amount / time / 1e9:,.1f}" if time > 5e-5 else "-" for amount, time in zip(work, seconds, strict=True)]
    return f"{cells[0]:>8}{cells[1]:>10} {unit}"


def _share(least: float, taken: float) -> str:
    return f"{least / taken:.0%}" if taken > 5e-5 else "-"


def _ms(seconds: float, width: int = 11) -> str:
    return f"{1e3 * seconds:>{width - 3},.1f} ms"
