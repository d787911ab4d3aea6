"""What is true of every layer: its numbers are right, and it has manners.

NUMBERS: forward and backward follow the definition, and pass the gradient checks. MANNERS: dtypes, memory, errors.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minialex.gradcheck import check_layer
from tests.checks.suite import Property, complains, copies, gradients, same
from tests.strategies import Case, lay_out


def forward_follows_the_definition(cls: Any, case: Case) -> None:
    """Forward equals the loops of the specification, in any memory order"""
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5)):
        layer, x = case.layer(cls, dtype), case.x(dtype)
        expected = case.expected(x.astype(np.float64), {k: v.astype(np.float64) for k, v in layer.params.items()})
        same("y", layer.forward(x), expected, tolerance)


def backward_follows_the_definition(cls: Any, case: Case) -> None:
    """Backward equals the loops of the specification, in any memory order"""
    for dtype, tolerance in ((np.float64, 1e-11), (np.float32, 5e-5)):
        layer, x = case.layer(cls, dtype), case.x(dtype)
        dy = case.dy(layer.forward(x).shape, dtype)
        params = {k: v.astype(np.float64) for k, v in layer.params.items()}
        expected = case.expected_gradients(dy.astype(np.float64), x.astype(np.float64), params)
        received = gradients(layer, layer.backward(dy))
        assert set(received) == set(expected), f"gradients of {set(received)}, expected {set(expected)}"
        for name, gradient in expected.items():
            same(name, received[name], gradient, tolerance)


def gradients_pass_central_differences(cls: Any, case: Case) -> None:
    """Every gradient equals the slope that moving x and the parameters shows"""
    check_layer(case.layer(cls), case.x(), seed=case.seed, tolerance=1e-6, method="central")


def gradients_pass_complex_steps(cls: Any, case: Case) -> None:
    """Every gradient equals the slope along an imaginary step, to ten digits"""
    check_layer(case.layer(cls), case.x(), seed=case.seed, tolerance=1e-10, method="complex")


def dtypes_are_kept(cls: Any, case: Case) -> None:
    """y and dx have x's dtype, and each gradient that of its parameter"""
    for dtype in (np.float32, np.float64):
        for state in (np.float32, np.float64):
            layer, x = case.layer(cls, state), case.x(dtype)
            y = layer.forward(x)
            assert y.dtype == dtype, f"y is {y.dtype} for {x.dtype} input"
            dx = layer.backward(case.dy(y.shape, dtype))
            assert dx.dtype == dtype, f"dx is {dx.dtype} for {x.dtype} input and upstream gradient"
            for name, gradient in layer.grads.items():
                assert gradient.dtype == state, f"grads[{name!r}] is {gradient.dtype}, the parameter is {np.dtype(state)}"


def arguments_stay_as_they_are(cls: Any, case: Case) -> None:
    """Forward and backward change neither x, nor dy, nor a parameter, nor what they returned before"""
    layer, x = case.layer(cls), case.x().copy(order="K")  # writeable: a read-only one is what all other properties give
    before, params = x.copy(), copies(layer.params)
    y = layer.forward(x)
    first_y, dy = np.array(y), case.dy(y.shape).copy(order="K")
    upstream = dy.copy()
    received = gradients(layer, layer.backward(dy))
    first = copies(received)
    layer.forward(case.dy(x.shape, draw=1))
    layer.backward(case.dy(y.shape, draw=2))
    for what, now, then in (("x", x, before), ("dy", dy, upstream), ("y, returned before,", y, first_y)):
        same(what, now, then)
    for name, value in params.items():
        same(name, layer.params[name], value)
    for name, value in first.items():
        same(f"{name}, returned before,", received[name], value)


def a_test_pass_can_be_run_backwards(cls: Any, case: Case) -> None:
    """Backward works after forward(train=False), and gives the same where training makes no difference"""
    results = []
    for train in (True, False):
        layer = case.layer(cls)
        y = layer.forward(case.x(), train=train)
        results.append({"y": y} | gradients(layer, layer.backward(case.dy(y.shape))))
    for name, value in results[0].items():
        same(name, results[1][name], value)


def backward_can_be_repeated(cls: Any, case: Case) -> None:
    """A second backward pass gives the same gradients, bit for bit: nothing adds up"""
    layer = case.layer(cls)
    dy = case.dy(layer.forward(case.x()).shape)
    first = copies(gradients(layer, layer.backward(dy)))
    second = gradients(layer, layer.backward(dy))
    for name, value in first.items():
        same(f"{name}, the second time,", second[name], value)


def backward_is_linear(cls: Any, case: Case) -> None:
    """backward(2 dy - 3 dz) = 2 backward(dy) - 3 backward(dz)"""
    layer = case.layer(cls)
    shape = layer.forward(case.x()).shape
    dy, dz = case.dy(shape, draw=1), case.dy(shape, draw=2)
    a = copies(gradients(layer, layer.backward(dy)))
    b = copies(gradients(layer, layer.backward(dz)))
    both = gradients(layer, layer.backward(lay_out(2 * dy - 3 * dz, case.dy_order)))
    for name, gradient in both.items():
        same(name, gradient, 2 * a[name] - 3 * b[name], 1e-11)


def a_batch_is_the_sum_of_its_samples(cls: Any, case: Case) -> None:
    """Each image has its own y and dx, and the parameters' gradients are the sum over the images"""
    layer, x = case.layer(cls), case.x()
    y = np.array(layer.forward(x))
    dy = case.dy(y.shape)
    whole = copies(gradients(layer, layer.backward(dy)))
    total = {name: np.zeros_like(value) for name, value in whole.items() if name != "dx"}
    for n in range(len(x)):
        same(f"y of image {n}", layer.forward(x[n : n + 1]), y[n : n + 1], 1e-12)
        dx = layer.backward(dy[n : n + 1])
        same(f"dx of image {n}", dx, whole["dx"][n : n + 1], 1e-11)
        for name, value in gradients(layer, dx).items():
            if name != "dx":
                total[name] += value
    for name, value in total.items():
        same(name, whole[name], value, 1e-11)


def output_shape_is_foretold(cls: Any, case: Case) -> None:
    """output_shape(x.shape) is y's shape, in plain ints"""
    layer = case.layer(cls)
    foretold, y = layer.output_shape(case.shape), layer.forward(case.x())
    assert foretold == y.shape, f"output_shape says {foretold}, forward gives {y.shape}"
    assert [type(size) for size in foretold] == [int] * len(y.shape), f"output_shape says {foretold!r}, expected plain ints"


def misfits_are_named(cls: Any, case: Case) -> None:
    """backward before forward, and a dy of another shape, are errors of one line"""
    layer, x = case.layer(cls), case.x()
    shape = layer.output_shape(x.shape)
    complains(RuntimeError, "forward", of=lambda: layer.backward(case.dy(shape)))
    layer.forward(x)
    for wrong in ((shape[0] + 1, *shape[1:]), (*shape[:-1], shape[-1] + 1), (*shape, 1)):
        complains(ValueError, str(shape), str(wrong), of=partial(layer.backward, case.dy(wrong)))


def other_devices_agree(cls: Any, case: Case, device: Any) -> None:
    """The layer computes the same wherever its arrays live: y and gradients stay there and match NumPy's in float64"""
    layer = case.layer(cls)
    y = layer.forward(case.x())
    expected = {"y": y} | gradients(layer, layer.backward(case.dy(y.shape)))
    for dtype, tolerance in ((np.float64, 1e-11), (np.float32, 5e-5)):
        with device:
            layer = case.layer(cls, dtype, device.put)
            there = layer.forward(case.x(dtype, device.put))
            received = {"y": there} | gradients(layer, layer.backward(case.dy(y.shape, dtype, device.put)))
        for name, value in expected.items():
            assert type(received[name]) is type(device.put(np.zeros(1))), f"{name} is a {type(received[name])}"
            assert received[name].dtype == dtype, f"{name} is {received[name].dtype}"
            same(name, device.get(received[name]), value, tolerance)


NUMBERS: tuple[Property, ...] = (  # what a layer computes
    forward_follows_the_definition,
    backward_follows_the_definition,
    backward_is_linear,
    a_batch_is_the_sum_of_its_samples,
    gradients_pass_complex_steps,
    gradients_pass_central_differences,
)
MANNERS: tuple[Property, ...] = (  # how it treats those who use it
    output_shape_is_foretold,
    dtypes_are_kept,
    arguments_stay_as_they_are,
    a_test_pass_can_be_run_backwards,
    backward_can_be_repeated,
    misfits_are_named,
)
