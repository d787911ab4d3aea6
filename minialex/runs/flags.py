"""The command line of scripts/train.py: a flag for every key of a recipe, and a few of its own."""

from __future__ import annotations

import argparse
from typing import Any

from minialex.console import Parser
from minialex.recipes import KEYS, NAMES, named
from minialex.recipes.kinds import one_of, switch, text

EXAMPLES = """\
examples:
  python scripts/train.py
      real digits and a small net, on whatever this machine has: half a minute on a laptop
  python scripts/train.py --seed 1 --devices cpu,cpu --out runs/second
      another start, on two virtual CPU devices, into a folder with a name
  python scripts/train.py --devices 0,1 --recipe paper --data data/imagenet
      the paper's net and recipe on ImageNet, prepared; each tower on a GPU of its own
  python scripts/train.py --data photos/birds
      a folder of your own photos, a folder for each class in it
  python scripts/train.py --data cifar10 --download
      CIFAR-10, fetched the first time
  python scripts/train.py --data photos/birds --init-from runs/imagenet-alexnet-1 --lr 0.001 --rates fc8=10
      the same, beginning with what another run has learned; fc8, which has other classes, is new and learns faster
  python scripts/train.py --resume auto
      the newest run in runs/ goes on where it was, whatever stopped it
  python scripts/train.py --net alexnet --data synthetic --steps 2
      two steps of the paper's net: its table, what crosses between the towers, its speed

A run can be stopped at any time (Ctrl-C), killed, or lose its power: --resume goes on as if nothing had happened.
"""
GROUPS = {
    "what learns from what, and where": ("net.name", "data.set", "run.devices", "net.preset", "net.dropout"),
    "how it learns": tuple(name for name in KEYS if name.startswith("learning.")),
    "what the net is shown": tuple(name for name in KEYS if name.startswith("data.") and name != "data.set"),
    "how the net starts": (
        "net.init_from",
        "net.init_sha256",
        "net.initial",
        "net.one_bias",
        "net.norm_before_relu",
        "net.alpha_over_size",
        "net.spatial_norm",
    ),
    "how it runs": ("run.workers", "run.tf32", "run.save_every"),
}
FLAGS = {"net.name": "--net", "data.set": "--data", "data.path": "--data-path"}


def flag_of(key: str) -> str:
    """ "learning.batch_size" -> "--batch-size"."""
    return FLAGS.get(key) or "--" + key.split(".")[1].replace("_", "-")


def parser() -> Parser:
    """The flags. Those for a recipe's keys have no defaults: what is not given is the recipe's."""
    top = Parser(
        prog="train.py",
        description="Train a net whose two towers live on two devices. With no flags: a small one, on scikit-learn's 1797\n"
        "real handwritten digits, on whatever devices this machine has.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    recipes = top.add_argument_group("the recipe: all that the flags below leave open")
    recipes.add_argument(
        "--recipe",
        type=one_of(NAMES).read,
        metavar="NAME",
        help=f"{', '.join(NAMES)} (default: by the data and the net)",
    )
    recipes.add_argument("--config", type=text.read, metavar="FILE", help="a recipe of your own (TOML); see docs/recipes.md")
    digits, paper = named("digits").flat(), named("paper").flat()
    for title, keys in GROUPS.items():
        group = top.add_argument_group(title)
        for key in keys:
            about = KEYS[key].metadata
            alone: dict[str, Any] = {"nargs": "?", "const": True} if about["kind"] is switch else {}
            same = digits[key] == paper[key] or not key.startswith("learning.")
            values = f"default: {_shown(digits[key])}" + ("" if same else f" for small, {_shown(paper[key])} for the paper's")
            group.add_argument(
                flag_of(key),
                dest=key,
                type=about["kind"].read,
                metavar=about["metavar"],
                help=about["help"] + (f" ({values})" if digits[key] is not None else ""),
                **alone,
            )
        if title.startswith("what learns"):
            group.add_argument("--download", action="store_true", help="fetch CIFAR-10 (170 MB) if it is not there")
    out = top.add_argument_group("what stays")
    out.add_argument("--out", metavar="FOLDER", help="a new folder for the results (default: runs/DATA-NET-1, -2, ...)")
    out.add_argument(
        "--resume",
        type=text.read,
        metavar="auto|PATH",
        help="go on with the run in this folder, or from this checkpoint. auto: with the one in --out, or the newest in runs/, "
        "from its newest good checkpoint; where there is none, a new run begins",
    )
    out.add_argument(
        "--trace",
        type=text.read,
        metavar="FILE",
        help="the timeline of a few steps (layers, copies, waiting, the loader), for https://ui.perfetto.dev; and, among the "
        "results, timeline.png",
    )
    return top


def asked_for(flags: argparse.Namespace) -> dict[str, Any]:
    """The recipe's keys that were given as flags, and their values."""
    return {key: value for key, value in vars(flags).items() if key in KEYS and value is not None}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    text = ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("%", "%%")
