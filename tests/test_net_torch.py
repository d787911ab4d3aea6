"""Whole two-tower nets, judged by PyTorch's automatic differentiation in float64: logits, and the gradient of every parameter.

The twins below are written in torch's functions from the paper's figure 2. torch divides LRN's alpha by n, the paper does not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.arrays import Array
from minialex.devices import parse_devices
from minialex.devices.strict import raw
from minialex.layers import LocalResponseNorm
from minialex.net import Net
from minialex.nets import alexnet, small_towers
from tests.narrow import Narrow, narrow_nets, one_in
from tests.twins import agree

torch = pytest.importorskip("torch", reason="PyTorch is not installed: it judges the nets")
F = torch.nn.functional

Tensors = dict[str, Any]


def norm(x: Any, alpha: float, over_size: bool = False) -> Any:
    """LRN within one tower's maps, n = 5."""
    return F.local_response_norm(x, 5, alpha=alpha if over_size else 5 * alpha, beta=0.75, k=2.0)


def over_places(x: Any, alpha: float) -> Any:
    """The 2012 code's cnorm2: the mean of 25 squares, zeros around the image counted."""
    return x / (1.0 + alpha * F.avg_pool2d(x * x, 5, stride=1, padding=2)) ** 0.75


def pool(x: Any, ceil_mode: bool = False) -> Any:
    return F.max_pool2d(x, 3, 2, ceil_mode=ceil_mode)


def conv(w: Tensors, name: str, x: Any, stride: int = 1, padding: int = 1) -> Any:
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=stride, padding=padding)


def full(w: Tensors, name: str, x: Any) -> Any:
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def alexnet_twin(w: Tensors, x: Any, *, alpha: float = 1e-4, spatial_alpha: float = 1e-3, preset: str = "paper") -> Any:
    """Figure 2. Padding on the right and below makes 55 places of 224 pixels."""
    lrn = partial(norm, alpha=alpha, over_size=preset == "code2012")
    x = F.pad(x, (0, 3, 0, 3))
    halves = []
    for t in (0, 1):
        h = conv(w, f"conv1.{t}", x, stride=4, padding=0)
        h = pool(lrn(F.relu(h))) if preset == "paper" else F.relu(pool(lrn(h)))
        h = conv(w, f"conv2.{t}", h, padding=2)
        h = lrn(F.relu(h))
        halves.append(pool(over_places(h, spatial_alpha) if preset == "code2012" else h))
    both, halves = torch.cat(halves, 1), []
    for t in (0, 1):
        h = F.relu(conv(w, f"conv3.{t}", both))
        h = F.relu(conv(w, f"conv4.{t}", h))
        halves.append(pool(F.relu(conv(w, f"conv5.{t}", h))).flatten(1))
    for name in ("fc6", "fc7"):
        both, halves = torch.cat(halves, 1), []
        for t in (0, 1):
            halves.append(F.relu(full(w, f"{name}.{t}", both)))
    return full(w, "fc8", torch.cat(halves, 1))


def small_twin(w: Tensors, x: Any, *, alpha: float) -> Any:
    """The small net: two convolutions apart, conv3 and fc4 seeing both, fc5 on one device."""
    halves = []
    for t in (0, 1):
        h = norm(F.relu(conv(w, f"conv1.{t}", x)), alpha)
        h = norm(F.relu(conv(w, f"conv2.{t}", h)), alpha)
        halves.append(pool(h, ceil_mode=True))
    both, halves = torch.cat(halves, 1), []
    for t in (0, 1):
        halves.append(pool(F.relu(conv(w, f"conv3.{t}", both)), ceil_mode=True).flatten(1))
    both, halves = torch.cat(halves, 1), []
    for t in (0, 1):
        halves.append(F.relu(full(w, f"fc4.{t}", both)))
    return full(w, "fc5", torch.cat(halves, 1))


def judge(net: Net, twin: Callable[[Tensors, Any], Any], images: Array, dlogits: Array) -> None:
    """Logits and every gradient agree to 1e-9 of the largest number in their array."""
    logits = net.forward(images, train=True)
    net.backward(dlogits)
    w = {name: torch.from_numpy(raw(value)).requires_grad_() for name, value in net.params.items()}
    verdict = twin(w, torch.from_numpy(images))
    verdict.backward(torch.from_numpy(dlogits))
    ours = {name: raw(value) for name, value in net.grads.items()} | {"logits": logits}
    theirs = {name: value.grad.numpy() for name, value in w.items()} | {"logits": verdict.detach().numpy()}
    assert {value.dtype for value in theirs.values()} == {np.dtype(np.float64)}
    agree("gradient (or logits) of", {"torch": theirs, "minialex": ours}, 1e-9)


@one_in(4)
@given(narrow=narrow_nets(dropout=0.0), text=st.sampled_from(["cpu,cpu", "cpu"]))
def test_alexnets_page_at_any_width(narrow: Narrow, text: str) -> None:
    twin = partial(alexnet_twin, alpha=narrow.alpha, spatial_alpha=narrow.alpha, preset=narrow.preset)
    judge(narrow.towers(parse_devices(text)), twin, narrow.images(), narrow.dlogits())


@one_in(4)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(8, 13), st.integers(8, 13)),
    maps=st.integers(1, 4),
    hidden=st.integers(1, 5),
    N=st.integers(1, 3),
    alpha=st.sampled_from([1e-4, 0.5, 1.0]),
    seed=st.integers(0, 9999),
)
def test_the_small_net(shape: tuple[int, int, int], maps: int, hidden: int, N: int, alpha: float, seed: int) -> None:
    net = small_towers(
        parse_devices("cpu,cpu"), 4, seed, input_shape=shape, maps=maps, hidden=hidden, dropout=0.0, dtype=np.float64
    )
    for _, _, layer in net.layers():
        if isinstance(layer, LocalResponseNorm):
            layer.alpha = alpha
    rng = np.random.default_rng(seed)
    judge(net, partial(small_twin, alpha=alpha), rng.standard_normal((N, *shape)), rng.standard_normal((N, 4)))


def test_the_papers_net_at_full_width() -> None:
    net = alexnet(parse_devices("cpu,cpu"), dropout=0.0, dtype=np.float64)
    rng = np.random.default_rng(0)
    judge(net, alexnet_twin, 50 * rng.standard_normal((1, 3, 224, 224)), rng.standard_normal((1, 1000)))
