"""The paper's claims, one experiment each: `python scripts/reproduce.py --list`, and then `reproduce.py NAME`.

A thin layer over minialex.claims: it reads the flags, opens the data, runs what is asked for and prints what came out.
"""

from __future__ import annotations

import argparse
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from time import perf_counter

from minialex.claims import CLAIMS, Bench, Claim
from minialex.claims.publish import CONCLUSION, PublishError, publish, update
from minialex.console import Parser, Refused, complain, duration, one_of, whole
from minialex.data import DataError, Source, open_data
from minialex.devices import Device, DeviceError, parse_devices
from minialex.runs.folder import Run

SIDE, LARGE = 32, 256  # of the pictures that the claims' nets see; that the 224 x 224 net does
LARGE = 256  # of those for the 224 x 224 net
IMAGES = 5_000
STORE = "nets"
EXAMPLES = """\
examples:
  python scripts/reproduce.py --list
      what there is, and what it costs
  python scripts/reproduce.py all --quick
      everything on scikit-learn's digits, in minutes: whether it works, not whether it is true
  python scripts/reproduce.py lrn --download
      on CIFAR-10, fetched the first time
  python scripts/reproduce.py fig1 lrn --data pictures/cifar --out runs/claims
      on a folder of pictures, train/<class>/* and test/<class>/*, made 32 x 32 at first use
  python scripts/reproduce.py all --out runs/claims --resume
      goes on in that folder: a net that was trained there is not trained again, for whichever claim
"""


def parser() -> Parser:
    top = Parser(
        prog="reproduce.py",
        description="Runs the paper's claims as experiments, and says what came out.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("names", nargs="*", type=one_of([*CLAIMS, "all"]), metavar="NAME", help=f"{', '.join(CLAIMS)}; or all")
    top.add_argument("--list", action="store_true", help="the claims, what the paper says, and what each costs in time")
    top.add_argument("--quick", action="store_true", help="on digits, seconds for each")
    top.add_argument("--data", default="cifar10", metavar="SET", help="cifar10, or a folder of pictures (default: cifar10)")
    top.add_argument("--data-path", metavar="FOLDER", help="where CIFAR-10 is, or is to be (default: data/cifar10)")
    top.add_argument("--download", action="store_true", help="fetch CIFAR-10 (170 MB) if it is not there")
    top.add_argument("--prepared", metavar="FOLDER", help="where pictures are prepared (default: below data/prepared)")
    top.add_argument("--seeds", type=_seeds, metavar="0,1,2", help="a run for each (default: 0,1,2; with --quick: 0,1)")
    top.add_argument(
        "--images", type=whole(1), metavar="N", help=f"training images at most (default: {IMAGES:,}; all: a large number)"
    )
    top.add_argument("--tests", type=whole(1), metavar="N", help="test images at most (default: all)")
    top.add_argument("--epochs", type=whole(1), metavar="N", help="in place of each claim's own number")
    top.add_argument("--devices", default="auto", metavar="WHERE", help="as for train.py (default: auto)")
    top.add_argument("--out", metavar="FOLDER", help="a new folder for the results (default: runs/reproduce-1, -2, ...)")
    top.add_argument("--resume", action="store_true", help="go on in --out: what was trained there is not trained again")
    top.add_argument("--table", action="store_true", help="write the tables of docs/reproduction.md from docs/results/*.csv")
    top.add_argument("--publish", metavar="FOLDER", help="copy this folder's rows and pictures to docs/, and then as --table")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 well, 2 it could not begin, 130 Ctrl-C."""
    flags = parser().parse_args(arguments)
    try:
        if flags.list:
            print(listed())
        elif flags.publish:
            print(publish(CLAIMS, Path(flags.publish)))
        elif flags.table:
            print(update(CLAIMS))
        else:
            run(flags)
    except (Refused, DataError, DeviceError, PublishError) as refusal:
        return complain("reproduce.py", str(refusal), 2)
    except KeyboardInterrupt:
        return complain("reproduce.py", "stopped; --resume with --out goes on, and trains no net again that is finished", 130)
    return 0


def listed() -> str:
    """Every claim, with what the paper says and what it costs."""
    parts = []
    for claim in CLAIMS.values():
        lines = [f"{claim.name:<14}{claim.cost}", *(f"{'':14}{line}" for line in _wrapped(claim))]
        parts.append("\n".join(lines))
    return "\n".join(
        [*parts, "With --quick, on digits, each takes seconds. A net that several claims need is trained once in a folder."]
    )


def _wrapped(claim: Claim) -> list[str]:
    return fill(f"{claim.says} Paper: {claim.paper}.", 100).splitlines()


def run(flags: argparse.Namespace) -> None:
    """The claims that are asked for, one after another, in one folder."""
    if not flags.names:
        raise Refused(f"name a claim, or all: {', '.join(CLAIMS)}; --list says more")
    names = list(CLAIMS) if "all" in flags.names else list(dict.fromkeys(flags.names))
    devices: tuple[Device, ...] = parse_devices(flags.devices)
    opened = _Opener(flags, LARGE if all(CLAIMS[name].large for name in names) else SIDE)
    if not flags.quick:
        opened()  # what is wrong with the data is said now, and no folder made
    out = folder_of(flags)
    conclusions = {}
    for name in names:
        start, claim = perf_counter(), CLAIMS[name]
        print(f"{name}: {claim.says}", flush=True)
        (out / name).mkdir(exist_ok=True)
        bench = Bench(
            out / name,
            out / STORE,
            quick=flags.quick,
            seeds=flags.seeds or ((0, 1) if flags.quick else (0, 1, 2)),
            opener=opened,
            photos=opened,
            images=flags.images or (None if flags.quick else IMAGES),
            tests=flags.tests,
            epochs=flags.epochs,
            devices=devices,
            say=say,
        )
        conclusions[name] = claim.run(bench)
        (out / name / CONCLUSION).write_text(conclusions[name] + "\n", encoding="utf-8")
        print(f"  -> {conclusions[name]}\n     {duration(perf_counter() - start)}; {out / name}\n", flush=True)
    if len(names) > 1:
        print("\n".join(f"{name:<14}{conclusion}" for name, conclusion in conclusions.items()))


class _Opener:
    """The pictures, opened at the first call; photos are prepared as squares of `side` pixels, unless they are already."""

    def __init__(self, flags: argparse.Namespace, side: int) -> None:
        self.flags, self.side = flags, side
        self.source: Source | None = None

    def __call__(self) -> Source:
        if self.source is None:
            f = self.flags
            if f.data in ("digits", "synthetic"):
                raise Refused(f"--data {f.data}: the claims are about pictures; --quick runs them on digits")
            source = open_data(f.data, path=f.data_path, download=f.download, size=self.side, prepared=f.prepared, say=say)
            shape = source.dataset.image_shape
            if self.side == SIDE and shape != (3, SIDE, SIDE):
                wanted = f"3 x {SIDE} x {SIDE}"
                raise Refused(f"--data {f.data}: has images of {' x '.join(map(str, shape))}, the claims need {wanted}")
            self.source = source
        return self.source


def folder_of(flags: argparse.Namespace) -> Path:
    """The folder for everything: new, or with --resume the one that is there."""
    if flags.resume:
        if not flags.out:
            raise Refused("--resume needs --out FOLDER: where to go on")
        Path(flags.out).mkdir(parents=True, exist_ok=True)
        return Path(flags.out)
    try:
        return Run(flags.out).path if flags.out else Run.numbered("reproduce").path
    except FileExistsError:
        raise Refused(f"--out {flags.out} exists already; --resume goes on there, or choose another name") from None
    except OSError as error:
        raise Refused(f"cannot make the folder {flags.out or 'runs'}: {error.strerror}") from None


def _seeds(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() for part in parts) or len(set(parts)) < len(parts):
        raise argparse.ArgumentTypeError(f"must be different whole numbers with commas between them, got {text!r}")
    return tuple(int(part) for part in parts)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # --list | head ends without a word
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # a net that diverges says so itself
    sys.exit(main())
