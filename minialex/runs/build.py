"""From a recipe to what it speaks of: the data, the net, the batches, the update rule, the learning rate."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minialex.arrays import Shape
from minialex.console import Refused
from minialex.data import DataError, Source, open_data
from minialex.data.sets import NAMES as SETS
from minialex.data.views import CentreCrop
from minialex.devices import DeviceError, allow_tf32, parse_devices
from minialex.initial import INITIALS
from minialex.memory import plan, refuse_if_too_large
from minialex.net import Net
from minialex.nets import NETS, PRESETS, Preset
from minialex.optim import SGD
from minialex.recipes import DataPart, NetPart, Recipe, named
from minialex.recipes.kinds import Rate, rate
from minialex.runs.code2012 import Batches2012
from minialex.training import Epoch, Schedule, plateau, step_down

SMALL_SIDE = 32  # of the images that the nets which are not AlexNet see of larger pictures


def default_recipe(data: str | None, net: str | None) -> Recipe:
    """The recipe for this data and this net, where none is asked for: the net decides how to learn, the set what is shown."""
    is_folder = data is not None and data not in SETS
    net = net or {None: "small", "digits": "small", "synthetic": "small", "cifar10": "cifar10"}.get(data, "alexnet")
    is_alexnet = net.startswith("alexnet")
    base = named("photos" if is_folder else "paper") if is_alexnet else named("cifar10" if net == "cifar10" else "digits")
    if is_folder:
        shown = replace(base.data if is_alexnet else DataPart(mirror=True), set=str(data))
    else:
        shown = named("cifar10").data if data == "cifar10" else DataPart(set=data or "digits")
    if net == "small" and (is_folder or data == "cifar10"):
        shown = replace(shown, scale=64.0)  # its start (He et al.) is made for inputs of about 1, and pixels are 0..255
    learning = replace(base.learning, epochs=1) if data == "synthetic" else base.learning
    if net == "small" and is_folder:  # few photos want smaller steps than the digits, and more of them
        learning = replace(named("photos").learning, batch_size=16)
    return replace(base, net=replace(base.net, name=net), data=shown, learning=learning)


def net_side(recipe: Recipe) -> int | None:
    """The side of the images that the recipe's net takes; None where the net takes any."""
    return None if recipe.net.name == "small" else 32 if recipe.net.name == "cifar10" else 224


def open_source(recipe: Recipe, *, download: bool = False, say: Callable[[str], None] = print) -> Source:
    """The recipe's data. Raises DataError."""
    data, side = recipe.data, net_side(recipe)
    if data.prepared is not None and (found := _prepared_before(data.prepared)):
        return found
    size = data.size or (256 if side == 224 else SMALL_SIDE + 4)
    # only synthetic images take their shape and classes from the net
    shape = (1, 8, 8) if side is None else (3, side, side)
    return open_data(
        data.set, path=data.path, download=download, seed=split_seed(recipe), image_shape=shape,
        classes=1000 if side == 224 else 10, size=size, prepared=data.prepared, val_share=data.val_share,
        max_bad=data.max_bad, say=say,
    )  # fmt: skip


def split_seed(recipe: Recipe) -> int:
    """What decides the split: not the run's own seed, lest one of several runs learn what tests another."""
    if recipe.data.split_seed is not None:
        return recipe.data.split_seed
    return recipe.learning.seed if recipe.data.set == "synthetic" else 0


def _prepared_before(folder: str) -> Source | None:
    try:
        return open_data(folder)
    except DataError:
        return None


def crop_of(recipe: Recipe, source: Source) -> int | None:
    """The side of the window that the net sees; None for the whole image."""
    _, H, W = source.dataset.image_shape
    side = net_side(recipe) or (SMALL_SIDE if SMALL_SIDE < min(H, W) <= 48 else None)
    return recipe.data.crop or (side if side is not None and min(H, W) > side else None)


def test_view(recipe: Recipe, source: Source) -> CentreCrop:
    """What the net sees of an image when it is tested. Raises DataError."""
    data = recipe.data
    return source.test_view(crop_of(recipe, source), mean=data.mean, mean_at=data.mean_at, scale=data.scale)


def make_batches(recipe: Recipe, source: Source) -> Batches2012:
    """The training images, as the recipe shows them. Raises DataError, Refused."""
    data, learning, train = recipe.data, recipe.learning, source.dataset.train
    if learning.batch_size > len(train):
        raise Refused(
            f"--batch-size {learning.batch_size} is more than the {len(train)} training images of --data {source.dataset.name}"
        )
    coloured, plain = (
        source.train_view(
            crop_of(recipe, source), mean=data.mean, mean_at=data.mean_at, scale=data.scale, mirror=data.mirror,
            colour_noise=noise, colour_strength=data.colour_strength, shrink=data.shrink if noise else 1.0,
        )
        for noise in (data.colour_noise, 0.0)
    )  # fmt: skip
    return Batches2012(
        train, learning.batch_size, coloured, learning.seed, workers=recipe.run.workers,
        plain=plain, colour_until=data.colour_until, crop_chunk=data.crop_chunk, one_order=data.shuffle == "once",
    )  # fmt: skip


def make_net(recipe: Recipe, source: Source) -> Net:
    """The recipe's net for this data, on its devices. Raises Refused, also where its steps would not fit into memory."""
    part, accepted = recipe.net, inspect.signature(NETS[recipe.net.name]).parameters
    shown = test_view(recipe, source)
    shape: Shape = (source.dataset.image_shape[0], *shown.crop)
    options = _options(part, accepted)
    options["num_classes"] = len(source.dataset.classes)
    if "input_shape" in accepted:
        options["input_shape"] = shape
    try:
        devices = parse_devices(recipe.run.devices)
        if recipe.run.tf32 and devices[0].name.startswith("cpu"):
            raise Refused("--tf32 is for NVIDIA GPUs, and this run is on the CPU; leave it out")
        if recipe.run.tf32:
            allow_tf32()
        net = NETS[part.name](devices, seed=recipe.learning.seed, **options)
    except DeviceError as error:
        raise Refused(str(error)) from None
    except ValueError as error:
        raise Refused(f"--net {part.name}: {error}") from None
    except MemoryError:
        raise Refused(f"--net {part.name}: there is not enough memory for its parameters") from None
    if shape != net.input_shape:
        raise Refused(
            f"--net {part.name} takes images of {by(net.input_shape)}, and --data {source.dataset.name} has {by(shape)}; "
            f"try --net small, or --data synthetic"
        )
    refuse_if_too_large(plan(net, recipe.learning.batch_size))
    return with_biases(net, part.one_bias)


def _options(part: NetPart, accepted: Any) -> dict[str, Any]:
    """The arguments that the recipe gives the net; Refused where the net has no such thing."""
    if "preset" in accepted:
        options: dict[str, Any] = {"preset": preset(part)}
    else:
        options = {}
        for name in ("preset", "initial", "norm_before_relu", "alpha_over_size", "spatial_norm", "one_bias"):
            if getattr(part, name) is not None:
                flag = f"--{name.replace('_', '-')}"
                raise Refused(f"{flag} does not go with --net {part.name}, only with {_nets_with('preset')}")
    if part.dropout is not None:
        if "dropout" not in accepted:
            raise Refused(f"--dropout does not go with --net {part.name}, only with {_nets_with('dropout')}")
        options["dropout"] = part.dropout
    return options


def _nets_with(argument: str) -> str:
    return ", ".join(net for net, make in NETS.items() if argument in inspect.signature(make).parameters)


def preset(part: NetPart) -> str:
    """The name of the preset that these keys ask for; a mixture of one's own joins the others under a name that says it."""
    base = PRESETS[part.preset or "paper"]
    mixed = Preset(
        INITIALS[part.initial] if part.initial is not None else base.initial,
        base.alpha_over_size if part.alpha_over_size is None else part.alpha_over_size,
        base.norm_before_relu if part.norm_before_relu is None else part.norm_before_relu,
        base.spatial_norm if part.spatial_norm is None else part.spatial_norm,
    )
    known = next((name for name, one in PRESETS.items() if one == mixed), None)
    if known is None:
        switches = ", ".join(
            f"{name}={getattr(mixed, name)}" for name in ("alpha_over_size", "norm_before_relu", "spatial_norm")
        )
        known = f"{part.initial}, {switches}"
        PRESETS[known] = mixed
    return known


def with_biases(net: Net, value: float | None) -> Net:
    """The net, its biases that start at 1 set to `value`."""
    if value is not None:
        state = net.state_dict()
        ones = {name: v for name, v in state.items() if name.endswith(".bias") and (v == 1).all()}
        net.load_state_dict(state | {name: np.full_like(v, value) for name, v in ones.items()})
    return net


def make_optimizer(recipe: Recipe, net: Net) -> SGD:
    """The update rule at the recipe's first rates. Raises Refused where a layer is none of the net's."""
    learning = recipe.learning
    try:
        sgd = SGD(
            net, learning.lr, learning.momentum, learning.weight_decay,
            bias_lr=bias_factor(recipe), rates={one.layer: one.factor for one in _rates(recipe)},
        )  # fmt: skip
    except ValueError as error:
        raise Refused(f"--{str(error).removeprefix('SGD: ')}") from None
    sgd.rates = factors(recipe, 0)
    return sgd


def _rates(recipe: Recipe) -> list[Rate]:
    """The layers' own rates, the earlier ones first."""
    return sorted(map(rate, recipe.learning.rates or ()), key=lambda one: one.after)


def factors(recipe: Recipe, epochs: int) -> dict[str, float]:
    """The layers' own rates as factors of lr, once so many epochs are over."""
    return {one.layer: one.factor for one in _rates(recipe) if one.after <= epochs}


def bias_factor(recipe: Recipe) -> float:
    """The biases' first rate over lr."""
    if recipe.learning.bias_lr is not None:
        return recipe.learning.bias_lr
    return 2.0 if recipe.net.preset == "code2012" else 1.0


def make_schedule(recipe: Recipe, optimizer: SGD) -> Schedule:
    """The rate, epoch by epoch; the biases' and the layers' own are set in the optimizer at the same time."""
    learning = recipe.learning
    if learning.schedule == "plateau":
        of_all = plateau(learning.lr, learning.patience, learning.drops, learning.factor)
    else:
        of_all = step_down(learning.lr, learning.epochs, learning.drop_at, learning.factor)

    def schedule(done: Sequence[Epoch]) -> float:
        lr = of_all(done)
        if learning.bias_drops is not None:
            fallen = round(float(np.log(learning.lr / lr) / np.log(learning.factor)))
            optimizer.bias_lr = bias_factor(recipe) * learning.factor ** max(0, fallen - learning.bias_drops)
        optimizer.rates = factors(recipe, len(done))
        return lr

    return schedule


def by(shape: Sequence[int]) -> str:
    """3 x 224 x 224."""
    return " x ".join(map(str, shape))
