"""Watching changes nothing, sees everything once, and leaves no trace."""

import numpy as np
import pytest

from minialex.devices.strict import strict_mode
from minialex.inside import features, outputs, watching
from minialex.layers import SoftmaxCrossEntropy
from minialex.towers import Towers
from tests.inside.nets import blocks_of_one, cut_up, images, towers


def learned(net, x, labels, watch=None):
    """Logits and gradients of one pass in training."""
    loss = SoftmaxCrossEntropy()
    seen = []
    ignore = lambda *told: seen.append(told[0])  # noqa: E731
    if watch:
        with watching(net, ignore, ignore):
            logits = net.forward(x, train=True)
            loss.forward(logits, labels)
            net.backward(loss.backward())
    else:
        logits = net.forward(x, train=True)
        loss.forward(logits, labels)
        net.backward(loss.backward())
    return logits, net.grad_dict(), seen


def test_the_net_computes_what_it_always_does():
    x, labels = images(4), np.array([0, 1, 2, 4])
    logits, gradients, seen = learned(towers(), x, labels, watch=True)
    expected, their, _ = learned(towers(), x, labels)
    np.testing.assert_array_equal(logits, expected)
    assert all(np.array_equal(gradients[name], their[name]) for name in their)
    assert sorted(seen) == sorted(2 * [name for name, _, _ in towers().layers()])


def test_nothing_stays_behind_even_after_an_error():
    net = towers()
    before = [dict(vars(layer)).keys() for _, _, layer in net.layers()]
    stretches = [tower for stage in net.stages if isinstance(stage, Towers) for tower in stage.towers]
    joints = [tower.joints for tower in stretches]

    def fail(*told):
        raise RuntimeError("seen enough")

    with pytest.raises(RuntimeError, match="seen enough"), watching(net, forward=fail):
        net.forward(images(1))
    assert [vars(layer).keys() for _, _, layer in net.layers()] == before
    assert all(tower.joints is own and "block_bytes" not in vars(tower) for tower, own in zip(stretches, joints, strict=True))
    net.forward(images(1))


def test_outputs_are_those_of_the_layers_one_by_one():
    net = towers()
    x = images(2)
    seen = outputs(net, x)
    assert list(seen) == [name for name, _, _ in net.layers()]
    first = net.stages[1].towers[0]
    y = x
    for name, layer in first.leaves():
        y = layer.forward(y, train=False)
        np.testing.assert_allclose(seen[f"{name}.0"], y, rtol=1e-12)
    np.testing.assert_array_equal(seen["fc5"], net.forward(x))


def test_a_stretch_that_is_cut_into_blocks_is_seen_whole():
    x, labels = images(3), np.array([0, 1, 2])
    whole = outputs(cut_up(), x)
    with blocks_of_one():
        net = cut_up()
        cut = outputs(net, x)
        _, _, seen = learned(net, x, labels, watch=True)
    assert all(np.array_equal(whole[name], cut[name]) for name in whole)
    assert sorted(seen) == sorted(2 * list(whole))


def test_on_devices_that_watch_over_their_arrays():
    with strict_mode():
        assert outputs(towers(), images(2))["conv3.1"].shape == (2, 6, 4, 4)


def test_features_are_what_the_last_layer_reads():
    net, x = towers(), images(7)
    vectors = features(net, x, batch_size=3)
    state = net.state_dict()
    np.testing.assert_allclose(vectors @ state["fc5.weight"].T + state["fc5.bias"], net.forward(x), rtol=1e-10)
    assert vectors.shape == (7, 12)


def test_features_of_several_views_are_refused():
    with pytest.raises(ValueError, match="one view of each image"):
        features(towers(), images(2), lambda batch: np.stack([batch, batch]))
