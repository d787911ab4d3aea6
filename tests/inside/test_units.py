"""Dead units are found, and only they; what a layer carries is measured as it is defined."""

import numpy as np
import pytest

from minialex.inside import signals, units
from minialex.layers import SoftmaxCrossEntropy
from tests.inside.nets import images, towers


def with_bias(net, name, unit, value):
    state = net.state_dict()
    state[name][unit] = value
    net.load_state_dict(state)
    return net


def test_a_planted_dead_unit_is_found():
    before = {one.layer: one.dead for one in units(towers(), images(20))}
    net = with_bias(with_bias(towers(), "conv2.1.bias", 4, -1e6), "fc4.0.bias", 2, -1e6)
    after = {one.layer: one.dead for one in units(net, images(20), batch_size=7)}
    assert list(after) == ["relu1.0", "relu2.0", "relu1.1", "relu2.1", "relu3.0", "relu3.1", "relu4.0", "relu4.1"]
    assert after["relu2.1"][4]
    assert not before["relu2.1"][4]
    assert after["relu4.0"][2]
    np.testing.assert_array_equal(after["relu1.0"], before["relu1.0"])
    assert after["relu2.1"].sum() == before["relu2.1"].sum() + 1


def test_how_often_a_unit_fires():
    net = with_bias(towers(), "fc4.1.bias", 0, 1e6)
    found = {one.layer: one.fires for one in units(net, images(8), batch_size=3)}
    assert found["relu4.1"][0] == 1
    seen = np.concatenate([_relu(net, image) for image in images(8)])
    np.testing.assert_allclose(found["relu4.1"], (seen > 0).mean(axis=0))


def _relu(net, image):
    from minialex.inside import outputs  # noqa: PLC0415

    return outputs(net, image[None])["relu4.1"]


def test_signals_are_those_of_the_definition():
    net, x, labels = towers(), images(6), np.array([0, 1, 2, 3, 4, 0])
    loss, found = signals(net, x, labels)
    by_name = {one.layer: one for one in found}
    expected = SoftmaxCrossEntropy()
    logits = net.forward(x)
    assert loss == pytest.approx(expected.forward(logits, labels))
    last = by_name["fc5"]
    assert last.size == pytest.approx(np.sqrt(np.square(logits).mean()))
    assert last.spread == pytest.approx(np.sqrt(np.square(logits - logits.mean(axis=0)).mean()) / last.size)
    assert last.gradient == pytest.approx(np.sqrt(np.square(6 * expected.backward()).mean()))
    assert list(by_name) == [name for name, _, _ in net.layers()]
    assert 0 < by_name["relu1.0"].active < 1


def test_a_net_that_does_not_hear_the_image():
    net = towers()
    net.load_state_dict(net.state_dict() | {f"conv2.{t}.weight": np.zeros((6, 3, 3, 3)) for t in (0, 1)})
    _, found = signals(net, images(4), np.arange(4))
    by_name = {one.layer: one for one in found}
    assert by_name["relu1.0"].spread > 0.1
    assert by_name["fc5"].spread < 1e-12
    assert by_name["relu1.0"].gradient == 0
