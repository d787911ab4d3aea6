"""What the towers hear of each other."""

import numpy as np
import pytest

from minialex.devices import parse_devices
from minialex.inside import exchanges, outputs
from minialex.nets import cifar10_net
from tests.inside.nets import images, towers


def test_what_is_sent_and_what_each_part_adds():
    net, x = towers(), images(1)[0]
    found = exchanges(net, x)
    assert [one.reader for one in found] == ["conv3", "fc4"]
    seen = outputs(net, x[None])
    np.testing.assert_array_equal(found[0].sent[1], seen["pool2.1"][0])
    assert found[0].bytes == seen["pool2.0"].nbytes + seen["pool2.1"].nbytes
    state = net.state_dict()
    parts = np.split(state["fc4.0.weight"], 2, axis=1)
    for s, part in enumerate(parts):
        added = part @ seen[f"flatten.{s}"][0]
        assert found[1].heard[0, s] == pytest.approx(np.sqrt(np.square(added).mean()))
    np.testing.assert_allclose(found[1].shares.sum(axis=1), 1)


@pytest.mark.parametrize("deaf_to", [0, 1])
def test_a_tower_that_does_not_listen(deaf_to):
    net = towers()
    state = net.state_dict()
    weight = state["conv3.1.weight"]
    half = weight.shape[1] // 2
    weight[:, deaf_to * half : (deaf_to + 1) * half] = 0
    net.load_state_dict(state)
    conv3, _ = exchanges(net, images(1)[0])
    assert conv3.shares[1, deaf_to] == 0
    assert conv3.shares[1, 1 - deaf_to] == 1
    assert 0 < conv3.shares[0, deaf_to] < 1


def test_maps_that_are_all_zero_are_no_error():
    net = towers()
    net.load_state_dict({name: np.zeros_like(w) for name, w in net.state_dict().items()})
    assert not exchanges(net, images(1)[0])[0].shares.any()


def test_a_net_of_one_tower_exchanges_nothing():
    assert exchanges(cifar10_net(parse_devices("cpu")), np.zeros((3, 32, 32), np.float32)) == []
