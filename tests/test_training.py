"""The loop: what it reports, when it stops, that it learns, and that a seed decides every bit of it."""

import subprocess
import sys
from math import inf, isnan, nan

import numpy as np
import pytest

from minialex.data import Minibatches, Split
from minialex.devices import parse_devices
from minialex.evaluation import Scores
from minialex.layers import SoftmaxCrossEntropy
from minialex.nets import small_towers
from minialex.optim import SGD
from minialex.training import Epoch, NonFiniteLoss, Step, drop_epochs, step_down, train


def some_net(devices="cpu,cpu", seed=0, **options):
    return small_towers(parse_devices(devices), 3, seed, **{"maps": 2, "hidden": 4, "dropout": 0.25} | options)


def some_images(count=10):
    """Images of three classes that differ in which third of the picture is bright."""
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int64) % 3
    images = rng.normal(0, 0.1, (count, 1, 8, 8)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[0, 3 * label : 3 * label + 2] += 2
    return Split(images, labels)


def batches_of(size, count=10, seed=0):
    return Minibatches(some_images(count), size, seed, lambda images: images)


def run(net, batches, lr=0.05, **options):
    return list(train(net, batches, SGD(net, lr), **{"epochs": 2} | options))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_events_in_their_order():
    events = run(some_net(), batches_of(4))
    assert [type(event) for event in events] == [Step, Step, Step, Epoch] * 2
    steps = of(Step, events)
    assert [step.images for step in steps] == [4, 4, 2] * 2  # the last batch of 10 images is kept
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [step.epoch for step in steps] == [1, 1, 1, 2, 2, 2]
    np.testing.assert_allclose([step.progress for step in steps], np.arange(1, 7) / 3)
    assert [(epoch.epoch, epoch.step) for epoch in of(Epoch, events)] == [(1, 3), (2, 6)]


def test_the_train_loss_is_the_mean_over_images():
    events = run(some_net(), batches_of(4), epochs=1)
    steps, (epoch,) = of(Step, events), of(Epoch, events)
    assert epoch.train_loss == pytest.approx(sum(step.loss * step.images for step in steps) / 10)
    assert epoch.images_per_second > 0
    assert epoch.seconds > 0


def test_fewer_images_than_a_batch():
    events = run(some_net(), batches_of(128), epochs=3)
    assert [step.images for step in of(Step, events)] == [10, 10, 10]


@pytest.mark.parametrize(("steps", "kinds"), [(1, "SE"), (3, "SSSE"), (4, "SSSESE"), (99, "SSSESSSE")])
def test_stopping_after_so_many_steps(steps, kinds):
    events = run(some_net(), batches_of(4), steps=steps)
    assert "".join(type(event).__name__[0] for event in events) == kinds


def test_the_test_follows_each_epoch_and_comes_back_in_it():
    asked = []

    def test():
        asked.append(len(asked))
        return Scores(loss=1.5 + len(asked), top1_error=0.25, top5_error=0.125)

    epochs = of(Epoch, run(some_net(), batches_of(4), epochs=3, test=test))
    assert [(e.test_loss, e.top1_error, e.top5_error) for e in epochs] == [(1.5 + n, 0.25, 0.125) for n in (1, 2, 3)]


def test_without_a_test():
    (epoch,) = of(Epoch, run(some_net(), batches_of(4), epochs=1))
    assert isnan(epoch.test_loss)
    assert isnan(epoch.top1_error)


def test_it_learns():
    net = some_net(seed=2, maps=4, hidden=8, dropout=0.1)
    epochs = of(Epoch, run(net, batches_of(3, count=12), epochs=15))
    assert epochs[-1].train_loss < 0.25 * epochs[0].train_loss
    np.testing.assert_array_equal(net.forward(some_images(12).images).argmax(axis=1), some_images(12).labels)


def test_the_updates_are_the_optimizers():
    """One step by hand, with the same dropout: the loop adds nothing of its own."""
    net, twin, loss = some_net(), some_net(), SoftmaxCrossEntropy()
    (step, *_) = run(net, batches_of(10), epochs=1)
    ((images, labels),) = batches_of(10).epoch(1)
    assert step.loss == loss.forward(twin.forward(images, train=True), labels)
    twin.backward(loss.backward())
    SGD(twin, 0.05).step()
    same_state(net, twin)


def same_state(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def run_once(devices, seed):
    net = some_net(devices, seed)
    events = run(net, batches_of(3, seed=seed), epochs=3)
    return net, [event.loss if isinstance(event, Step) else event.train_loss for event in events]


@pytest.mark.parametrize("devices", ["cpu,cpu", "cpu:0,cpu:0"])
def test_the_same_seed_gives_the_same_bits(devices):
    (one, losses), (again, losses_again) = run_once("cpu,cpu", 5), run_once(devices, 5)
    assert losses == losses_again
    same_state(one, again)


def test_another_seed_gives_another_run():
    assert run_once("cpu,cpu", 5)[1] != run_once("cpu,cpu", 6)[1]


class Poisoned:
    """Good batches, and from the third on images that are not numbers."""

    def __len__(self):
        return 4

    def epoch(self, number):
        for n, (images, labels) in enumerate(batches_of(3).epoch(number)):
            yield (images if n < 2 else images * nan), labels


def test_a_loss_that_is_no_number_stops_before_the_update():
    net, twin = some_net(), some_net()
    run(twin, batches_of(3), epochs=1, steps=2)
    with pytest.raises(NonFiniteLoss, match=r"the loss is nan at step 3, in epoch 1, with lr 0\.05$"):
        run(net, Poisoned())
    same_state(net, twin)


def test_a_test_loss_that_is_no_number_ends_the_run_before_its_epoch_is_told():
    net = some_net()
    events = train(net, batches_of(4), SGD(net, 0.05), epochs=2, test=lambda: Scores(inf, 1.0, 1.0))
    for _ in range(3):
        assert isinstance(next(events), Step)
    with pytest.raises(NonFiniteLoss, match="the test loss is inf after step 3, at the end of epoch 1"):
        next(events)


def test_the_schedule_sees_what_happened():
    seen = []

    def schedule(done):
        seen.append([epoch.epoch for epoch in done])
        return 0.1 / (1 + len(done))

    events = run(some_net(), batches_of(5), epochs=3, schedule=schedule)
    assert seen == [[], [1], [1, 2]]
    np.testing.assert_allclose([step.lr for step in of(Step, events)], np.repeat([0.1, 0.05, 0.1 / 3], 2))
    np.testing.assert_allclose([epoch.lr for epoch in of(Epoch, events)], [0.1, 0.05, 0.1 / 3])


def test_step_down():
    rate = step_down(0.5, 10, at=(0.6, 0.85))
    done = run(some_net(), batches_of(10), epochs=10)
    epochs = of(Epoch, done)
    np.testing.assert_allclose([rate(epochs[:n]) for n in range(10)], [0.5] * 6 + [0.05] * 2 + [0.005] * 2)


@pytest.mark.parametrize(
    ("epochs", "at", "drops"), [(10, (0.6, 0.85), [6, 8]), (1, (0.6, 0.85), []), (3, (0.1, 0.5), [2]), (9, (), [])]
)
def test_drops_that_fall_outside_a_short_run_are_left_out(epochs, at, drops):
    assert drop_epochs(epochs, at) == drops


def test_the_loop_brings_no_picture_makers_along():
    heavy = "{'matplotlib', 'sklearn', 'tqdm', 'cupy', 'torch'}"
    code = f"import sys, minialex.training, minialex.data, minialex.evaluation; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
