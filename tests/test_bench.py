"""bench.py: turns, tables, files and refusals. How fast anything is, no test asks."""

from __future__ import annotations

import gc
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from minialex import layers
from minialex.bench import bound, contest, report
from minialex.bench.contest import Entry, Found, Wanted, beside, growth, growth_places
from minialex.bench.loading import Round
from minialex.bench.peers import OURS, Pair, Peer, PeerFailed
from minialex.bench.places import by_name, describe, places, plain_twin
from minialex.bench.turns import Spread, in_turn
from minialex.bench.worker import Worker
from minialex.bench.workload import Workload, rounds_in_a_row
from minialex.console import Refused
from minialex.data.sets import open_data
from minialex.devices import parse_devices
from minialex.devices.cuda import CudaDevice
from minialex.layers import fast
from minialex.net import Net
from minialex.nets import NETS, alexnet_grouped, cifar10_net, small_towers
from minialex.shown import Shown
from minialex.summary import rows
from tests.cuda.compiled import compiler
from tests.cuda.stand_in import installed
from tests.data.folders import photo_folder
from tests.narrow import Narrow

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"


def script(name: str) -> ModuleType:
    """A file of scripts/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = script("bench")


def test_turns_alternate() -> None:
    calls: list[str] = []

    def work(name: str, seconds: float) -> Callable[[], float]:
        return lambda: (calls.append(name), seconds)[1]

    taken = in_turn({"A": work("A", 1.0), "B": work("B", 2.0)}, 3)
    assert calls == ["A", "B"] * 3
    assert taken["B"].rate(128) == 64


def test_a_spread_is_judged_by_its_median() -> None:
    spread = Spread((5.0, 1.0, 2.0))
    assert (spread.low, spread.median, spread.high) == (1.0, 2.0, 5.0)


@pytest.mark.parametrize("make", [small_towers, cifar10_net])
def test_places_are_the_rows_of_the_summary(make: Callable[..., Net]) -> None:
    net = make(parse_devices("cpu,cpu"))
    work = {row.layer: row.multiply_adds for row in rows(net.stages, net.input_shape, 4, 1)}
    for name, level in by_name(net, 5).items():
        assert sum(place.layer.multiply_adds(place.ins) for place in level) == 5 * work[name]
        assert [place.layer.output_shape(place.ins) for place in level] == [place.outs for place in level]
    assert [place.full_name for place in places(net, 1)] == [name for name, _, _ in net.layers()]


@pytest.mark.parametrize("N", [1, 3, 128])
def test_the_bound_counts_every_multiplication_once(N: int) -> None:
    for place in places(NARROW.grouped(parse_devices("cpu")), N):
        products = bound.products(place)
        assert round(products.multiply_adds if products else 0) == place.layer.multiply_adds(place.ins)


NARROW = Narrow(dtype="float32", N=2)


def test_the_bound_of_a_net_is_the_sum_of_its_products() -> None:
    net = small_towers(parse_devices("cpu,cpu"))
    found = bound.measure(net, 4)
    multiplied = [found.layers[name] for name, level in by_name(net, 4).items() if bound.products(level[0])]
    assert found.infer == pytest.approx(sum(layer.forward for layer in multiplied))
    assert found.step == pytest.approx(sum(layer.forward + layer.backward for layer in multiplied))
    assert set(found.layers) == set(by_name(net, 4))
    assert min(min(layer) for layer in found.layers.values()) > 0


def test_where_the_time_goes_names_every_layer_and_crossing() -> None:
    where = Workload("small", "cpu,cpu", 3).where(2)
    net = small_towers(parse_devices("cpu,cpu"))
    assert list(where.layers) == list(by_name(net, 1))
    assert list(where.crossings) == ["images", "exchange for conv3", "exchange for fc4", "gather for fc5"]
    assert all(min(time) > 0 for time in where.layers.values())
    assert all(time.forward > 0 for time in where.crossings.values())
    assert 0 < where.update < where.step


def test_on_gpus_a_step_begins_with_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler()
    monkeypatch.setattr("minialex.bench.workload.refuse_if_too_large", lambda planned: None)
    begun: list[int] = []
    begin = CudaDevice.begin
    monkeypatch.setattr(CudaDevice, "begin", lambda self, host, *rest: (begun.append(host.nbytes), begin(self, host, *rest))[1])
    with installed(2) as machine:
        load = Workload("small", "0,1", 3)
        assert isinstance(load.images, Shown)
        assert load.images.shape == (3, *load.net.input_shape)
        assert all(load.step() > 0 for _ in range(3))
        assert load.infer() > 0
        crossed = [copy.bytes for copy in machine.copies if copy.way == "up"]
        assert crossed.count(load.images.nbytes) == 2 * (1 + 3), "for the first step, and for every other"
        assert begun == [load.images.nbytes] * 2 * 3, "ahead of its turn"
        gc.collect()
    assert not machine.late


def test_every_layer_can_be_measured_alone() -> None:
    load = Workload("cifar10", "cpu", 2)
    assert all(min(load.layer(name, plain)) > 0 for name in by_name(load.net, 2) for plain in (False, True))


def test_short_layers_have_more_rounds() -> None:
    assert [rounds_in_a_row(seconds) for seconds in (2.0, 0.02, 0.001, 1e-9)] == [3, 5, 100, 500]


def test_a_plain_twin_is_the_same_layer_in_the_plain_way() -> None:
    net = Narrow().towers(parse_devices("cpu"))
    twins = {place.name: plain_twin(place.layer) for place in places(net, 2)}
    assert {name for name, twin in twins.items() if twin is None} == {"flatten"}
    for place in places(net, 2):
        twin = plain_twin(place.layer)
        if twin is not None and not isinstance(twin, layers.Dropout):  # which would draw another mask
            assert type(twin) is getattr(layers, type(place.layer).__name__)
            x = np.random.default_rng(0).standard_normal(place.ins)
            np.testing.assert_allclose(twin.forward(x), place.layer.forward(x), rtol=1e-9, atol=1e-9)


def test_a_worker_answers_in_plain_data() -> None:
    worker = Worker()
    with pytest.raises(RuntimeError, match="build comes first"):
        worker.steps()
    built = worker.build("small", "cpu,cpu", 2)
    answers = [built, worker.steps(2), worker.infer(), worker.layer("conv1"), worker.where(1), worker.memory()]
    assert json.loads(json.dumps(answers))[1]["seconds"] == answers[1]["seconds"]
    assert answers[-1]["crossed"] > 0
    assert built["levels"]["conv1"]["multiply_adds"][0] == built["levels"]["conv1"]["multiply_adds"][1]  # nobody reads its dx
    assert 2 * built["levels"]["conv2"]["multiply_adds"][0] == built["levels"]["conv2"]["multiply_adds"][1]


def test_a_peer_that_fails_says_why_and_lives_on() -> None:
    with Peer("ours", OURS) as peer:
        with pytest.raises(PeerFailed, match="ours: RuntimeError: build comes first"):
            peer.ask("steps")
        with pytest.raises(PeerFailed, match=r"ours: DeviceError: .*gpu:9"):
            peer.ask("build", net="small", devices="gpu:9", batch_size=1)
        assert peer.ask("build", net="small", devices="cpu", batch_size=1)["devices"] == ["cpu:0"]


def test_a_peer_that_ends_leaves_its_last_words(tmp_path: Path) -> None:
    program = tmp_path / "ends.py"
    program.write_text("import sys; sys.exit('out of luck')")
    with Peer("unlucky", (str(program),)) as peer, pytest.raises(PeerFailed, match=r"unlucky: .*code 1: out of luck"):
        peer.ask("steps")


@pytest.mark.parametrize(
    ("make", "exact"),
    [
        (lambda: small_towers(parse_devices("cpu,cpu"), dropout=0.0), False),
        (lambda: cifar10_net(parse_devices("cpu")), False),
        (lambda: Narrow(dropout=0.0, dtype="float32", maps=(8, 6, 6, 6, 6)).towers(parse_devices("cpu,cpu")), True),
        (lambda: Narrow(dropout=0.0, dtype="float32", maps=(8, 6, 6, 6, 6)).grouped(parse_devices("cpu")), True),
    ],
    ids=["small", "cifar10", "towers", "grouped"],
)
def test_pytorch_is_given_the_same_net(make: Callable[[], Net], exact: bool) -> None:
    """Its logits and every gradient are ours: what is compared is the same work."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")
    net = make()
    twin = script("bench_torch").Net(json.loads(json.dumps(describe(net))), net.input_shape[1:], exact)
    state = net.state_dict()
    for value, parameter in zip(state.values(), twin.parameters(), strict=True):
        assert value.shape == tuple(parameter.shape)
        parameter.data = torch.from_numpy(value.copy())
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, *net.input_shape), dtype=np.float32)
    logits = net.forward(images, train=True)
    theirs = twin(torch.from_numpy(images))
    np.testing.assert_allclose(logits, theirs.detach().numpy(), rtol=2e-3, atol=2e-4)
    upstream = rng.standard_normal(logits.shape, dtype=np.float32)
    net.backward(upstream)
    theirs.backward(torch.from_numpy(upstream))
    for (name, gradient), parameter in zip(net.grad_dict().items(), twin.parameters(), strict=True):
        scale = np.abs(gradient).max() + 1e-6
        np.testing.assert_allclose(gradient / scale, parameter.grad.numpy() / scale, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("name", ["alexnet", "alexnet_grouped"])
def test_the_symmetrical_padding_of_conv1_gives_as_many_places(name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    symmetrical = script("bench_torch").symmetrical
    conv1 = {"padding": (0, 3, 0, 3), "kernel_size": (11, 11), "stride": (4, 4)}
    p, q = symmetrical(conv1, (224, 224))
    assert p == q
    assert (224 + 2 * p - 11) // 4 + 1 == 55
    assert symmetrical({"padding": (0, 1, 0, 1), "kernel_size": (2, 2), "stride": (1, 1)}, (9, 9)) is None
    assert name in NETS
    assert alexnet_grouped is NETS["alexnet_grouped"]


def test_a_whole_run_prints_its_tables_and_writes_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench small steps -->\nold\n<!-- end -->\nafter\n")
    files = {"--json": "all.json", "--trace": "trace.json", "--trace-picture": "trace.png"}
    outs = [part for flag, name in files.items() for part in (flag, str(tmp_path / name))]
    code = bench.main(["--net", "small", "--quick", "--peers", "none", *outs, "--markdown", str(page)])
    said = capsys.readouterr()
    assert code == 0, said.err
    for words in (
        "where a step goes",
        "conv3",
        "exchange for conv3",
        "training steps",
        "the bound",
        "inference",
        "peak memory",
    ):
        assert words in said.out
    data = json.loads((tmp_path / "all.json").read_text())
    assert data["wanted"]["net"] == "small"
    assert len(data["entries"][0]["steps"]) == 2
    assert (tmp_path / "trace.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    text = page.read_text()
    assert text.startswith("before\n<!-- bench small steps -->\n```text\n$ python scripts/bench.py --net small --quick")
    assert "old" not in text
    assert text.endswith("<!-- end -->\nafter\n")


def test_a_run_beside_pytorch(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")
    assert bench.main(["--net", "small", "--quick", "--repeats", "1"]) == 0
    said = capsys.readouterr().out
    assert "torch eager, channels-first" in said
    assert "times as fast as PyTorch's best" in said


def test_growth_has_a_row_for_each_batch(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--net", "small", "--quick", "--growth", "--repeats", "1", "--peers", "none"]) == 0
    lines = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["images/s", "1", "2"]
    assert "two : one   processes" in lines[0]


@pytest.mark.parametrize("prepared", [False, True])
def test_photos_are_loaded_beside_the_net(prepared: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of photos is prepared for this once, and nothing of that stays; a prepared one is taken as it is."""
    folder, home = photo_folder(tmp_path / "photos"), tmp_path / "prepared"
    if prepared:
        open_data(folder, size=40, prepared=home)
    before = sorted(tmp_path.rglob("*"))
    asked = ["--net", "cifar10", "--quick", "--repeats", "1", "--peers", "none"]
    assert bench.main([*asked, "--loading", str(home if prepared else folder)]) == 0
    said = capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before
    assert ("prepared, once" in said) == (not prepared)
    for words in ("loader alone, training views", "inference of test views, loaded", "the net reaches"):
        assert words in said


def test_the_same_pictures_come_round_again() -> None:
    images = Round(np.arange(3).reshape(3, 1, 1, 1).astype(np.uint8), 8)
    assert len(images) == 8
    assert images[np.arange(8)].ravel().tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_loading_is_told_in_images_a_second() -> None:
    seconds = {"memory": [0.5], "net, test": [1.0], "net, training": [0.625], "alone, test": [0.1], "alone, training": [0.25]}
    loading = {"pictures": 99, "prepared": 7.0, "seconds": seconds, "waited": {"test": [0.5], "training": [0.0, 0.1, 0.2]}}
    table = report.sections(found_by(loading=loading))["loading"]
    assert "7.0  (99 pictures" in table
    assert [*table.splitlines()[5].split()[-1:], *table.splitlines()[6].split()[-1:]] == ["50.0%", "10.0%"]
    assert "made 2.0 times as fast as the net takes images; with the loader beside it the net reaches 80%" in table


def test_a_place_that_cannot_be_leaves_the_others_in_the_growth() -> None:
    found = Found({}, {})
    growth(
        Wanted("small", "cpu", 2, 1, turn=0.05), found, (2,), {"none": {"devices": "gpu:9"}, "one": {"devices": "cpu"}}, print
    )
    (row,) = found.growth
    assert "gpu:9" in row["places"]["none"]["failure"]
    assert len(row["places"]["one"]["seconds"]) == 1


def found_by(**changed: Any) -> Found:
    ours = Entry("minialex", "ours", [1.0, 2.0, 3.0], [0.5], memory={"peak": 10**9, "crossed": 5_000_000})
    eager = Entry("torch eager, channels-first", "eager", [4.0], [1.0], memory={"peak": 2 * 10**9})
    better = Entry("torch compiled, channels-last", "compiled", [3.0], [2.0])
    failed = Entry("torch compiled, channels-first", "compiled", failure="torch compiled, channels-first: no compiler")
    lost = Entry("torch eager, channels-last", "eager", screened=[9.0])
    machine = {
        "processor": "A",
        "cores": 2,
        "system": "B",
        "python": "3",
        "numpy": "2",
        "blas": "C",
        "torch": None,
        "cupy": None,
    }
    wanted = {"net": "small", "devices": "cpu,cpu", "batch_size": 8}
    return Found(
        wanted,
        machine | {"environment": {"OPENBLAS_CORETYPE": "Haswell"}},
        {"planned": 10**9},
        [ours, eager, better, failed, lost],
        bound={"step": 1.0, "infer": 0.1},
        **changed,
    )


def test_ratios_are_of_medians_against_the_best_and_against_eager() -> None:
    table = report.sections(found_by())["steps"]
    assert "1.50 times as fast as PyTorch's best (torch compiled, channels-last), 2.00 times as fast as eager" in table
    assert "the bound of these products on this machine: 8.0 images/s; minialex reaches 50%" in table
    assert "failed  no compiler" in table
    assert "(compared once, not the best of its kind)" in table
    assert "2.00 times as fast as PyTorch's best (torch eager" in report.sections(found_by())["inference"]


def test_what_steers_blas_is_told() -> None:
    assert "OPENBLAS_CORETYPE=Haswell" in report.head(found_by())


def test_growth_tells_what_an_image_costs() -> None:
    def cell(seconds: float, peak: int) -> dict[str, Any]:
        return {"seconds": [seconds], "memory": {"peak": peak}}

    growth = [
        {"batch_size": n, "places": {"one device": cell(2.0, 1), "two devices": cell(1.0, 10**8 + n * 5 * 10**6)}}
        for n in (1, 4)
    ]
    last = report.sections(found_by(growth=growth))["growth"].splitlines()[-1].split()
    assert last == ["4", "2.0", "4.0", "2.00", "120.0", "MB", "5.00"]


def test_two_processes_are_the_most_that_two_devices_could_be() -> None:
    seconds = {"one device": 2.0, "two processes": 1.0, "two devices": 1.25}
    cells = {name: {"seconds": [taken], "memory": {"peak": 10**9}} for name, taken in seconds.items()}
    table = report.sections(found_by(growth=[{"batch_size": 4, "places": cells}]))["growth"]
    assert table.splitlines()[-1].split() == ["4", "2.0", "4.0", "3.2", "1.60", "2.00", "1,000.0", "MB"]
    cells["two processes"] = {"failure": "no room"}
    table = report.sections(found_by(growth=[{"batch_size": 4, "places": cells}]))["growth"]
    assert table.splitlines()[1].split() == ["4", "2.0", "failed", "3.2", "1.60", "1,000.0", "MB"]
    assert table.splitlines()[2].split(":")[0].strip() == "two processes"


def test_the_two_processes_of_the_growth_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Noted(Pair):
        def answer(self) -> dict[str, Any]:
            seen.append(self.name)
            return super().answer()

    monkeypatch.setattr(contest, "Pair", Noted)
    apart: dict[str, dict[str, Any]] = {name: {"devices": "cpu"} for name in ("one device", "two processes")}
    growth(Wanted("small", "cpu", 2, 1, turn=0.05), Found({}, {}), (2,), apart, print)
    assert set(seen) == {"two processes"}


def test_two_at_the_same_time_do_one_in_half_of_theirs(tmp_path: Path) -> None:
    program = tmp_path / "peer.py"
    program.write_text(
        "from minialex.bench.serve import serve\n"
        "serve({'steps': lambda count: {'seconds': [3.0] * count}, 'memory': lambda: {'peak': 7}, 'fall': lambda: exit(3)})\n"
    )
    with Pair("two", [str(program)]) as pair:
        assert pair.ask("steps", count=2) == {"seconds": [1.5, 1.5]}
        assert pair.ask("memory") == {"peak": 7}
        with pytest.raises(PeerFailed, match="two: its process ended, code 3"):
            pair.ask("fall")


def test_a_layer_alone_is_taken_in_its_towers_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece with a layer of its own; where no tower is split, in one."""
    monkeypatch.setattr(fast.Split, "piece_bytes", {"numpy": 4 * 32 * 32 * 32 * 2})
    load = Workload("cifar10", "cpu", 5)
    for name, level in by_name(load.net, 5).items():
        (place,) = level
        pieces = load._pieces_of(place, place.layer)
        assert [len(x) for _, x, _ in pieces] == [2, 2, 1], name
        assert len({id(layer) for layer, _, _ in pieces}) == 3
        assert all(min(load.layer(name, plain)) > 0 for plain in (False, True))
    load = Workload("small", "cpu,cpu", 5)
    assert all(len(load._pieces_of(place, place.layer)) == 1 for level in by_name(load.net, 5).values() for place in level)


def test_growth_on_gpus_measures_gpus() -> None:
    assert growth_places(["cuda:0", "cuda:0"], 8) == {"one device": {"devices": "cuda:0"}}
    assert growth_places(["cuda:0", "cuda:1"], 8)["two devices"] == {"devices": "cuda:0,cuda:1"}
    assert [*growth_places(["cpu:0", "cpu:1"], 2)] == ["one device", "one, 2 BLAS threads", "two processes", "two devices"]
    cell = {"seconds": [1.0], "memory": {"peak": 7 * 10**9, "gpu_peak": 3 * 10**9}}
    table = report.sections(found_by(growth=[{"batch_size": 4, "places": {"one device": cell}}]))
    assert table["growth"].splitlines()[-1].split() == ["4", "4.0", "1.00", "3,000.0", "MB"]


def test_layers_alone_are_held_against_the_better_setting() -> None:
    alone = [
        {"layer": "conv1", "seconds": {"minialex": [0.01], "plain": [0.03], "channels-first": [0.04], "channels-last": [0.02]}}
    ]
    assert report.sections(found_by(alone=alone))["alone"].splitlines()[-1].split() == [
        *("conv1", "10.00", "30.00", "20.00", "channels-last", "2.00"),
    ]


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench alexnet steps -->\n<!-- end -->\n")
    with pytest.raises(Refused, match="no mark such as <!-- bench small "):
        report.update_markdown(page, found_by(), "bench")
    assert page.read_text() == "<!-- bench alexnet steps -->\n<!-- end -->\n"


def test_tables_are_put_again_where_they_were(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench small steps -->\n<!-- end -->\nb\n<!-- bench small inference -->\n<!-- end -->\n")
    assert report.update_markdown(page, found_by(), "bench \\1") == ["steps", "inference"]
    once = page.read_text()
    report.update_markdown(page, found_by(), "bench \\1")
    assert page.read_text() == once
    assert once.count("$ bench \\1\n") == 2


def test_the_page_has_marks_for_every_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for mark in (
        *("alexnet layers", "alexnet steps", "alexnet inference", "alexnet loading", "alexnet growth", "alexnet alone"),
        *("cifar10 steps", "cifar10 alone"),
    ):
        _, there, after = text.partition(f"<!-- bench {mark} -->\n")
        assert there, mark
        assert "<!-- end -->" in after.split("<!-- bench ")[0], mark


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--net", "alexnot"], "did you mean alexnet"),
        (["--devices", "gpu"], "is no device"),
        (["--batch-size", "0"], "at least 1"),
        (["--json", "nowhere/all.json"], "no such folder"),
        (["--markdown", "nowhere.md"], "no such file"),
        (["--layers", "--trace", "t.json"], "--trace"),
        (["--loading", "nowhere"], "no such folder"),
        (["--loading", "tests/scripts", "--net", "small", "--peers", "none"], "--loading"),
        (["--net", "small", "--peers", "none", "--batch-size", "1000000000"], "--batch-size"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = bench.main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("...")]
    assert code == 2
    assert len(said) == 1
    assert word in said[0]


def test_without_pytorch_ours_is_measured_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert bench.main(["--net", "small", "--quick", "--repeats", "1"]) == 0
    said = capsys.readouterr()
    assert "PyTorch is not installed" in said.err
    assert "torch eager" not in said.out


def test_pytorch_computes_where_we_do() -> None:
    """On the first of our GPUs, with the same rounding; on the CPU it is not told anything."""
    wanted = Wanted("small", "0,0", 4, 1, tf32=True)
    assert beside({"devices": ["cuda:1", "cuda:2"]}, wanted) == {"device": "cuda:1", "tf32": True}
    assert beside({"devices": ["cpu:0", "cpu:1"]}, wanted) == {}


def test_tf32_is_for_gpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--net", "small", "--tf32"]) == 2
    assert "--tf32 is for NVIDIA GPUs" in capsys.readouterr().err
