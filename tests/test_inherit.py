"""A net that begins with another's layers; and runs that do."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from minialex.devices import parse_devices
from minialex.inherit import inherit, table
from minialex.net import Net
from minialex.nets import small_towers
from minialex.recipes import load
from tests.scripts.test_train import script
from tests.test_resume import FLAGS, files, make_quick
from tests.test_resume import train as until


def small(seed: int, classes: int = 10, maps: int = 2, text: str = "cpu,cpu") -> Net:
    return small_towers(parse_devices(text), classes, seed, maps=maps, hidden=4)


def test_layers_are_matched_by_name_and_shape() -> None:
    old, net = small(0), small(1, classes=3)
    before, learned = net.state_dict(), old.state_dict()
    matches = inherit(net, learned)
    assert [match.layer for match in matches if match.new] == ["fc5"]
    assert matches[-1] == ("fc5", 27, "weight is 10 x 8 there, 3 x 8 here")
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name] if name.startswith("fc5") else learned[name], err_msg=name)
    assert sum(match.parameters for match in matches) == net.num_parameters
    for name, value in old.state_dict().items():
        np.testing.assert_array_equal(value, learned[name])


def test_a_layer_is_taken_whole_or_not_at_all() -> None:
    """A bias of the right shape does not come without its weight; and a layer may be missing there, or be there too many."""
    net = small(1)
    before, learned = net.state_dict(), small(0).state_dict()
    learned["conv2.0.weight"] = learned["conv2.0.weight"][:, :1]
    del learned["fc4.1.bias"]
    learned["fc9.weight"] = np.zeros((3, 3))
    new = {match.layer: match.new for match in inherit(net, learned) if match.new}
    assert new == {"conv2.0": "weight is 4 x 1 x 3 x 3 there, 4 x 2 x 3 x 3 here", "fc4.1": "there is no fc4.1.bias"}
    for name, value in net.state_dict().items():
        fresh = name.startswith(("conv2.0", "fc4.1"))
        np.testing.assert_array_equal(value, before[name] if fresh else learned[name], err_msg=name)


def test_where_nothing_fits_nothing_changes() -> None:
    net = small(1)
    before = net.state_dict()
    with pytest.raises(ValueError, match=r"^no layer of this net .* there; conv1\.0 is new, for there is no conv1\.0\.weight$"):
        inherit(net, {"fc5.bias": np.zeros(10)})
    assert all(np.array_equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_table_has_a_line_for_a_layer_of_both_towers() -> None:
    net, learned = small(1, classes=3), small(0).state_dict()
    lines = table(inherit(net, learned)).splitlines()
    assert [line.split()[0] for line in lines] == ["conv1", "conv2", "conv3", "fc4", "fc5"]
    assert lines[0].split() == ["conv1", "40", "taken", "over"]
    assert lines[-1].endswith("new: weight is 10 x 8 there, 3 x 8 here")
    learned["conv1.1.bias"] = np.zeros(7)
    lines = table(inherit(net, learned)).splitlines()
    assert lines[0].split()[:3] == ["conv1", "20", "taken"]
    assert lines[1].endswith("new: bias is 7 there, 2 here")


# The script


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)
    monkeypatch.chdir(tmp_path)


def train(*flags: str) -> int:
    return script.main([*FLAGS, *flags])


def wider(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the small net's fully connected layers have six neurons, not four."""
    from minialex.nets import NETS  # noqa: PLC0415

    def net(devices, num_classes=10, seed=0, *, input_shape=(1, 8, 8), dropout=0.5):  # type: ignore[no-untyped-def]
        return small_towers(devices, num_classes, seed, input_shape=input_shape, dropout=dropout, maps=1, hidden=6)

    monkeypatch.setitem(NETS, "small", net)


def test_a_run_begins_with_anothers_layers_and_says_from_where(monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    assert train("--out", "first") == 0
    wider(monkeypatch)
    capsys.readouterr()
    flags = ("--out", "second", "--init-from", "first", "--rates", "fc4=2,fc5=3,conv1=0 after 1", "--seed", "1")
    assert train(*flags) == 0
    out = capsys.readouterr().out
    assert "init       the layers of first/best.ckpt\nconv1" in out
    assert "taken over" in out.split("conv3")[1].splitlines()[0]
    assert "new: weight is 4 x " in out
    part = load("second/recipe.toml").net
    best = Path("first/best.ckpt").resolve()
    assert part.init_from == str(best)
    assert part.init_sha256 == hashlib.sha256(best.read_bytes()).hexdigest()
    assert part.init_sha256 in Path("second/config.json").read_text()

    # The same command goes on with it; and there is nothing to do.
    assert train(*flags, "--resume", "auto") == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("kill_at", [0, 1, 3, 5, 8])
def test_a_run_that_was_killed_goes_on_as_if_it_was_not(kill_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before its first checkpoint, where the other run is read again; later that one is not needed any more."""
    assert train("--out", "first") == 0
    more = ("--init-from", "first", "--rates", "conv1=0.1,conv2=0 after 1,fc4=3 after 2", "--seed", "1")
    assert train("--out", "whole", *more) == 0
    assert until(*FLAGS, "--out", "second", *more, kill_at=kill_at, monkeypatch=monkeypatch) is None
    if Path("second/last.ckpt").exists():
        shutil.rmtree("first")
    assert train("--out", "second", *more, "--resume", "auto") == 0
    assert files("second") == files("whole")


def test_another_checkpoint_than_the_recipe_began_from_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--out", "first") == 0
    assert train("--out", "second", "--init-from", "first") == 0
    shutil.copy("second/last.ckpt", "first/best.ckpt")
    capsys.readouterr()
    assert script.main(["--config", "second/recipe.toml", "--out", "third"]) == 2
    said = capsys.readouterr().err
    assert "best.ckpt: has the SHA-256 " in said
    assert "and the recipe began from" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("frist", "--init-from frist: there is nothing of that name; did you mean first?"),
        ("empty", "--init-from empty: is not the folder of a run that has learned: it has neither best.ckpt nor last.ckpt"),
        ("first/log.csv", "first/log.csv: "),
        ("other/last.ckpt", "other/last.ckpt: "),
    ],
)
def test_what_cannot_be_begun_from(path: str, says: str, capsys) -> None:  # type: ignore[no-untyped-def]
    assert train("--out", "first", "--steps", "4") == 0
    Path("empty").mkdir()
    Path("other").mkdir()
    damaged = bytearray(Path("first/last.ckpt").read_bytes())
    damaged[-100] ^= 1
    Path("other/last.ckpt").write_bytes(damaged)
    capsys.readouterr()
    assert train("--out", "second", "--init-from", path) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
    assert not Path("second").exists()
