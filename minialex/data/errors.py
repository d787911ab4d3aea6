"""What the data room raises: always one line, which says what is wrong, where, and what to do."""

from __future__ import annotations


class DataError(ValueError):
    """A data set that cannot be found, read or prepared as it is."""


class BadPicture(DataError):
    """A file that is not a whole picture. `reason` says why, without the path."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{printable(path)}: {reason}")
        self.reason = reason


def printable(path: object) -> str:
    r"""A path as a terminal can show it and a table hold it: bytes that are no UTF-8 and control characters as \x escapes."""
    text = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
