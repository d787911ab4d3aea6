"""A trained net is kept, found again, and is the same net; what differs in anything that matters is another."""

from __future__ import annotations

import numpy as np
import pytest

from minialex.claims.learn import Variant, learn, limited
from minialex.claims.nets import four_layers, small_alexnet
from minialex.claims.variant import batches_of, view_of
from minialex.data import open_data
from minialex.data.dataset import Dataset, Split
from minialex.data.sets import Source
from minialex.devices import parse_devices
from minialex.evaluation import evaluate
from minialex.layers import SoftmaxCrossEntropy
from minialex.nets import cifar10_net, grouped_state

HERE = parse_devices("cpu:0,cpu:0")
SHORT = Variant("short", "small_alexnet", {"maps": (4, 4, 4, 4, 4), "hidden": 8}, epochs=2, lr=0.02, batch_size=32)


@pytest.fixture(scope="module")
def source():
    return limited(open_data("digits"), 200, 60)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "nets"


def silent(line):
    """Says nothing."""


def test_a_net_is_trained_once(source, store):
    said = []
    first = learn(SHORT, 0, source, HERE, store, say=said.append)
    again = learn(SHORT.but("another name, the same settings"), 0, source, HERE, store, say=said.append)
    assert "trained before" in said[-1]
    assert first.curve == again.curve
    assert first.test_error == again.test_error == evaluate(again.net, source.dataset.test, again.view).top1_error
    for name, value in first.net.state_dict().items():
        np.testing.assert_array_equal(value, again.net.state_dict()[name])


@pytest.mark.parametrize(
    "change", [{"lr": 0.03}, {"epochs": 1}, {"options": {"dropout": 0.0}}, {"weight_decay": 0.1}, {"batch_size": 16}]
)
def test_what_matters_makes_another_net(change, source, store):
    learn(SHORT, 0, source, HERE, store, say=silent)
    learn(SHORT.but("changed", **change), 0, source, HERE, store, say=silent)
    assert len(list(store.iterdir())) == 2


def test_seed_and_data_make_another_net(source, store):
    learn(SHORT, 0, source, HERE, store, say=silent)
    learn(SHORT, 1, source, HERE, store, say=silent)
    learn(SHORT, 0, limited(source, 150, None), HERE, store, say=silent)
    assert len(list(store.iterdir())) == 3


def test_watching_is_kept(source, store):
    def watch(net):
        return {"conv1": net.state_dict()["conv1.0.weight"]}

    learned = learn(SHORT, 0, source, HERE, store, say=silent, watch=watch)
    assert len(learned.watched) == 1 + SHORT.epochs
    again = learn(SHORT, 0, source, HERE, store, say=silent, watch=watch)
    np.testing.assert_array_equal(again.watched[-1]["conv1"], again.net.state_dict()["conv1.0.weight"])
    assert not np.array_equal(again.watched[0]["conv1"], again.watched[1]["conv1"])
    assert learn(SHORT, 0, source, HERE, store, say=silent).watched == ()  # another run: it was not watched


def test_a_beginning_is_begun_with(source, store):
    teacher = learn(SHORT, 0, source, HERE, store, say=silent)
    stay = SHORT.but("stay", lr=1e-12, weight_decay=0.0)
    learned = learn(stay, 1, source, HERE, store, say=silent, begin=lambda net: net.load_state_dict(teacher.net.state_dict()))
    assert learned.test_error == teacher.test_error


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_is_told_and_kept(source, store):
    said = []
    wild = SHORT.but("wild", lr=1e6)
    learned = learn(wild, 0, source, HERE, store, say=said.append)
    assert "loss is" in learned.diverged or "gradient is" in learned.diverged
    assert np.isnan(learned.test_error)
    assert np.isnan(learned.train_error)
    assert any(line.startswith("  diverged: ") for line in said)
    assert learn(wild, 0, source, HERE, store, say=said.append).diverged == learned.diverged


def test_until_ends_early(source, store):
    learned = learn(SHORT.but("early", until=1.0, epochs=5), 0, source, HERE, store, say=silent)
    assert len(learned.curve) == 1


def test_a_half_kept_net_is_not_found(source, store, monkeypatch):
    monkeypatch.setattr(np, "savez", lambda *a, **k: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        learn(SHORT, 0, source, HERE, store, say=silent)
    assert list(store.iterdir()) == []


def colours(n=60, classes=3):
    """Pictures of 10 x 10 pixels, of more images in the first class than in the others."""
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, classes, n)).astype(np.int64)
    split = Split(rng.integers(0, 256, (n, 3, 10, 10), dtype=np.uint8), labels)
    return Source(Dataset("made", tuple("abc"[:classes]), split, split), "made", "")


@pytest.mark.parametrize("count", [3, 9, 30])
def test_limited_takes_as_many_of_each_class(count):
    small = limited(colours(), count, None).dataset
    assert np.bincount(small.train.labels).tolist() == [count // 3] * 3
    assert len(small.test) == 60
    np.testing.assert_allclose(small.mean, np.asarray(small.train.images).mean(axis=0), rtol=1e-5)


def test_limited_sets_nest():
    """The pictures of a small set are among those of a larger one."""
    small, large = (limited(colours(), count, None).dataset.train for count in (9, 30))
    assert {image.tobytes() for image in small.images} <= {image.tobytes() for image in large.images}


def test_limited_to_more_than_there_are():
    assert len(limited(colours(), 1000, 1000).dataset.train) == 60


@pytest.mark.parametrize("changes", [{}, {"shift": False}, {"shift": False, "mirror": True}, {"colour_noise": 0.1}])
def test_windows(changes, store):
    """Windows of 8 x 8 at random, or the central one, learned from and tested on."""
    tiny = SHORT.but("windows", crop=8, scale=64.0, epochs=1, **changes)
    learned = learn(tiny, 0, colours(), HERE, store, say=silent)
    assert learned.net.input_shape == (3, 8, 8)
    assert learned.view.crop == (8, 8)


def test_central_windows_are_what_the_test_sees(store):
    source, still = colours(), SHORT.but("still", crop=8, shift=False, scale=64.0)
    (shown, labels) = next(iter(batches_of(still.but("one", batch_size=60), 0, source).epoch(1)))
    order = batches_of(still.but("one", batch_size=60), 0, source).order(1)
    seen = view_of(still, source)(source.dataset.train.images[order])
    np.testing.assert_allclose(shown, seen, atol=1e-5)
    np.testing.assert_array_equal(labels, source.dataset.train.labels[order])


def test_four_layers_is_the_cifar10_net():
    """On 32 x 32 the same net as nets.py's, number by number."""
    ours, theirs = four_layers(HERE, norm=True), cifar10_net(HERE, norm=True)
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name], value)
    images = np.random.default_rng(0).normal(0, 60, (4, 3, 32, 32)).astype(np.float32)
    np.testing.assert_array_equal(ours.forward(images), theirs.forward(images))


def test_the_exchange_is_what_crosses():
    """With conv3 alone in its tower nothing crosses for it, and its kernels read half the maps."""
    two = parse_devices("cpu,cpu")
    both, alone = (small_alexnet(two, exchange3=exchange3) for exchange3 in (True, False))
    for net in (both, alone):
        net.forward(np.zeros((2, 3, 32, 32), np.float32))
    assert both.ledger.bytes("conv3") > 0
    assert alone.ledger.bytes("conv3") == 0
    assert alone.ledger.bytes("fc6") == both.ledger.bytes("fc6")
    assert both.state_dict()["conv3.0.weight"].shape[1] == 2 * alone.state_dict()["conv3.0.weight"].shape[1]


def test_the_one_gpu_net_is_footnote_bs():
    """Half the kernels in conv1 to conv4, all of them in conv5 and in the hidden layers; one device, nothing crosses."""
    two, one = (grouped_state(small_alexnet(HERE, towers=towers).state_dict()) for towers in (2, 1))
    for layer in ("conv1", "conv2", "conv3", "conv4"):
        assert 2 * len(one[f"{layer}.weight"]) == len(two[f"{layer}.weight"])
    for layer in ("conv5", "fc6", "fc7", "fc8"):
        assert len(one[f"{layer}.weight"]) == len(two[f"{layer}.weight"])


@pytest.mark.parametrize("without", ["conv3", "conv4", "conv5"])
def test_a_layer_can_be_left_out(without):
    net = small_alexnet(HERE, without=(without,))
    assert not any(name.startswith(without) for name in net.state_dict())
    net.backward(np.ones_like(net.forward(np.zeros((2, 3, 32, 32), np.float32), train=True)))


def test_dropout_0_is_no_layer():
    assert not small_alexnet(HERE, dropout=0.0).generators()
    assert small_alexnet(HERE).generators()


@pytest.mark.parametrize("wrong", [{"pool": "none"}, {"towers": 3}, {"without": ("conv1",)}])
def test_nets_refuse_what_they_do_not_know(wrong):
    with pytest.raises(ValueError, match="must be"):
        small_alexnet(HERE, **wrong)


def test_small_alexnet_learns(source):
    """A step along the gradient lowers the loss: the stages are wired as they should be."""
    from minialex.optim import SGD  # noqa: PLC0415

    net, loss = small_alexnet(HERE, input_shape=(1, 8, 8), dropout=0.0), SoftmaxCrossEntropy()
    images, labels = source.dataset.prepare(source.dataset.train.images[:64]), source.dataset.train.labels[:64]
    before = loss.forward(net.forward(images, train=True), labels)
    net.backward(loss.backward())
    SGD(net, lr=0.01, weight_decay=0.0).step()
    assert loss.forward(net.forward(images), labels) < before
