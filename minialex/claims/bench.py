"""The bench that a claim works at: its data, its seeds, its folder, and nets trained once for all the claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from minialex.arrays import Array
from minialex.claims.learn import Learned, Variant, learn, limited
from minialex.claims.rows import line_of
from minialex.data import Source, open_data
from minialex.devices import Device
from minialex.net import Net
from minialex.optim import SGD

LARGE = 140_000  # bytes of a picture


class Bench:
    """What a claim is given.

    folder: its own, for rows and pictures; store: where the trained nets of all claims are kept. quick: digits and seconds
    instead of pictures and minutes. opener: opens the pictures (unused where quick); photos: the same for the 224 x 224 net.
    images, tests: how many of them at most (None: all); epochs: in place of a claim's own number. devices: a two-tower net's
    places; others take the first.
    """

    def __init__(
        self,
        folder: Path,
        store: Path,
        *,
        quick: bool = False,
        seeds: Sequence[int] = (0, 1, 2),
        opener: Callable[[], Source] | None = None,
        photos: Callable[[], Source] | None = None,
        images: int | None = None,
        tests: int | None = None,
        epochs: int | None = None,
        devices: tuple[Device, ...] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        self.folder, self.store, self.quick, self.seeds, self.devices = folder, store, quick, tuple(seeds), devices
        self._opener, self._photos, self._images, self._tests, self._epochs, self.say = (
            opener,
            photos,
            images,
            tests,
            epochs,
            say,
        )
        self._columns: dict[str, list[str]] = {}

    @cached_property
    def source(self) -> Source:
        """The pictures in memory: (3, 32, 32) each, or digits (1, 8, 8) where quick; the same for every seed."""
        if self.quick:
            return limited(open_data("digits"), self._images, self._tests)
        if self._opener is None:
            raise ValueError("Bench: a claim that is not quick needs an opener for its pictures")
        return limited(self._opener(), self._images, self._tests)

    @cached_property
    def photos(self) -> Source:
        """The same pictures as large as the 224 x 224 net wants them, where they are that large."""
        if self._photos is None:
            raise ValueError("Bench: a claim about the 224 x 224 net needs its photos")
        return self._photos()

    def epochs(self, full: int, quick: int) -> int:
        """How many epochs: the person's number, or else the claim's own for pictures or for digits."""
        return self._epochs or (quick if self.quick else full)

    def learn(
        self,
        variant: Variant,
        seed: int,
        *,
        source: Source | None = None,
        watch: Callable[[Net], dict[str, Array]] | None = None,
        begin: Callable[[Net], None] | None = None,
        optimizer: Callable[[Net], SGD] | None = None,
    ) -> Learned:
        """The variant's net trained from this seed, or taken from the store; see claims/learn.py. source: other data."""
        data = self.source if source is None else source
        hooks: dict[str, Any] = {"watch": watch, "begin": begin, "optimizer": optimizer}
        return learn(variant, seed, data, self.devices, self.store, say=self.say, **hooks)

    def row(self, table: str = "results", /, **values: object) -> None:
        """One more row in folder/results.csv (or another table), on the disk at once. The first row names the columns."""
        path, columns = self.folder / f"{table}.csv", self._columns.get(table)
        if columns is None:
            columns = self._columns[table] = list(values)
            path.write_text(line_of(columns), encoding="utf-8")
        if list(values) != columns:
            raise ValueError(f"{path.name}: a row has the columns {', '.join(values)}, the first had {', '.join(columns)}")
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(line_of(values.values()))

    def figure(self, figure: Any, name: str) -> Path:
        """A matplotlib Figure as folder/<name>.png; with 256 colours at most where it would be too large for a page."""
        path, file = self.folder / f"{name}.png", BytesIO()
        figure.savefig(file, format="png", facecolor="white")
        path.write_bytes(file.getvalue())
        if path.stat().st_size > LARGE:
            few = Image.open(file).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(path, optimize=True)
        return path
