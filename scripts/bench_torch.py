"""bench.py's other contestant: the same net in PyTorch, in a process of its own. Not for people: bench.py starts it.

The net is built from plain data (minialex.bench.places.describe): towers are separate modules, their maps are joined by
torch.cat, and normalisation stays within a tower. PyTorch divides LRN's alpha by its size, so alpha is given to it times the
size. Whatever makes PyTorch faster without changing the function is done: the padding of conv1 is taken symmetrical where
that gives as many places (a separate padding layer would cost a copy), ReLU works in place, the optimizer is the fused one.
"""

# mypy: allow-subclassing-any, allow-untyped-calls

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from minialex.bench.serve import Answer, memory, serve
from minialex.bench.workload import ROUNDS, rounds_in_a_row


class Norm(nn.Module):
    """LRN as minialex's, within each of `groups` slices of the channels."""

    def __init__(self, size: int, alpha: float, beta: float, k: float, alpha_over_size: bool, groups: int) -> None:
        super().__init__()
        self.size, self.beta, self.k, self.groups = size, beta, k, groups
        self.alpha = alpha if alpha_over_size else alpha * size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.chunk(self.groups, 1) if self.groups > 1 else (x,)
        normed = [F.local_response_norm(part, self.size, self.alpha, self.beta, self.k) for part in parts]
        return torch.cat(normed, 1) if self.groups > 1 else normed[0]


class Net(nn.Module):
    """The stages in order. `side`: height and width of the images. exact: keep conv1's padding as it is."""

    def __init__(self, spec: list[dict[str, Any]], side: tuple[int, int], exact: bool = False) -> None:
        super().__init__()
        self.copies: list[int] = []
        self.stages = nn.ModuleList()
        for stage in spec:
            towers: Any = [nn.Sequential(*module_list(tower, side, exact)) for tower in stage.get("towers", [])]
            self.stages.append(nn.ModuleList(towers))
            self.copies.append(stage.get("copies", 0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        xs = [x]
        for n, copies in enumerate(self.copies):
            towers: Any = self.stages[n]
            if copies:
                xs = [xs[0] if len(xs) == 1 else torch.cat(xs, 1)] * copies
            else:
                xs = [tower(x) for tower, x in zip(towers, xs, strict=True)]
        return xs[0]


def module_list(layers: list[dict[str, Any]], side: tuple[int, int], exact: bool) -> list[nn.Module]:
    """A tower's modules; only its first layer can see the images and so know their side."""
    return [part for layer in layers for part in modules(layer, side, exact)]


def modules(layer: dict[str, Any], side: tuple[int, int], exact: bool) -> list[nn.Module]:
    """One layer as PyTorch has it: one module, or two where padding must be its own."""
    match layer["kind"]:
        case "Conv2d":
            made = convolution(layer, side, exact)
        case "Linear":
            made = [nn.Linear(layer["in_features"], layer["out_features"])]
        case "MaxPool2d" | "AvgPool2d":
            top, bottom, left, right = layer["padding"]
            if (top, left) != (bottom, right):
                raise ValueError("PyTorch's pooling takes no padding on one side only")
            kind = nn.MaxPool2d if layer["kind"] == "MaxPool2d" else partial(nn.AvgPool2d, count_include_pad=False)
            made = [kind(tuple(layer["kernel_size"]), tuple(layer["stride"]), (top, left), ceil_mode=layer["ceil_mode"])]
        case "LocalResponseNorm":
            made = [Norm(*(layer[key] for key in ("size", "alpha", "beta", "k", "alpha_over_size", "groups")))]
        case "ReLU":
            made = [nn.ReLU(inplace=True)]
        case "Dropout":
            made = [nn.Dropout(layer["p"])]
        case "Tanh" | "Sigmoid" | "Flatten":
            made = [getattr(nn, layer["kind"])()]
        case other:
            raise ValueError(f"no PyTorch module for {other}")
    return made


def convolution(layer: dict[str, Any], side: tuple[int, int], exact: bool) -> list[nn.Module]:
    """Padding that differs from side to side becomes a symmetrical one of the same effect, or a module of its own."""
    top, bottom, left, right = layer["padding"]
    before: list[nn.Module] = []
    padding = (top, left)
    if (top, left) != (bottom, right):
        like = None if exact else symmetrical(layer, side)
        before, padding = ([], like) if like else ([nn.ZeroPad2d((left, right, top, bottom))], (0, 0))
    kernel, stride = tuple(layer["kernel_size"]), tuple(layer["stride"])
    return [*before, nn.Conv2d(layer["in_channels"], layer["out_channels"], kernel, stride, padding, groups=layer["groups"])]


def symmetrical(layer: dict[str, Any], side: tuple[int, int]) -> tuple[int, int] | None:
    """The padding on both sides that gives as many places as the layer's own, if there is one."""
    top, bottom, left, right = layer["padding"]
    found = []
    for size, sides, kernel, stride in zip(
        side, (top + bottom, left + right), layer["kernel_size"], layer["stride"], strict=True
    ):
        places = (size + sides - kernel) // stride
        fitting = [p for p in range(sides + 1) if (size + 2 * p - kernel) // stride == places]
        if not fitting:
            return None
        found.append(fitting[0])
    return found[0], found[1]


class Contestant:
    """The requests, each a method; `build` comes first."""

    def build(
        self,
        spec: list[dict[str, Any]],
        input_shape: list[int],
        num_classes: int,
        batch_size: int,
        compiled: bool = False,
        channels_last: bool = False,
        device: str = "cpu",
        tf32: bool = False,
    ) -> Answer:
        """The net, a random batch, and an optimizer with the paper's update (weight decay on weights only)."""
        torch.manual_seed(0)
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        self.device = torch.device(device)
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        C, H, W = input_shape
        self.spec, self.batch_size, self.input_shape = spec, batch_size, input_shape
        net: Any = Net(spec, (H, W))
        self.net = net.to(self.device, memory_format=self.format)
        self.images = torch.randn(batch_size, C, H, W, device=self.device).to(memory_format=self.format)
        self.labels = torch.randint(0, num_classes, (batch_size,), device=self.device)
        self.run: Any = torch.compile(self.net) if compiled else self.net
        weights = [value for name, value in self.net.named_parameters() if name.endswith("weight")]
        biases = [value for name, value in self.net.named_parameters() if name.endswith("bias")]
        groups = [{"params": weights, "weight_decay": 0.0005}, {"params": biases, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9, fused=True)
        return {"threads": torch.get_num_threads(), "version": torch.__version__}

    def steps(self, count: int = 1) -> Answer:
        self.net.train()
        return {"seconds": [self.timed(self.step) for _ in range(count)]}

    def infer(self, count: int = 1) -> Answer:
        self.net.eval()
        with torch.inference_mode():
            return {"seconds": [self.timed(lambda: self.run(self.images)) for _ in range(count)]}

    def layer(self, layers: list[dict[str, Any]], shapes: list[list[int]], outs: list[list[int]], reads: bool) -> Answer:
        """Forward and backward of these layers alone, one after another, each with all threads, as often in a row as ours."""
        given: list[Any] = []
        for layer, shape, out in zip(layers, shapes, outs, strict=True):
            side = (shape[2], shape[3]) if len(shape) == 4 else (0, 0)
            module: Any = nn.Sequential(*modules(layer, side, False))
            module = module.to(self.device, memory_format=self.format)
            x, dy = (self.laid_out(torch.randn(size, device=self.device)) for size in (shape, out))
            given.append((module, x.requires_grad_(reads or not list(module.parameters())), dy))

        def both() -> None:
            for module, x, dy in given:
                x.grad = None
                module.zero_grad(set_to_none=True)
                # an in-place ReLU must not write into x, which is asked for its gradient
                y = F.relu(x) if isinstance(module[0], nn.ReLU) else module(x)
                y.backward(dy)

        def rounds(count: int) -> None:
            for _ in range(count):
                both()

        rounds(2)
        count = rounds_in_a_row(self.timed(lambda: rounds(ROUNDS)) / ROUNDS)
        return {"seconds": [self.timed(lambda: rounds(count)) / count]}

    def memory(self) -> Answer:
        on_gpu = {"gpu_peak": torch.cuda.max_memory_allocated(self.device)} if self.device.type == "cuda" else {}
        return memory() | on_gpu

    def step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.run(self.images), self.labels).backward()
        self.optimizer.step()

    def timed(self, work: Any) -> float:
        start = time.perf_counter()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - start

    def laid_out(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(memory_format=self.format) if x.ndim == 4 else x


def main() -> None:
    contestant = Contestant()
    serve({name: getattr(contestant, name) for name in ("build", "steps", "infer", "layer", "memory")})


if __name__ == "__main__":
    main()
