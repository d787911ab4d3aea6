"""One file from the web: a broken download goes on where it was, and nothing but the right bytes ever gets the file's name."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from minialex.data.errors import DataError, printable
from minialex.data.files import disk_errors, move
from minialex.data.progress import Progress, amount

ATTEMPTS = 6  # in a row without a single byte
TIMEOUT = 30.0  # seconds without a byte after which a connection is given up
PIECE = 1 << 16
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class _Wrong(Exception):
    """The server answers with something else than the file: trying again would not help."""


def download(url: str, target: Path, size: int, md5: str, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Fetches `url` (https; http only from this machine) to `target`, a file of `size` bytes with this MD5.

    What has arrived is kept in target.part, also if the process is killed, and the next call asks the server for the rest.
    A broken connection is tried again after 1, 2, 4, ... s (pause). Raises DataError; bytes that are wrong are then removed.
    """
    _check_address(url)
    part = target.with_name(target.name + ".part")
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        there = part.stat().st_size if part.exists() else 0
        free = shutil.disk_usage(target.parent).free
    if free < size - there:
        raise DataError(f"{printable(target)}: {amount(size - there - free, 'B')} more must be free on this disk")
    failures = 0
    with Progress(f"downloading {target.name}", size, "B", min(there, size)) as progress:
        while (there := _length(part)) != size:
            try:
                _fetch(url, part, there, size, progress)
                reason = "the connection broke"
            except _Wrong as error:
                raise DataError(f"{url}: {error}; is there another address for it? (--url)") from None
            except (OSError, http.client.HTTPException) as error:
                reason = _reason(error)
            failures = 0 if _length(part) > there else failures + 1
            if _length(part) != size:
                if failures == ATTEMPTS:
                    have = f"{amount(_length(part), 'B')} of {amount(size, 'B')} are here"
                    raise DataError(f"{url}: {reason}; {have}: run it again to go on, or name another address (--url)")
                progress.line(f"{reason} at {amount(_length(part), 'B')}; trying again")
                pause(2.0**failures)
    if file_digest(part, "md5") != md5:
        part.unlink()
        raise DataError(
            f"{url}: what came has not the MD5 {md5}; it was removed; run it again, or name another address (--url)"
        )
    with disk_errors(target):
        move(part, target)


def file_digest(path: Path, algorithm: str) -> str:
    """The MD5 or SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _fetch(url: str, part: Path, there: int, size: int, progress: Progress) -> None:
    """Appends to `part` what the server sends from byte `there` on; if it sends all from the start, starts anew."""
    headers = {"User-Agent": "minialex", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers={**headers, "Range": f"bytes={there}-"} if 0 < there < size else headers)
    with _answer(request) as answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        if goes_on:
            sent, _, whole = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            if whole != str(size) or sent.partition("-")[0] != str(there):
                raise _Wrong(f"the server offers bytes {sent} of {whole}, wanted were {there} and on of {size}")
        else:
            offered = answer.headers.get("Content-Length")
            if offered is not None and offered != str(size):
                raise _Wrong(f"the server offers {offered} bytes, and the file has {size}")
            progress.advance(-min(progress.done, there))
        with part.open("ab" if goes_on else "wb") as file:
            length = file.tell()
            while piece := answer.read1(PIECE):
                length += len(piece)
                if length > size:
                    file.truncate(0)
                    raise _Wrong(f"the server sends more than the file's {size} bytes")
                file.write(piece)
                progress.advance(len(piece))


def _answer(request: urllib.request.Request) -> http.client.HTTPResponse:
    try:
        answer: http.client.HTTPResponse = urllib.request.build_opener(_StaySecure).open(request, timeout=TIMEOUT)
        return answer
    except urllib.error.HTTPError as error:
        error.close()
        if 400 <= error.code < 500 and error.code not in (408, 429):  # not for want of patience
            raise _Wrong(f"the server answers {error.code} {error.reason}") from None
        raise


class _StaySecure(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(url: str) -> None:
    try:
        address = urlsplit(url)
        secure = address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK)
    except ValueError:
        secure = False
    if not secure:
        raise DataError(f"{printable(url)}: only https:// addresses are used")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _reason(error: OSError | http.client.HTTPException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return f"no connection ({' '.join(str(inner).split()) or type(inner).__name__})"
