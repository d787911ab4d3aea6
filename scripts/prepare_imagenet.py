"""Prepare ImageNet, or any folder of photos, for training: `python scripts/prepare_imagenet.py --help`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from minialex.console import Parser, real, whole
from minialex.data.errors import DataError
from minialex.data.imagenet import find_imagenet
from minialex.data.photos import find_photos
from minialex.data.prepare import prepare

EXAMPLES = """\
RAW is either ImageNet (ILSVRC-2012 or 2010)
    RAW/train/n01440764/*.JPEG ...      the training archive, unpacked: a folder for each wnid
    RAW/val/*.JPEG                      the validation archive, unpacked
    RAW/ILSVRC2012_devkit_t12/          the development kit, unpacked
or photos of your own
    RAW/train/<class>/*.jpg and RAW/val/<class>/*.jpg, or RAW/<class>/*.jpg

examples:
  python scripts/prepare_imagenet.py /data/imagenet /data/imagenet-256
  python scripts/prepare_imagenet.py ~/Pictures/birds data/birds --val-share 0.1
It can be stopped at any time; the same command goes on where it was.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 well, 2 it cannot be done as asked, 130 Ctrl-C, 143 SIGTERM."""
    flags = parser().parse_args(arguments)
    try:
        signal.signal(signal.SIGTERM, terminated)
        photos = find_imagenet(flags.raw, flags.devkit) or find_photos(flags.raw, flags.seed, flags.val_share)
        for notice in photos.notices:
            print(notice)
        prepare(photos, flags.out, size=flags.size, workers=flags.workers, max_bad=flags.max_bad)
    except DataError as error:
        print(f"prepare_imagenet: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("\nstopped; what is done is kept: the same command goes on from here", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    return 0


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a batch system sends it: the same as Ctrl-C."""


def terminated(*_: object) -> NoReturn:
    raise Terminated


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = Parser(
        prog="prepare_imagenet",
        description="Makes of a folder of pictures what training reads: squares of 256 x 256 pixels, labels, the mean image.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("raw", metavar="RAW", help="the folder with the pictures")
    result.add_argument("out", metavar="OUT", help="the folder to write; new, or one where this was begun before")
    result.add_argument("--devkit", metavar="FOLDER", help="the development kit, where it is not below RAW")
    result.add_argument("--size", type=whole(16), default=256, help="pixels of the square that is kept (default %(default)s)")
    result.add_argument("--workers", type=whole(0), help="processes (default: one for each core; 0: none but this one)")
    result.add_argument(
        "--max-bad", default="1%", metavar="N|P%%", help="end when more pictures than this cannot be read (default 1%%)"
    )
    share = real(lambda value: 0 < value < 1, "between 0 and 1")
    result.add_argument(
        "--val-share", type=share, default=0.2, help="of each class, where there is no val folder (default %(default)s)"
    )
    result.add_argument("--seed", type=whole(0), default=0, help="of that split (default %(default)s)")
    return result


if __name__ == "__main__":
    sys.exit(main())
