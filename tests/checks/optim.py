"""What is claimed of SGD: the paper's update rule, one number at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from minialex import layers, optim
from minialex.devices import strict_mode
from minialex.net import Net
from minialex.towers import Broadcast, Exchange, Gather, Towers
from tests import reference
from tests.checks.suite import Suite, complains, copies, same
from tests.checks.towers import device
from tests.reference import Array
from tests.strategies import set_parameter

Arrays: TypeAlias = dict[str, Array]  # by the name of the parameter, on the host


@dataclass(frozen=True, kw_only=True)
class SGDCase:
    """Steps with the rates `lrs` for a chain of linear layers of these sizes, or for a net of `towers` such chains."""

    sizes: tuple[int, ...]
    lrs: tuple[float, ...]
    momentum: float
    weight_decay: float
    bias_lr: float
    rates: dict[str, float]
    towers: int  # 0: a single layer, without a net
    seed: int

    def model(self, dtype: Any) -> Any:
        """The net, or the layer, with parameters from N(0, 1)."""
        rng = np.random.default_rng((self.seed, 1))

        def chain(name: str, sizes: tuple[int, ...]) -> layers.Sequential:
            named = {f"{name}{i}": layers.Linear(a, b) for i, (a, b) in enumerate(pairwise(sizes))}
            made = layers.Sequential(**named, tanh=layers.Tanh())
            for key, value in made.params.items():
                set_parameter(made, key, np.asarray(rng.standard_normal(value.shape), dtype))
            return made

        if not self.towers:
            return chain("fc", self.sizes)
        devices = tuple(device(f"cpu:{t}") for t in range(self.towers))
        again = (self.towers * self.sizes[-1], *self.sizes[1:])
        return Net(
            devices,
            Broadcast(),
            Towers(*(chain("fc", self.sizes) for _ in devices)),
            Exchange(),
            Towers(*(chain("again", again) for _ in devices)),
            Gather(),
            input_shape=self.sizes[:1],
            num_classes=self.towers * self.sizes[-1],
            dtype=dtype,
        )

    def train(self, model: Any, step: int) -> None:
        """One forward and one backward pass, other numbers at each step."""
        rng, dtype = np.random.default_rng((self.seed, 2, step)), next(iter(model.params.values())).dtype
        y = model.forward(rng.standard_normal((2, self.sizes[0])).astype(dtype), train=True)
        model.backward(rng.standard_normal(y.shape).astype(dtype))

    def optimiser(self, cls: Any, model: Any) -> Any:
        """SGD for this model."""
        return cls(model, self.lrs[0], self.momentum, self.weight_decay, bias_lr=self.bias_lr, rates=self.rates)


@st.composite
def sgd_cases(draw: DrawFn) -> SGDCase:
    """Three or four steps, whose rate drops on the way: only then does it show where in the rule the rate stands."""
    size = st.integers(1, 4)
    lr = draw(st.sampled_from([0.5, 0.1, 0.01]))
    steps = [lr, lr, lr / 10, lr / 10]
    return SGDCase(
        sizes=tuple(draw(st.lists(size, min_size=2, max_size=3))),
        lrs=tuple(steps[: draw(st.integers(3, 4))]),
        momentum=draw(st.sampled_from([0.9, 0.5, 0.0])),
        weight_decay=draw(st.sampled_from([0.1, 0.0005, 0.0])),
        bias_lr=draw(st.sampled_from([1.0, 2.0])),
        rates=draw(st.sampled_from([{}, {"fc0": 0.1}, {"fc0": 0.0}])),
        towers=draw(st.integers(0, 2)),
        seed=draw(st.integers(0, 999_999)),
    )


def steps_follow_the_paper(cls: Any, case: SGDCase) -> None:
    """v <- momentum v - weight_decay lr w - lr dL/dw; w <- w + v: at every step, on every device, decay on weights only

    A layer with a rate of its own has it in both towers, here for two steps; its old velocity, too, keeps its pace.
    """
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 5e-6)):
        with strict_mode():
            model = case.model(dtype)
            w = {name: value.astype(np.float64) for name, value in on_host(model, "params").items()}
            v = {name: np.zeros(value.shape) for name, value in w.items()}
            sgd = case.optimiser(cls, model)
            for step, lr in enumerate(case.lrs):
                case.train(model, step)
                dw, sgd.lr = on_host(model, "grads"), lr
                sgd.rates = case.rates if step < 2 else {}
                sgd.step()
                for name, a in w.items():
                    own = lr * (case.rates.get(name.split(".")[0], 1.0) if step < 2 else 1.0)
                    rate, decay = (own * case.bias_lr, 0.0) if name.endswith("bias") else (own, case.weight_decay)
                    for at in reference.indices(*a.shape):
                        v[name][at] = case.momentum * v[name][at] - decay * rate * a[at] - rate * dw[name][at]
                        a[at] += v[name][at]
                for name, value in on_host(model, "params").items():
                    same(f"{name} after step {step}", value, w[name], tolerance)
                    assert value.dtype == dtype, f"{name} is {value.dtype} after step {step}"


def parameters_stay_where_they_are(cls: Any, case: SGDCase) -> None:
    """Parameters are changed in place; gradients not at all; velocities have the parameters' dtype, shape and device"""
    for dtype in (np.float64, np.float32):
        with strict_mode():
            model = case.model(dtype)
            sgd = case.optimiser(cls, model)
            for step in range(2):
                case.train(model, step)
                before, gradients = dict(model.params), copies(model.grads)
                sgd.step()
                for name, value in model.params.items():
                    assert value is before[name], f"{name} is another array after the step"
                for name, value in model.grads.items():
                    same(f"the gradient of {name}", value, gradients[name])
            assert set(sgd.velocity) == set(model.params), f"velocities of {set(sgd.velocity)}"
            for name, value in model.params.items():
                v = sgd.velocity[name]
                assert (v.dtype, v.shape) == (value.dtype, value.shape), f"the velocity of {name} is {v.dtype} {v.shape}"
                places = getattr(v, "place", None), getattr(value, "place", None)
                assert places[0] == places[1], f"the velocity of {name} is on {places[0]}, the parameter on {places[1]}"


def on_host(model: Any, which: str) -> Arrays:
    """Copies of a layer's or a net's params or grads."""
    if isinstance(model, Net):
        return model.state_dict() if which == "params" else model.grad_dict()
    return copies(getattr(model, which))


def one_weight(cls: Any, w: float, **options: float) -> tuple[Any, Any]:
    """A layer with one weight w and a bias of 10, and its SGD."""
    layer = layers.Linear(1, 1, dtype=np.float64, bias=10.0)
    layer.params["weight"][...] = w
    return layer, cls(layer, **options)


def old_velocity_keeps_its_pace(cls: Any) -> None:
    """By hand: after the rate has dropped to 0, the velocity of before still moves the weight, ten percent slower a step"""
    layer, sgd = one_weight(cls, 0.0, lr=0.1, momentum=0.9, weight_decay=0.0)
    layer.grads = {"weight": np.array([[-10.0]]), "bias": np.zeros(1)}
    for lr, expected in ((0.1, 1.0), (0.0, 1.9), (0.0, 2.71)):  # 1, then + 0.9, then + 0.81
        sgd.lr = lr
        sgd.step()
        same("the weight", layer.params["weight"], [[expected]], 1e-15)


def the_constants_are_those_of_the_paper(cls: Any) -> None:
    """SGD(net): lr 0.01, momentum 0.9, weight decay 0.0005, by which a weight shrinks and a bias does not"""
    layer, sgd = one_weight(cls, 2.0)
    layer.grads = {"weight": np.zeros((1, 1)), "bias": np.zeros(1)}
    v, w = 0.0, 2.0
    for _ in range(3):
        sgd.step()
        v = 0.9 * v - 0.0005 * 0.01 * w
        w += v
    same("the weight", layer.params["weight"], [[w]], 1e-15)
    same("the bias", layer.params["bias"], [10.0])


def large_arrays_are_updated_to_the_end(cls: Any) -> None:
    """Every number of an array is updated once, however large it is and whatever its memory order"""
    some = optim.CHUNK
    for shape in ((700, some // 250), (1, 2 * some), (2 * some + 1, 1), (some + 300,), (5, 3, 70, some // 700)):
        layer, rng = layers.Layer(), np.random.default_rng(1)
        w, dw = rng.standard_normal(shape), rng.standard_normal(shape)
        expected = w - 0.5 * 0.1 * w - 0.1 * dw
        for order in ("C", "F"):
            layer.params, layer.grads = {"weight": w.copy(order=order)}, {"weight": dw}
            cls(layer, 0.1, 0.9, 0.5).step()
            same(f"w {shape}", layer.params["weight"], expected, 1e-14)


def wrong_numbers_are_named(cls: Any) -> None:
    """Rates and decay below 0, momentum outside [0, 1), a layer unknown, a step without gradients are errors of one line"""
    layer, sgd = one_weight(cls, 1.0)
    complains(RuntimeError, "weight", "backward", of=sgd.step)
    for name, value in (("lr", -0.1), ("momentum", 1.0), ("momentum", -0.1), ("weight_decay", -1.0), ("bias_lr", -2.0)):
        complains(ValueError, name, str(value), of=partial(cls, layer, **{name: value}))
    chain = layers.Sequential(conv1=layers.Conv2d(1, 1, 1), relu1=layers.ReLU(), fc2=layers.Linear(1, 1))
    complains(ValueError, "'conv2'", "did you mean conv1", "fc2", of=lambda: cls(chain, rates={"conv2": 0.1}))
    complains(ValueError, "'relu1'", of=lambda: cls(chain, rates={"relu1": 0.1}))
    complains(ValueError, "fc2", "-1", of=lambda: cls(chain, rates={"fc2": -1.0}))


SGD = Suite(
    optim.SGD,
    sgd_cases(),
    (steps_follow_the_paper, parameters_stay_where_they_are),
    (
        old_velocity_keeps_its_pace,
        the_constants_are_those_of_the_paper,
        large_arrays_are_updated_to_the_end,
        wrong_numbers_are_named,
    ),
)

check_sgd = SGD.run
