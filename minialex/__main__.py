"""`python -m minialex <command>`: the commands that belong to the package itself (training and the rest live in `scripts/`)."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line rather than the usage and a line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The command line: one sub-command so far, `doctor`."""
    top = OneLineParser(
        prog="python -m minialex",
        description="minialex: AlexNet (2012) in NumPy and CuPy, every gradient derived by hand.",
        epilog="To train a net: python scripts/train.py --help",
    )
    commands = top.add_subparsers(dest="command", metavar="command")
    commands.add_parser(
        "doctor",
        help="look at this machine: Python, NumPy and its BLAS, CuPy, driver, GPUs; is everything right for minialex?",
        description="Looks at everything minialex stands on and prints a report that can be pasted into a bug report. "
        "Takes about three seconds, changes nothing. Exit code 1 when something is broken, otherwise 0.",
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 well, 1 something is broken, 2 a command line not understood."""
    top = parser()
    chosen = top.parse_args(arguments)
    if chosen.command is None:
        top.print_help()
        return 0
    from minialex import doctor  # noqa: PLC0415 (here, so that --help does not wait for it)

    try:
        return doctor.main()
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
