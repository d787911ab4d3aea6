"""Is a JPEG whole? A decoder does not say: where bits are missing it paints grey, and where bits have changed it goes on.

A JPEG is a row of segments, each opened by a marker (FF and a code), and the Huffman-coded bits of its blocks, in which FF is
written FF 00, so that the next marker can always be found (ITU-T T.81, annex B). Nothing in it is a checksum. `check` asks
four questions; the last two let the decoder itself answer, by changing bytes of which a sound file's answer is known:

1. Do the segments follow each other as they must, from start-of-image to end-of-image? (A file cut short does not.)
2. Has every coefficient of every component been sent, to its last bit? (A progressive file closed early has not.)
3. Bytes put in before the marker that ends the bits are never reached if all blocks are there: the pixels stay the same.
   (Where blocks are missing, libjpeg meets the marker, and fills them with grey.)
4. The last bytes of the bits belong to the last blocks: with these bytes changed, the pixels change. (Where a bit has changed,
   the codes after it are read wrongly, and the blocks seldom come to their end just where the bits do.)

What no reader can find is damage after which the codes fall into step again: docs/data.md has the measured shares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from minialex.arrays import Array

SOI, EOI, SOS, DRI = 0xD8, 0xD9, 0xDA, 0xDD
SEQUENTIAL, PROGRESSIVE = (0xC0, 0xC1), 0xC2
OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)  # lossless, hierarchical, arithmetic
STRANGE = bytes((37 * i + 11) % 251 for i in range(512))  # for question 3; holds no FF
OTHER_TAILS = (0xFF, 0x55, 0x0F, 0x33)
TAIL = 4  # for question 4: fewer stray bytes are common in sound files
CUT = "cut short: it ends before its end-of-image marker"
GREY = "bits are missing: a part of the picture would be grey"
RESTARTS = "restart markers are missing or out of place: a part of the picture would be grey"
LEFT_OVER = "bits have changed: there are more of them than the picture has blocks"

Decode = Callable[[bytes], Array]
Runs = tuple[tuple[int, int], ...]  # [start, end) in the file of each run of coded bits that a marker ends


@dataclass(frozen=True)
class Frame:
    """What a frame header says. factors: component -> its blocks across and down in a unit of interleaved blocks.

    size_at: where in the file the height and the width are, two bytes each.
    """

    height: int
    width: int
    factors: dict[int, tuple[int, int]]
    progressive: bool
    size_at: int

    @property
    def unit(self) -> tuple[int, int]:
        """Height and width in pixels of a unit of interleaved blocks; of a block, where nothing is interleaved."""
        if len(self.factors) == 1:
            return 8, 8
        across, down = (max(factor) for factor in zip(*self.factors.values(), strict=True))
        return 8 * down, 8 * across

    def units(self, components: bytes) -> int:
        """How many units a scan of these components has; of one component alone, how many blocks."""
        (height, width), (across, down) = self.unit, (1, 1)
        if len(components) == 1 and len(self.factors) > 1:
            across, down = self.factors[components[0]]
        return -(-self.height * down // height) * -(-self.width * across // width)

    @property
    def whole_size(self) -> bytes:
        """Height and width as the header has them, but rounded up to whole units."""
        sides = zip((self.height, self.width), self.unit, strict=True)
        return b"".join(min(-(-side // unit) * unit, 0xFFFF).to_bytes(2, "big") for side, unit in sides)


@dataclass(frozen=True)
class Structure:
    """What lies where in the file. one_scan: the runs hold each block once, whole."""

    frame: Frame
    runs: Runs
    one_scan: bool


def check(data: bytes, pixels: Array, decode: Decode) -> None:
    """Raises ValueError with the reason unless `data`, which decode has made into `pixels` (any colours), is a whole JPEG."""
    structure = read_structure(data)
    if not _same(decode, _lengthened(data, structure.runs), pixels):
        raise ValueError(GREY)
    if structure.one_scan and not _tail_is_used(data, pixels, structure, decode):
        raise ValueError(LEFT_OVER)


def read_structure(data: bytes) -> Structure:
    """Questions 1 and 2; what follows the end-of-image marker (a phone's second picture) is not looked at."""
    runs: Runs = ()
    frame: Frame | None = None
    low_bits: dict[int, list[int]] = {}  # component -> for each coefficient, how many of its low bits are still to come
    scans = interval = 0
    for marker, start, end, found in _segments(data):
        body = data[start:end]
        if marker in (*SEQUENTIAL, PROGRESSIVE):
            if frame:
                raise ValueError("it has two frame headers")
            frame = _frame(body, marker == PROGRESSIVE, start + 1)
            low_bits = {component: [16] * 64 for component in frame.factors}
        elif marker in OTHER_FRAMES:
            raise ValueError("a kind of JPEG that is not read here (lossless, hierarchical or arithmetic)")
        elif marker == DRI:
            interval = int.from_bytes(body, "big")
        elif marker == SOS:
            components = _note_scan(body, low_bits)
            if frame is None or len(found) != (-(-frame.units(components) // interval) if interval else 1):
                raise ValueError(RESTARTS)
            scans, runs = scans + 1, runs + found
    if frame is None or not runs:
        raise ValueError("it has no picture in it")
    if any(any(left) for left in low_bits.values()):
        raise ValueError("it ends before its last scan: the finest detail is missing")
    return Structure(frame, runs, scans == 1 and not frame.progressive)


def _frame(body: bytes, progressive: bool, size_at: int) -> Frame:
    if len(body) < 9 or len(body) != 6 + 3 * body[5]:
        raise ValueError("its frame header is damaged")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    factors = {component: (factor >> 4, factor & 15) for component, factor in zip(body[6::3], body[7::3], strict=True)}
    if not (height and width and all(1 <= side <= 4 for pair in factors.values() for side in pair)):
        raise ValueError("its frame header is damaged")
    return Frame(height, width, factors, progressive, size_at)


def _segments(data: bytes) -> Iterator[tuple[int, int, int, Runs]]:
    """(marker, start, end of its body, the runs of bits that follow) of each segment up to end-of-image."""
    if data[:2] != bytes((0xFF, SOI)):
        raise ValueError("it does not begin as a JPEG does")
    at = 2
    while True:
        start, marker = _next_marker(data, at)
        if start != at:
            raise ValueError("there are other bytes where a marker must be")
        while data[at] == 0xFF:  # any number of them may stand before a marker's code
            at += 1
        if marker == EOI:
            return
        if marker in (0x01, *range(0xD0, 0xD9)):
            raise ValueError("a marker is out of place")
        end = at + 1 + int.from_bytes(data[at + 1 : at + 3], "big")
        if end > len(data) or end < at + 3:
            raise ValueError(CUT)
        runs = _runs(data, end) if marker == SOS else ()
        yield marker, at + 3, end, runs
        at = runs[-1][1] if runs else end


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Where the first marker from `at` on begins, and its code."""
    while True:
        start = end = data.find(b"\xff", at)
        while start >= 0 and data[end : end + 1] == b"\xff":
            end += 1
        if start < 0 or end == len(data):
            raise ValueError(CUT)
        if data[end]:
            return start, data[end]
        at = end + 1


def _runs(data: bytes, at: int) -> Runs:
    """The runs of a scan's bits, parted by restart markers, which count 0..7 round and round."""
    runs: list[tuple[int, int]] = []
    while True:
        end, marker = _next_marker(data, at)
        runs.append((at, end))
        if not 0xD0 <= marker <= 0xD7:
            return tuple(runs)
        if marker - 0xD0 != (len(runs) - 1) % 8:
            raise ValueError(RESTARTS)
        at = data.index(marker, end) + 1


def _note_scan(body: bytes, low_bits: dict[int, list[int]]) -> bytes:
    """Notes which bits of which coefficients a scan brings. Returns its components."""
    components = body[1:-3:2]
    if len(body) < 6 or len(body) != 4 + 2 * body[0] or any(component not in low_bits for component in components):
        raise ValueError("a scan header is damaged")
    first, last, low = body[-3], body[-2], body[-1] & 15
    for component in components:
        for k in range(first, min(last, 63) + 1):
            low_bits[component][k] = low
    return components


def _same(decode: Decode, changed: bytes, pixels: Array) -> bool:
    try:
        return np.array_equal(decode(changed), pixels)
    except Exception:  # whatever a decoder raises: the change has made a difference
        return False


def _lengthened(data: bytes, runs: Runs) -> bytes:
    pieces, at = [], 0
    for _, end in runs:
        pieces += [data[at:end], STRANGE]
        at = end
    return b"".join([*pieces, data[at:]])


def _tail_is_used(data: bytes, pixels: Array, structure: Structure, decode: Decode) -> bool:
    """Question 4. A change may be hidden where a block reaches over the edge of the picture; then the edge is moved."""
    start, end = structure.runs[-1]
    if end - start < 4 * TAIL or not any(data[end - TAIL : end - 1]):
        return True  # too little to say; nothing but zeros is how a plain grey corner may be coded
    if not _same(decode, _with_tail(data, end, OTHER_TAILS[0]), pixels):
        return True
    at = structure.frame.size_at
    data = data[:at] + structure.frame.whole_size + data[at + 4 :]
    pixels = decode(data)
    return not all(_same(decode, _with_tail(data, end, other), pixels) for other in OTHER_TAILS)


def _with_tail(data: bytes, end: int, other: int) -> bytes:
    tail = bytes(min(byte ^ other, 0xFE) for byte in data[end - TAIL : end])
    return data[: end - TAIL] + tail + data[end:]
