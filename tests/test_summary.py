"""The net's table: a line for each layer, sums that add up, and crossings that are then the ledger's."""

from __future__ import annotations

import re
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.arrays import Shape
from minialex.devices import parse_devices
from minialex.layers import Conv2d, Linear
from minialex.net import Net
from minialex.nets import cifar10_net, small_towers
from minialex.summary import Row, megabytes, rows
from minialex.towers import Towers
from tests.narrow import Narrow, narrow_nets, one_in

PAGE = """images conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2
          conv3 conv3 relu3 conv4 relu4 conv5 relu5 pool5 flatten
          fc6 fc6 relu6 dropout6 fc7 fc7 relu7 dropout7 fc8 fc8"""


def table(net: Net, batch_size: int = 1) -> list[Row]:
    return rows(net.stages, net.input_shape, net.dtype.itemsize, batch_size)


def multiply_adds(layer: object, before: Shape, after: Shape) -> int:
    """Each output number of a layer with weights takes as many as it has inputs."""
    if isinstance(layer, Conv2d):
        return prod(after) * prod(layer.kernel_size) * before[1] // layer.groups
    return prod(after) * before[1] if isinstance(layer, Linear) else 0


def expected_work(net: Net) -> int:
    total, shapes = 0, ((1, *net.input_shape),)
    for stage in net.stages:
        if isinstance(stage, Towers):
            for tower, shape in zip(stage.towers, shapes, strict=True):
                for _, layer in tower.leaves():  # type: ignore[attr-defined]
                    after = layer.output_shape(shape)
                    total += multiply_adds(layer, shape, after)
                    shape = after
        shapes = stage.output_shapes(shapes)  # type: ignore[assignment]
    return total


@one_in(4)
@given(narrow=narrow_nets(), text=st.sampled_from(["cpu,cpu", "cpu"]), dtype=st.sampled_from(["float32", "float64"]))
def test_what_it_says_will_cross_is_what_the_ledger_shows(narrow: Narrow, text: str, dtype: str) -> None:
    net = Narrow(**vars(narrow) | {"dtype": dtype}).towers(parse_devices(text))
    net.forward(narrow.images())
    net.backward(narrow.dlogits())
    planned = table(net, narrow.N)
    assert sum(row.crosses for row in planned) == net.ledger.bytes()
    for row in planned:
        if row.crosses:
            assert row.crosses == net.ledger.bytes(row.layer)
    assert bool(net.ledger.bytes()) == (text == "cpu,cpu")


@one_in(4)
@given(narrow=narrow_nets(), batch_size=st.sampled_from([1, 7, 128]))
def test_a_line_for_each_layer_and_sums_that_add_up(narrow: Narrow, batch_size: int) -> None:
    for net in (narrow.towers(parse_devices("cpu,cpu")), narrow.grouped(parse_devices("cpu"))):
        planned = table(net, batch_size)
        assert sum(row.parameters for row in planned) == net.num_parameters == sum(w.size for w in net.state_dict().values())
        assert sum(row.multiply_adds for row in planned) == expected_work(net)
        text = net.summary(batch_size)
        head, rule, *body, second_rule, total = text.splitlines()
        assert [line.split()[0] for line in body] == [row.layer for row in planned]
        assert f"crosses (batch {batch_size})" in head
        assert set(rule) == set(second_rule) == {"-"}
        assert total.startswith("in all")
        assert f"{net.num_parameters:,}" in total
        assert f"{expected_work(net):,}" in total
        assert not re.search(r"[ \t]+$", text, re.MULTILINE)
        assert max(len(line) for line in text.splitlines()) <= len(rule)


def test_the_table_is_the_page() -> None:
    """Of the paper's net: each layer in its place, and what communicates under the name of the layer that reads it."""
    planned = table(Narrow(preset="paper").towers(parse_devices("cpu:4,cpu:6")))
    assert [row.layer for row in planned] == PAGE.split()
    kinds = {row.layer: row.what for row in planned if row.what in ("Broadcast", "Exchange", "Gather")}
    assert kinds == {"images": "Broadcast", "conv3": "Exchange", "fc6": "Exchange", "fc7": "Exchange", "fc8": "Gather"}
    assert {row.devices for row in planned[:-1]} == {"cpu:4 cpu:6"}
    assert planned[-1].devices == "cpu:4"  # fc8 has one owner
    by_name = {row.layer: row for row in planned}
    assert by_name["conv1"].output == "2 x 3x15x15"
    assert by_name["fc8"].output == "3"


@pytest.mark.parametrize("batch_size", [1, 128])
def test_the_cifar10_net_crosses_nothing(batch_size: int) -> None:
    net = cifar10_net(parse_devices("cpu,cpu"))
    assert {row.crosses for row in table(net, batch_size)} == {0}
    assert {row.devices for row in table(net, batch_size)} == {"cpu:0"}


def test_the_columns_stand_below_each_other() -> None:
    """Each number of a column ends where its heading ends."""
    head, _, *body, _, total = small_towers(parse_devices("cpu,cpu")).summary(128).splitlines()
    for heading in ("parameters", "mult-adds"):
        end = head.index(heading) + len(heading)
        for line in (*body, total):
            assert len(line) < end or line[end - 1 : end + 1].strip() == line[end - 1].strip()
            assert line[end : end + 2].strip() == ""


@given(count=st.integers(0, 10**12))
def test_bytes_are_written_to_be_read(count: int) -> None:
    text = megabytes(count)
    number, unit = text.split()
    factor = {"kB": 1e3, "MB": 1e6}[unit]
    assert abs(float(number.replace(",", "")) * factor - count) <= 0.05 * factor * (1 + 1e-9)
    assert (unit == "MB") == (count >= 100_000)


def test_as_the_paper_would_say_it() -> None:
    assert megabytes(11_075_584) == "11.1 MB"
    assert megabytes(1_234_500_000) == "1,234.5 MB"
    assert megabytes(4_000) == "4.0 kB"


def test_making_the_table_runs_nothing() -> None:
    net = small_towers(parse_devices("cpu,cpu"))
    net.summary(10**6)
    assert net.ledger.rows == []
    with pytest.raises(RuntimeError, match="backward needs a forward pass first"):
        net.backward(np.zeros((1, 10)))
