"""How fast training is on this machine, layer by layer, and what PyTorch does on the same machine in the same minutes."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from minialex.bench.contest import Found, Wanted, growth, growth_places, layers_alone, loading, whole_steps
from minialex.bench.machine import machine
from minialex.bench.peers import PeerFailed
from minialex.bench.report import head, sections, update_markdown
from minialex.console import Parser, Refused, complain, one_of, whole
from minialex.data.errors import DataError
from minialex.devices import DeviceError, parse_devices
from minialex.devices.cpu import cores
from minialex.nets import NETS

TORCH = (str(Path(__file__).with_name("bench_torch.py")),)
FORMATS = ("channels-first", "channels-last")
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

EXAMPLES = """\
examples:
  python scripts/bench.py
      the paper's net, batches of 128: by layer, whole steps, inference, beside PyTorch; some minutes
  python scripts/bench.py --net cifar10 --layers
      the small net, and each of its layers alone against PyTorch's
  python scripts/bench.py --peers none --trace step.json --trace-picture step.png
      only our own figures, and the timeline of two steps for https://ui.perfetto.dev and as a picture
  python scripts/bench.py --growth --peers none
      batches of 1 to 256 images, on one device and on two
  python scripts/bench.py --loading photos/flowers
      whether inference has to wait for photos that are loaded and augmented in the background
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """One measurement. The exit code: 0 well, 1 it went wrong on the way, 2 it could not begin, 130 Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    flags = parser().parse_args(arguments)
    try:
        found, wanted = prepare(flags)
        measure(flags, wanted, found)
        print(head(found))
        for table in sections(found).values():
            print(f"\n{table}")
        finish(flags, found, shlex.join(["python", "scripts/bench.py", *arguments]))
    except Refused as refusal:
        return complain("bench.py", str(refusal), 2)
    except DataError as error:
        return complain("bench.py", f"--loading: {error}", 2)
    except PeerFailed as failure:
        return complain("bench.py", str(failure).replace("Refused: ", ""), 2 if "Refused: " in str(failure) else 1)
    except OSError as error:
        return complain("bench.py", f"{error.filename or 'writing'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        return complain("bench.py", "stopped", 130)
    return 0


def parser() -> Parser:
    """The flags."""
    top = Parser(
        prog="bench.py",
        description="Measures training steps of a net on this machine, by layer and whole, against the machine's own bound\n"
        "and against PyTorch where that is installed. Every contestant has a process of its own, and they take turns.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    count = whole(at_least=1)
    top.add_argument(
        "--net", type=one_of(NETS), default="alexnet", metavar="NAME", help=f"{', '.join(NETS)} (default: alexnet)"
    )
    top.add_argument("--devices", default="cpu,cpu", metavar="WHERE", help="as for train.py (default: cpu,cpu)")
    top.add_argument("--batch-size", type=count, metavar="N", help="images (default: 128; with --quick 4)")
    top.add_argument(
        "--peers",
        type=one_of(("torch", "all", "none")),
        default="torch",
        metavar="WHO",
        help="torch: PyTorch, eager and compiled, channels first and last, if it is installed. all: also with grouped "
        "convolutions instead of two towers. none: nobody (default: torch)",
    )
    top.add_argument("--repeats", type=count, metavar="N", help="turns of each that are measured (default: 5; with --quick 2)")
    top.add_argument(
        "--quick", action="store_true", help="small batches, few repeats, nothing compiled: seconds, for a first look"
    )
    top.add_argument(
        "--layers", action="store_true", help="each layer alone instead, forward and backward, against PyTorch eager"
    )
    top.add_argument("--growth", action="store_true", help="batches of growing size instead, on one device and on two")
    top.add_argument(
        "--loading",
        metavar="FOLDER",
        help="inference of these photos (as for train.py --data; or a prepared folder) instead, loaded and augmented meanwhile",
    )
    top.add_argument(
        "--tf32", action="store_true", help="on GPUs: let products round their factors to TF32, ours and PyTorch's alike"
    )
    out = top.add_argument_group("what stays")
    out.add_argument("--json", metavar="FILE", help="everything measured, as data")
    out.add_argument("--markdown", metavar="FILE", help="put the tables between their marks in this page, docs/performance.md")
    out.add_argument("--trace", metavar="FILE", help="the timeline of two of our steps, for Perfetto (https://ui.perfetto.dev)")
    out.add_argument("--trace-picture", metavar="FILE", help="the timeline of one step as a picture: .png, .svg or .pdf")
    return top


def prepare(flags: argparse.Namespace) -> tuple[Found, Wanted]:
    """What is wanted, once it is known to be possible."""
    try:
        devices = parse_devices(flags.devices)
    except DeviceError as error:
        raise Refused(str(error)) from None
    if flags.tf32 and not all(device.name.startswith("cuda") for device in devices):
        raise Refused("--tf32 is for NVIDIA GPUs, and this measurement is on the CPU; leave it out")
    for name in ("json", "trace", "trace_picture"):
        file = getattr(flags, name)
        if file is not None and not Path(file).resolve().parent.is_dir():
            raise Refused(f"--{name.replace('_', '-')} {file}: there is no such folder")
    if (flags.layers or flags.growth or flags.loading) and (flags.trace or flags.trace_picture):
        raise Refused("--trace and --trace-picture go with whole steps, not with --layers, --growth or --loading")
    if flags.loading is not None and not Path(flags.loading).is_dir():
        raise Refused(f"--loading {flags.loading}: there is no such folder")
    if flags.markdown is not None and not Path(flags.markdown).is_file():
        raise Refused(f"--markdown {flags.markdown}: there is no such file")
    torch = flags.peers != "none" and importlib.util.find_spec("torch") is not None
    if flags.peers != "none" and not torch:
        say("PyTorch is not installed: only minialex is measured (pip install torch, or --peers none)")
    wanted = Wanted(
        flags.net,
        flags.devices,
        flags.batch_size or (4 if flags.quick else 128),
        flags.repeats or (2 if flags.quick else 5),
        TORCH if torch else (),
        compiled=not flags.quick,
        grouped=flags.peers == "all",
        tf32=flags.tf32,
        formats=FORMATS[:1] if flags.quick else FORMATS,
        **({"turn": 0.05, "screen": 0.05} if flags.quick else {}),
    )
    return Found({key: value for key, value in asdict(wanted).items() if key != "torch"}, machine()), wanted


def measure(flags: argparse.Namespace, wanted: Wanted, found: Found) -> None:
    """What was asked for."""
    if flags.growth:
        sizes = [size for size in SIZES if size <= 2] if flags.quick else SIZES
        names = [device.name for device in parse_devices(flags.devices)]
        growth(wanted, found, sizes, growth_places(names, cores()), say)
    if flags.layers:
        layers_alone(wanted, found, say)
    if flags.loading is not None:
        loading(wanted, found, flags.loading, say)
    if not (flags.growth or flags.layers or flags.loading):
        whole_steps(wanted, found, say, (flags.trace, flags.trace_picture))


def finish(flags: argparse.Namespace, found: Found, command: str) -> None:
    """Files."""
    if flags.json is not None:
        Path(flags.json).write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    if flags.markdown is not None:
        done = update_markdown(flags.markdown, found, command)
        print(f"\n{flags.markdown}: {', '.join(done)}")


def say(text: str) -> None:
    """How far it is: to stderr, so that stdout has the tables only."""
    print(f"... {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
