"""A recipe: all that decides what a run does, in four parts. Each key is one line here, which the TOML files, the flags and the
documents share.

A key that is None is left to the net or to the set: the net's own dropout, the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Literal

from minialex.initial import INITIALS
from minialex.nets import NETS, PRESETS
from minialex.recipes.kinds import Kind, every, layer_rates, numbers, one_of, real, switch, text, whole

above_zero = real(lambda value: value > 0, "above 0")
not_negative = real(lambda value: value >= 0, "of at least 0")
below_one = real(lambda value: 0 <= value < 1, "from 0 to below 1")


class RecipeError(ValueError):
    """A recipe that cannot be, in one line: the file or flag, the key, and what would fit."""


def key(default: Any, kind: Kind, help: str, metavar: str = "") -> Any:
    """A key of a recipe."""
    return field(default=default, metadata={"kind": kind, "help": help, "metavar": metavar})


@dataclass(frozen=True)
class NetPart:
    """[net]"""

    name: str = key("small", one_of(NETS), f"{', '.join(NETS)}", "NAME")
    preset: str | None = key(
        None, one_of(PRESETS), "for the alexnet nets: paper, or code2012 for what the 2012 code did otherwise", "NAME"
    )
    dropout: float | None = key(None, below_one, "the probability that a hidden neuron is dropped", "P")
    initial: str | None = key(None, one_of(INITIALS), "where the weights start, in place of the net's or the preset's", "NAME")
    one_bias: float | None = key(None, not_negative, "what the biases start at that start at 1 (a stuck net: 0.1)", "B")
    init_from: str | None = key(
        None, text, "begin with another run's layers, where name and shape are the same: its folder, or a checkpoint", "RUN"
    )
    init_sha256: str | None = key(None, text, "what that checkpoint's SHA-256 must be; a run writes it down", "HEX")
    norm_before_relu: bool | None = key(None, switch, "conv1: normalise before the ReLU (alexnet nets)", "BOOL")
    alpha_over_size: bool | None = key(None, switch, "divide the normalisation's alpha by its size (alexnet nets)", "BOOL")
    spatial_norm: bool | None = key(None, switch, "conv2: normalise over places, too, before pooling (alexnet nets)", "BOOL")


@dataclass(frozen=True)
class DataPart:
    """[data]"""

    set: str = key("digits", text, "digits, synthetic, cifar10, or a folder: of photos, or prepared", "SET")
    path: str | None = key(None, text, "where CIFAR-10 is, or is to be (data/cifar10)", "FOLDER")
    prepared: str | None = key(None, text, "where photos are prepared (below data/prepared)", "FOLDER")
    size: int | None = key(None, whole(8), "pixels of the squares that photos are made into (by the net: 256, or 36)", "N")
    val_share: float = key(0.2, real(lambda s: 0 < s < 1, "between 0 and 1"), "of photos without a folder val", "P")
    split_seed: int | None = key(
        None, whole(0), "which photos or digits are set aside for the test (0), whatever the run's own seed", "N"
    )
    max_bad: str = key("1%", text, "end when more photos than this cannot be read", "N|SHARE")
    crop: int | None = key(None, whole(1), "pixels of the window that the net sees (the net's own size)", "N")
    mean: Literal["image", "colour", "none"] = key("image", one_of(("image", "colour", "none")), "what is subtracted", "WHAT")
    mean_at: Literal["centre", "pixel"] = key(
        "centre", one_of(("centre", "pixel")), "the mean image's centre from every window, or each pixel's own", "WHERE"
    )
    scale: float | None = key(None, above_zero, "what the difference from the mean is divided by (digits: 8, else 1)", "S")
    mirror: bool = key(False, switch, "show half of the training images mirrored", "BOOL")
    colour_noise: float = key(0.0, not_negative, "the standard deviation of alpha; 0: no colour noise (the paper: 0.1)", "STD")
    colour_strength: Literal["code2012", "paper"] = key(
        "code2012", one_of(("code2012", "paper")), "alpha sqrt(lambda), or alpha lambda to the letter", "NAME"
    )
    colour_until: int | None = key(None, whole(1), "the last epoch with colour noise", "EPOCH")
    shrink: float = key(1.0, above_zero, "what training images are divided by while there is colour noise", "F")
    crop_chunk: int = key(1, whole(1), "how many images in a row share a window and a mirror", "N")
    shuffle: Literal["epoch", "once"] = key(
        "epoch", one_of(("epoch", "once")), "a new order each epoch, or one order for all", "WHEN"
    )


@dataclass(frozen=True)
class LearningPart:
    """[learning]"""

    epochs: int = key(15, whole(1), "how often every image is seen", "N")
    steps: int | None = key(None, whole(1), "stop after so many updates, and list the copies of the last", "N")
    batch_size: int = key(32, whole(1), "images for one update", "N")
    lr: float = key(0.03, above_zero, "the learning rate at first; later it is divided by 10, as in the paper", "RATE")
    momentum: float = key(0.9, below_one, "the share of the velocity that stays from one step to the next", "M")
    weight_decay: float = key(0.0005, not_negative, "how strongly weights are drawn to 0", "D")
    bias_lr: float | None = key(None, not_negative, "the biases' own rate as a factor of lr (1; code2012: 2)", "F")
    bias_drops: int | None = key(None, whole(0), "how many of the drops of lr the biases' rate follows (all)", "N")
    rates: tuple[str, ...] | None = key(
        None, layer_rates, "layers' own rates as factors of lr: fc8=10; after epoch 67: conv1=0.1 after 67", "LAYER=F,..."
    )
    schedule: Literal["drops", "plateau"] = key(
        "drops", one_of(("drops", "plateau")), "drops: lr falls at drop_at. plateau: when the test error stops falling", "NAME"
    )
    drop_at: tuple[float, ...] = key(
        (0.6, 0.85), numbers(above=0), "drops: after which epochs lr falls, as numbers or as shares below 1", "N,N"
    )
    patience: int = key(5, whole(1), "plateau: epochs without a new best before lr falls", "N")
    drops: int = key(3, whole(0), "plateau: how often lr may fall (the paper: 3)", "N")
    factor: float = key(10.0, real(lambda f: f > 1, "above 1"), "what lr is divided by when it falls", "F")
    seed: int = key(0, whole(0), "decides the start, the order, the windows, the dropout: the same seed, the same run", "N")


@dataclass(frozen=True)
class RunPart:
    """[run]: changes where and how fast, and no number (but for what another kind of device rounds otherwise)."""

    devices: str = key(
        "auto",
        text,
        "0,1: two GPUs, a tower on each. 0,0: both towers on one GPU. cpu,cpu: two virtual CPU devices. auto: the best of "
        "these that the machine has",
        "WHERE",
    )
    workers: int = key(2, whole(0), "threads that make batches in the background; 0: none", "N")
    tf32: bool = key(
        False, switch, "let a GPU's tensor cores round what goes into a product to ten bits (TF32): faster, less exact", "BOOL"
    )
    save_every: str = key("10min", every, "a checkpoint after so many steps (500) or so long (90s, 10min, 2h)", "N|TIME")


@dataclass(frozen=True)
class Recipe:
    """`title`: the comment at the head of its file."""

    title: str = ""
    net: NetPart = NetPart()
    data: DataPart = DataPart()
    learning: LearningPart = LearningPart()
    run: RunPart = RunPart()

    def with_keys(self, values: dict[str, Any]) -> Recipe:
        """This recipe with other values for some keys ("learning.lr"), which are known to fit."""
        parts = {
            part: replace(getattr(self, part), **{name.split(".")[1]: v for name, v in values.items() if name.startswith(part)})
            for part in PARTS
        }
        return replace(self, **parts)

    def flat(self) -> dict[str, Any]:
        """Every key and its value."""
        return {name: getattr(getattr(self, name.split(".")[0]), name.split(".")[1]) for name in KEYS}


PARTS = {"net": NetPart, "data": DataPart, "learning": LearningPart, "run": RunPart}


def _keys() -> Iterator[tuple[str, Field[Any]]]:
    for part, kind in PARTS.items():
        yield from ((f"{part}.{one.name}", one) for one in fields(kind))


KEYS: dict[str, Field[Any]] = dict(_keys())  # "learning.lr" -> its default, and metadata: kind, help, metavar
