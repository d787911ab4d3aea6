"""Train a net from the command line: `python scripts/train.py --help`.

A thin layer over minialex.training: it reads the flags, says what happens, and fills the run's folder.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from time import perf_counter

from minialex.console import Parser, Progress, Refused, ctrl_c, duration, one_of, progress, real, whole
from minialex.data import Dataset, Minibatches, digits, synthetic
from minialex.devices import DeviceError, choose, parse_devices
from minialex.evaluation import evaluate
from minialex.net import Net
from minialex.nets import NETS, PRESETS
from minialex.optim import SGD
from minialex.runs import Run
from minialex.summary import megabytes
from minialex.training import Epoch, NonFiniteLoss, Step, drop_epochs, step_down, train

FEW = 20  # with no more steps than this asked for, each is worth a line

EXAMPLES = """\
examples:
  python scripts/train.py
      real digits and a small net, on whatever this machine has: half a minute on a laptop
  python scripts/train.py --seed 1 --devices cpu,cpu --out runs/second
      another start, on two virtual CPU devices, into a folder with a name
  python scripts/train.py --devices 0,1
      each tower on a GPU of its own
  python scripts/train.py --net alexnet --data synthetic --steps 2
      two steps of the paper's net: its table, what crosses between the towers, its speed
"""


@dataclass(frozen=True)
class Recipe:
    """How a net learns unless the flags say otherwise; `drops`: after which shares of the epochs lr is divided by 10."""

    epochs: int
    batch_size: int
    lr: float
    drops: tuple[float, ...]


SMALL = Recipe(epochs=15, batch_size=32, lr=0.03, drops=(0.6, 0.85))
PAPER = Recipe(epochs=90, batch_size=128, lr=0.01, drops=(0.25, 0.55, 0.85))  # the paper divided the rate three times


def main(arguments: Sequence[str] | None = None) -> int:
    """One run. The exit code: 0 well, 1 it went wrong on the way, 2 it could not begin, 130 Ctrl-C."""
    flags = parser().parse_args(arguments)
    try:
        data, net = build(flags)
        settle(flags, data)
        folder = make_folder(flags)
    except Refused as refusal:
        return complain(str(refusal), 2)
    except KeyboardInterrupt:
        return complain("stopped before the first step", 130)
    try:
        print_head(flags, data, net, folder)
        folder.write_config(vars(flags) | {"places": [device.name for device in net.devices], "started": now()})
        return learn(flags, data, net, folder)
    except KeyboardInterrupt:
        return complain(f"stopped at once; what was saved before is in {folder.path}", 130)
    except OSError as failure:
        return complain(f"writing failed: {failure.strerror or failure}; what was saved before is in {folder.path}", 1)


def learn(flags: argparse.Namespace, data: Dataset, net: Net, folder: Run) -> int:
    """Train, and keep what comes of it: a row and the weights after each epoch, the pictures at the end, however it ends."""
    batches = Minibatches(data.train, flags.batch_size, flags.seed, data.prepare)
    bias_lr = 2.0 if flags.preset == "code2012" else 1.0
    events = train(
        net,
        batches,
        SGD(net, flags.lr, flags.momentum, flags.weight_decay, bias_lr=bias_lr),
        epochs=flags.epochs,
        steps=flags.steps,
        schedule=step_down(flags.lr, flags.epochs, flags.lr_drops),
        test=lambda: evaluate(net, data.test, data.prepare, flags.batch_size),
    )
    epochs, steps, copies, trouble, code = list[Epoch](), list[Step](), "", "", 0
    start = perf_counter()
    try:
        with ctrl_c() as pressed, progress(images_to_go(flags, len(data.train), len(batches))) as screen:
            for event in events:
                if isinstance(event, Step):
                    steps.append(event)
                    copies = copies_of(net) if event.step == flags.steps else copies
                    show_step(screen, event, flags)
                else:
                    epochs.append(event)
                    folder.log(event)
                    folder.write_weights(net.state_dict())
                    show_epoch(screen, event, flags)
                if pressed():
                    trouble, code = f"stopped by Ctrl-C after {len(steps)} steps; the weights of that moment are saved", 130
                    folder.write_weights(net.state_dict())
                    break
    except NonFiniteLoss as failure:
        lower = min(flags.lr / 10, recipe_for(flags).lr)
        trouble, code = f"{failure}: learning has diverged. Try a lower rate, such as --lr {lower:g}", 1
    except MemoryError:
        trouble, code = f"not enough memory for batches of {flags.batch_size} images. Try a smaller --batch-size", 1

    taken = perf_counter() - start
    draw(folder, epochs, steps, data, net)
    if copies:
        print(f"\nthe copies of one step, with a batch of {steps[-1].images}\n{copies}")
    print_tail(folder, epochs, taken)
    return complain(trouble, code) if trouble else 0


def parser() -> Parser:
    """The flags."""
    top = Parser(
        prog="train.py",
        description="Train a net whose two towers live on two devices. With no flags: a small one, on scikit-learn's 1797\n"
        "real handwritten digits, on whatever devices this machine has.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = top.add_argument_group("what learns from what, and where")
    what.add_argument("--net", type=one_of(NETS), default="small", metavar="NAME", help=f"{', '.join(NETS)} (default: small)")
    what.add_argument(
        "--data",
        type=one_of(("digits", "synthetic")),
        default="digits",
        metavar="NAME",
        help="digits: 8 x 8 pixels, real. synthetic: random pixels of the size that the net takes, for looking at its "
        "speed (default: digits)",
    )
    what.add_argument(
        "--devices",
        default="auto",
        metavar="WHERE",
        help="0,1: two GPUs, a tower on each. 0,0: both towers on one GPU. cpu,cpu: two virtual CPU devices. auto: the "
        "best of these that the machine has (default: auto)",
    )
    what.add_argument(
        "--preset",
        type=one_of(PRESETS),
        metavar="NAME",
        help="for the alexnet nets: paper, or code2012 for what the 2012 code did otherwise (default: paper)",
    )
    what.add_argument(
        "--dropout",
        type=real(lambda p: 0 <= p < 1, "from 0 to below 1"),
        metavar="P",
        help="the probability that a hidden neuron is dropped (default: 0.5)",
    )

    how = top.add_argument_group("how it learns")
    a_count, above_zero = whole(at_least=1), real(lambda value: value > 0, "above 0")
    small, paper = SMALL, PAPER
    how.add_argument(
        "--epochs",
        type=a_count,
        metavar="N",
        help=f"how often every image is seen (default: {small.epochs} for small, 1 for synthetic data, else {paper.epochs})",
    )
    how.add_argument("--steps", type=a_count, metavar="N", help="stop after so many updates, and list the copies of the last")
    how.add_argument(
        "--batch-size",
        type=a_count,
        metavar="N",
        help=f"images for one update (default: {small.batch_size} for small, else {paper.batch_size})",
    )
    how.add_argument(
        "--lr",
        type=above_zero,
        metavar="RATE",
        help=f"the learning rate at first; later it is divided by 10, as in the paper (default: {small.lr:g} for small, "
        f"else {paper.lr:g})",
    )
    how.add_argument(
        "--momentum",
        type=real(lambda m: 0 <= m < 1, "from 0 to below 1"),
        default=0.9,
        metavar="M",
        help="the share of the velocity that stays from one step to the next (default: 0.9)",
    )
    how.add_argument(
        "--weight-decay",
        type=real(lambda d: d >= 0, "of at least 0"),
        default=0.0005,
        metavar="D",
        help="how strongly weights are drawn to 0 (default: 0.0005)",
    )
    how.add_argument(
        "--seed",
        type=whole(at_least=0),
        default=0,
        metavar="N",
        help="decides the start, the split, the order and the dropout: the same seed, the same run (default: 0)",
    )

    out = top.add_argument_group("what stays")
    out.add_argument("--out", metavar="FOLDER", help="a new folder for the results (default: runs/DATA-NET-1, -2, ...)")
    return top


def build(flags: argparse.Namespace) -> tuple[Dataset, Net]:
    """The data and the net that the flags ask for, one made to fit the other where it can be."""
    accepted = inspect.signature(NETS[flags.net]).parameters
    options = {name: value for name in ("preset", "dropout") if (value := getattr(flags, name)) is not None}
    for name in options:
        if name not in accepted:
            fitting = ", ".join(net for net, make in NETS.items() if name in inspect.signature(make).parameters)
            raise Refused(f"--{name} does not go with --net {flags.net}, only with {fitting}")
    data = digits(flags.seed) if flags.data == "digits" else None
    if data is not None:
        options["num_classes"] = len(data.classes)
        if "input_shape" in accepted:
            options["input_shape"] = data.image_shape
    try:
        net = NETS[flags.net](parse_devices(flags.devices), seed=flags.seed, **options)
    except DeviceError as error:
        raise Refused(str(error)) from None
    except ValueError as error:
        raise Refused(f"--net {flags.net}: {error}") from None
    except MemoryError:
        raise Refused(f"--net {flags.net}: there is not enough memory for its parameters") from None
    data = data or synthetic(flags.seed, net.input_shape, net.num_classes)
    if data.image_shape != net.input_shape:
        raise Refused(
            f"--net {flags.net} takes images of {by(net.input_shape)}, and --data {flags.data} has {by(data.image_shape)}; "
            f"try --net small, or --data synthetic"
        )
    return data, net


def recipe_for(flags: argparse.Namespace) -> Recipe:
    return SMALL if flags.net == "small" else PAPER


def settle(flags: argparse.Namespace, data: Dataset) -> None:
    """Fill in, from the net's recipe, what the flags leave open."""
    recipe = recipe_for(flags)
    flags.epochs = flags.epochs or (1 if flags.data == "synthetic" else recipe.epochs)
    flags.batch_size = flags.batch_size or recipe.batch_size
    flags.lr = flags.lr or recipe.lr
    flags.lr_drops = recipe.drops
    if flags.batch_size > len(data.train):
        raise Refused(
            f"--batch-size {flags.batch_size} is more than the {len(data.train)} training images of --data {flags.data}"
        )


def make_folder(flags: argparse.Namespace) -> Run:
    """A new folder for the run."""
    try:
        return Run(flags.out) if flags.out else Run.numbered(f"{flags.data}-{flags.net}")
    except FileExistsError:
        raise Refused(f"--out {flags.out} exists already, and a run never overwrites another; choose another name") from None
    except OSError as error:
        raise Refused(f"cannot make the folder {flags.out or 'runs'}: {error.filename}: {error.strerror}") from None


def print_head(flags: argparse.Namespace, data: Dataset, net: Net, folder: Run) -> None:
    """What is about to happen."""
    names = [device.name for device in net.devices]
    if len(names) == 1:
        plan = f"the whole net on {names[0]}"
    elif len(set(names)) == 1:
        plan = f"both towers on {names[0]}"
    else:
        plan = ", ".join(f"tower {t} on {name}" for t, name in enumerate(names))
    if flags.devices.strip() == "auto":
        chosen, why = choose()
        plan += f"\n           auto chose {chosen} ({why})" + ("; this net has one tower only" if len(names) == 1 else "")
    classes, batches = net.num_classes, -(-len(data.train) // flags.batch_size)
    falls = " and ".join(str(epoch) for epoch in drop_epochs(flags.epochs, flags.lr_drops))
    print(f"devices    {plan}")
    print(f"data       {data.name}: {len(data.train):,} training and {len(data.test):,} test images of {by(data.image_shape)}")
    print(f"\n{flags.net}\n{net.summary(flags.batch_size)}\n")
    print(f"parameters {net.num_parameters:,}")
    print(f"loss       a net that knows nothing has ln({classes}) = {log(classes):.3f}")
    print(
        f"learning   {count(flags.epochs, 'epoch')} of {count(batches, 'step')} with batches of {flags.batch_size}"
        + (f", but no more than {flags.steps:,} in all" if flags.steps else "")
        + f"; lr {flags.lr:g}"
        + (f", divided by 10 after epoch {falls}" if falls else "")
        + f"; momentum {flags.momentum:g}, weight decay {flags.weight_decay:g}, seed {flags.seed}"
    )
    print(f"results    {folder.path}\n", flush=True)


def show_step(screen: Progress, step: Step, flags: argparse.Namespace) -> None:
    rate = step.images / step.seconds
    if flags.steps and flags.steps <= FEW:
        screen.line(f"step {step.step}/{flags.steps}  loss {step.loss:.4f}  {step.seconds:.2f} s  {rate:,.0f} images/s")
    screen.advance(step.images, f"epoch {step.epoch}/{flags.epochs}  step {step.step:,}  loss {step.loss:.3f}")


def show_epoch(screen: Progress, epoch: Epoch, flags: argparse.Namespace) -> None:
    width = len(str(flags.epochs))
    screen.line(
        f"epoch {epoch.epoch:>{width}}/{flags.epochs}  train loss {epoch.train_loss:.4f}  test loss {epoch.test_loss:.4f}  "
        f"test error top-1 {epoch.top1_error:6.2%}  top-5 {epoch.top5_error:6.2%}  {epoch.images_per_second:,.0f} images/s"
    )


def copies_of(net: Net) -> str:
    """The ledger of the step just made, and its sums."""
    between, all_ways = net.ledger.bytes(), net.ledger.bytes(host=True)
    sums = f"between devices {megabytes(between)}, from and to the host {megabytes(all_ways - between)}"
    return f"{net.ledger}\n{sums}"


def draw(folder: Run, epochs: Sequence[Epoch], steps: Sequence[Step], data: Dataset, net: Net) -> None:
    """The run's pictures."""
    from minialex import plots  # noqa: PLC0415  matplotlib takes a second, and not at the start

    folder.write_picture("curves.png", plots.curves(epochs, steps, net.num_classes, folder.path.name))
    folder.write_picture("kernels.png", plots.kernels(net.state_dict()))


def print_tail(folder: Run, epochs: Sequence[Epoch], seconds: float) -> None:
    """How it ended, and where everything is."""
    accuracy = f"test accuracy {1 - epochs[-1].top1_error:.2%}, " if epochs else ""
    print(f"\n{accuracy}{duration(seconds)}")
    print(f"results in {folder.path}: " + ", ".join(sorted(path.name for path in folder.path.iterdir())), flush=True)


def images_to_go(flags: argparse.Namespace, images: int, batches: int) -> int:
    """How many images the whole run will see."""
    epochs, rest = divmod(min(flags.steps or flags.epochs * batches, flags.epochs * batches), batches)
    return int(epochs * images + rest * flags.batch_size)


def complain(message: str, code: int) -> int:
    print(f"train.py: {message}", file=sys.stderr)
    return code


def count(number: int, what: str) -> str:
    """ "1 epoch", "20 epochs"."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # an overflow ends in NonFiniteLoss, which says more
    sys.exit(main())
