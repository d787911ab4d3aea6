"""The loop: what it reports, when it stops, that it learns, and that a seed decides every bit of it."""

import subprocess
import sys
from dataclasses import replace
from math import inf, isnan, log, nan

import numpy as np
import pytest

from minialex.checkpoint import capture, restore
from minialex.data import Loader, Minibatches, Split
from minialex.devices import parse_devices
from minialex.evaluation import Scores
from minialex.layers import SoftmaxCrossEntropy
from minialex.nets import small_towers
from minialex.optim import SGD
from minialex.training import (
    Epoch,
    NonFiniteGradient,
    NonFiniteLoss,
    Position,
    Step,
    Watch,
    drop_epochs,
    plateau,
    step_down,
    train,
)
from minialex.training.guard import Guard


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
    with pytest.raises(
        NonFiniteLoss,
        match=r"the loss is nan at step 3, in epoch 1, with lr 0\.05: the batch's image 0 has pixels that are not finite$",
    ):
        run(net, Poisoned())
    same_state(net, twin)


def test_a_test_loss_that_is_no_number_ends_the_run_before_its_epoch_is_told():
    net = some_net()
    events = train(net, batches_of(4), SGD(net, 0.05), epochs=2, test=lambda: Scores(inf, 1.0, 1.0))
    for _ in range(3):
        assert isinstance(next(events), Step)
    with pytest.raises(NonFiniteLoss, match="the test loss is inf after step 3, at the end of epoch 1"):
        next(events)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "key", "value", "says"),
    [
        ("conv2.1", "weight", nan, r"conv2\.1\.weight is not finite"),
        ("fc4.0", "bias", inf, r"fc4\.0\.bias is not finite"),
        ("conv2.0", "weight", 1e38, r"first in the output of (conv2|relu2|norm2)\.0"),
        ("fc5", "weight", 3e38, r"first in the output of fc5"),
    ],
)
def test_the_first_layer_whose_numbers_are_none_is_named(name, key, value, says):
    net = some_net()
    layer = next(layer for n, _, layer in net.layers() if n == name)
    layer.params[key][...] = value
    before = net.state_dict()
    with pytest.raises(NonFiniteLoss, match=rf"at step 1, in epoch 1, with lr 0\.05: {says}$"):
        run(net, batches_of(4))
    for n, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[n])
    assert not any("forward" in vars(layer) for _, _, layer in net.layers())  # nobody watches any more


@pytest.mark.parametrize("bad", ["conv1.0.weight", "conv3.1.bias", "fc5.weight"])
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_gradient_that_is_no_number_stops_before_the_update(monkeypatch, bad, value):
    net, backward = some_net(), type(some_net()).backward_from_home

    def poisoned(self, dlogits):
        backward(self, dlogits)
        for n, _, layer in self.layers():
            for key, gradient in layer.grads.items():
                if f"{n}.{key}" in (bad, "conv1.0.weight"):
                    gradient[(-1,) * gradient.ndim] = value

    monkeypatch.setattr(type(net), "backward_from_home", poisoned)
    before = net.state_dict()
    with pytest.raises(NonFiniteGradient, match=rf"a gradient is not finite at step 1.*: first in the gradient of {bad}$"):
        run(net, batches_of(4))
    for n, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[n])


def test_large_gradients_whose_sum_overflows_are_finite():
    net = some_net()
    run(net, batches_of(10), epochs=1)
    for _, _, layer in net.layers():
        for gradient in layer.grads.values():
            gradient[...] = 3e38
    guard = Guard(net)
    guard.look(np.float32(1))
    assert not any(flag.any() for flag in guard.stopped.values())
    assert guard.where() == ""


@pytest.mark.parametrize("source", [Minibatches, Loader])
@pytest.mark.parametrize("stop", range(1, 9))
def test_a_run_that_goes_on_anywhere_is_the_run_that_never_stopped(source, stop):
    """Two epochs of three steps: after each of the eight events the state is taken to a new net, which goes on."""

    def batches():
        return batches_of(4) if source is Minibatches else Loader(some_images(10), 4, workers=1)

    def test_of(net):
        return lambda: Scores(float(net.forward(some_images(3).images).sum() ** 2), 0.5, 0.0)

    def rates(done):
        return 0.05 / (1 + len(done))

    one, other = some_net(seed=1), some_net(seed=2)
    sgd, at, events = SGD(one, 0.05), Position(), []
    for event in train(one, batches(), sgd, epochs=2, schedule=rates, test=test_of(one), at=at):
        events.append(event)
        if len(events) == stop:
            state, place = capture(one, sgd), replace(at, done=list(at.done))
    other_sgd = SGD(other, 0.9)
    restore(other, other_sgd, state)
    rest = list(train(other, batches(), other_sgd, epochs=2, schedule=rates, test=test_of(other), at=place))
    assert [told(event) for event in events[stop:]] == [told(event) for event in rest]
    same_state(one, other)
    assert [told(epoch) for epoch in place.done] == [told(epoch) for epoch in at.done]


def told(event):
    """All of an event but what the clock said."""
    clock = {"seconds", "images_per_second", "waited"}
    return {name: value for name, value in vars(event).items() if name not in clock}


def test_the_share_of_the_time_that_went_into_waiting():
    class Slow(Minibatches):
        """Each batch takes 20 times as long to make as to learn from."""

        def epoch(self, number):
            for batch in super().epoch(number):
                np.linalg.svd(np.ones((300, 300)))
                yield batch

    (slow,) = of(Epoch, run(some_net(), Slow(some_images(10), 4, 0, lambda images: images), epochs=1))
    (quick,) = of(Epoch, run(some_net(), batches_of(4), epochs=1))
    assert 0 < quick.waited < slow.waited < 1


def epochs_with(errors):
    return [Epoch(n, n, 0.1, 1.0, 1.0, error, 0.0, 1.0, 1.0) for n, error in enumerate(errors, start=1)]


@pytest.mark.parametrize(
    ("errors", "rates"),
    [
        ([0.9, 0.8, 0.7, 0.6], [1, 1, 1, 1, 1]),
        ([0.9, 0.8, 0.8, 0.8], [1, 1, 1, 1, 2]),  # twice no better than the best
        ([0.9, 0.8, 0.85, 0.79, 0.79, 0.8], [1, 1, 1, 1, 1, 1, 2]),  # an improvement in time
        ([0.5] * 7, [1, 1, 1, 2, 2, 3, 3, 3]),  # two drops, and no third
        ([nan, nan, 0.5], [1, 1, 2, 2]),
    ],
)
def test_plateau(errors, rates):
    rate = plateau(1.0, patience=2, drops=2)
    done = epochs_with(errors)
    np.testing.assert_allclose([rate(done[:n]) for n in range(len(done) + 1)], [10.0 ** (1 - k) for k in rates])


def test_a_stuck_net_is_told_once():
    watch, at = Watch(10, "Try this."), Position()
    still = [replace(epoch, step=40 * epoch.epoch, train_loss=log(10)) for epoch in epochs_with([0.9] * 5)]
    lines = [watch.look(epoch, at) for epoch in still]
    assert [bool(line) for line in lines] == [False, False, True, False, False]
    assert watch.look(Step(50, 2000, 49.9, 0.01, 2.3, 32, 1.0), Position(total=2.4, seen=1)) == ""
    assert lines[2].endswith("the loss is 2.303, and ln(10) = 2.303: the net has learned nothing yet. Try this.")


def test_a_stuck_net_is_told_in_a_long_epoch():
    at = Position(step=2000, total=6.9 * 256, seen=256)
    assert Watch(1000, "").look(Step(1, 2000, 0.2, 0.01, 6.9, 128, 1.0), at).startswith("stuck      after 2,000 steps")
    assert Watch(1000, "").look(Step(1, 1999, 0.2, 0.01, 6.9, 128, 1.0), at) == ""
    learning = replace(at, total=6.5 * 256)
    assert Watch(1000, "").look(Step(1, 2000, 0.2, 0.01, 6.9, 128, 1.0), learning) == ""


@pytest.mark.parametrize(("loss", "told"), [(log(10), True), (0.996 * log(10), True), (0.99 * log(10), False), (0.1, False)])
def test_a_net_that_learns_is_told_nothing(loss, told):
    (*_, third) = epochs_with([0.9] * 3)
    assert bool(Watch(10, "").look(replace(third, step=150, train_loss=loss), Position())) == told


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
    ("epochs", "at", "drops"),
    [(10, (0.6, 0.85), [6, 8]), (1, (0.6, 0.85), []), (3, (0.1, 0.5), [2]), (9, (), []), (90, (22, 50, 95), [22, 50])],
)
def test_drops_that_fall_outside_a_short_run_are_left_out(epochs, at, drops):
    assert drop_epochs(epochs, at) == drops


def test_the_loop_brings_no_picture_makers_along():
    heavy = "{'matplotlib', 'sklearn', 'tqdm', 'cupy', 'torch'}"
    code = f"import sys, minialex.training, minialex.data, minialex.evaluation; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
