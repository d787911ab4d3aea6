"""CIFAR-10's binary version: from a folder, from its archive, or over a connection that breaks; and never a wrong byte."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minialex.data import download as web
from minialex.data.cifar10 import CIFAR10, INSIDE, ROW, Archive, cifar10
from minialex.data.errors import DataError

ROWS = 20
IMAGES = np.random.default_rng(0).integers(0, 256, (6 * ROWS, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(6 * ROWS) % 10
MEMBERS = {
    name: b"".join(bytes([label]) + image.tobytes() for label, image in zip(LABELS[part], IMAGES[part], strict=True))
    for n, name in enumerate(CIFAR10.sha256)
    for part in [slice(n * ROWS, (n + 1) * ROWS)]
}


def packed(members: dict[str, bytes], extra: list[tarfile.TarInfo] | None = None) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for info in extra or []:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
        for name, content in members.items():
            info = tarfile.TarInfo(f"{INSIDE}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def archive_of(data: bytes) -> Archive:
    """What a made-up archive must be, as CIFAR10 says it of the real one."""
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in MEMBERS.items()}
    return replace(CIFAR10, bytes=len(data), md5=hashlib.md5(data).hexdigest(), rows=ROWS, sha256=sha256)


DATA = packed(MEMBERS)
ARCHIVE = archive_of(DATA)


def write(folder: Path, members: dict[str, bytes] = MEMBERS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)
    return folder


class Server:
    """A web server on this machine that serves DATA, or misbehaves as it is told, one entry for each answer."""

    def __init__(self) -> None:
        self.data, self.cuts, self.asked = DATA, list[int](), list[str | None]()
        self.ranges, self.status, self.location = True, 200, ""
        self.content_range: str | None = None
        self.announce = True

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        body = self.data[start:]
        status = self.status if self.status != 200 else 206 if wanted and self.ranges else 200
        handler.send_response(status)
        if self.location:
            handler.send_header("Location", self.location)
        if status == 206:
            default = f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"
            handler.send_header("Content-Range", self.content_range or default)
        if self.announce:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@contextmanager
def served() -> Iterator[tuple[Server, str]]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{httpd.server_port}/{CIFAR10.name}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def get(folder: Path, url: str, archive: Archive = ARCHIVE) -> Any:
    return cifar10(folder, download=True, url=url, archive=archive, pause=lambda seconds: None)


def assert_is_all_there(dataset: Any) -> None:
    assert np.array_equal(dataset.train.images, IMAGES[: 5 * ROWS])
    assert np.array_equal(dataset.test.images, IMAGES[5 * ROWS :])
    assert np.array_equal(dataset.train.labels, LABELS[: 5 * ROWS])
    assert np.array_equal(dataset.test.labels, LABELS[5 * ROWS :])
    assert dataset.train.labels.dtype == np.int64
    assert dataset.classes[3] == "cat"
    assert np.allclose(dataset.mean, IMAGES[: 5 * ROWS].mean(axis=0), atol=1e-4)


def test_the_real_archive_is_pinned() -> None:
    """Against the published numbers, and with seven digests that belong together."""
    assert CIFAR10.bytes == 170_052_171
    assert CIFAR10.md5 == "c32a1d4ab5d03f1284b67883e8d87530"
    assert CIFAR10.rows * ROW == 30_730_000
    assert len(CIFAR10.sha256) == 6
    assert {len(digest) for digest in CIFAR10.sha256.values()} == {64}
    assert CIFAR10.sha256["test_batch.bin"].startswith("8e2eb146ae340b09")


@pytest.mark.parametrize("inside", [".", INSIDE])
def test_a_folder_that_holds_the_files(tmp_path: Path, inside: str) -> None:
    write(tmp_path / inside)
    assert_is_all_there(cifar10(tmp_path, archive=ARCHIVE))


def test_a_folder_that_holds_the_archive(tmp_path: Path) -> None:
    (tmp_path / CIFAR10.name).write_bytes(DATA)
    assert_is_all_there(cifar10(tmp_path, archive=ARCHIVE))
    assert_is_all_there(cifar10(tmp_path, archive=ARCHIVE))


def test_nothing_is_fetched_unasked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--download"):
        cifar10(tmp_path, archive=ARCHIVE)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError, match="pickle"):
        cifar10(tmp_path, archive=ARCHIVE)


@pytest.mark.parametrize("name", MEMBERS)
def test_one_wrong_bit_in_any_file_is_found(tmp_path: Path, name: str) -> None:
    damaged = bytearray(MEMBERS[name])
    damaged[-7] ^= 1
    write(tmp_path, {**MEMBERS, name: bytes(damaged)})
    with pytest.raises(DataError, match=f"SHA-256 of {name} is wrong"):
        cifar10(tmp_path, archive=ARCHIVE)
    write(tmp_path, {**MEMBERS, name: MEMBERS[name][:-1]})
    with pytest.raises(DataError, match=f"{name}: has .* bytes instead of"):
        cifar10(tmp_path, archive=ARCHIVE)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        cifar10(tmp_path, archive=ARCHIVE)


def test_download(tmp_path: Path) -> None:
    with served() as (server, url):
        assert_is_all_there(get(tmp_path / "new" / "folder", url))
        assert server.asked == [None]
        assert_is_all_there(get(tmp_path / "new" / "folder", url))
        assert len(server.asked) == 1, "fetched again what is there"


def test_a_broken_connection_goes_on_where_it_was(tmp_path: Path) -> None:
    with served() as (server, url):
        server.cuts = [1000, 5000, 0, 0, 70_000]
        assert_is_all_there(get(tmp_path, url))
        assert server.asked == [None, *(f"bytes={n}-" for n in (1000, 6000, 6000, 6000, 76_000))]


def test_a_server_that_knows_no_ranges_begins_again(tmp_path: Path) -> None:
    with served() as (server, url):
        server.cuts, server.ranges = [1000], False
        assert_is_all_there(get(tmp_path, url))
        assert server.asked == [None, "bytes=1000-"]


def test_what_a_killed_download_left_is_used(tmp_path: Path) -> None:
    part = tmp_path / f"{CIFAR10.name}.part"
    for there, asked in ((5000, "bytes=5000-"), (len(DATA) + 9, None), (0, None)):
        part.write_bytes((DATA + bytes(9))[:there])
        with served() as (server, url):
            assert_is_all_there(get(tmp_path, url))
            assert server.asked == [asked]
        (tmp_path / CIFAR10.name).unlink()
        for file in (tmp_path / INSIDE).iterdir():
            file.unlink()
    part.write_bytes(DATA)
    assert_is_all_there(get(tmp_path, "http://127.0.0.1:9/nobody-is-asked"))


def test_wrong_bytes_never_get_the_name(tmp_path: Path) -> None:
    with served() as (server, url):
        server.data = DATA[:5000] + bytes([DATA[5000] ^ 1]) + DATA[5001:]
        with pytest.raises(DataError, match="has not the MD5"):
            get(tmp_path, url)
        assert list(tmp_path.iterdir()) == []
        server.data = DATA
        assert_is_all_there(get(tmp_path, url))


@pytest.mark.parametrize("announce", [True, False])
def test_another_file_than_expected(tmp_path: Path, announce: bool) -> None:
    """A log-in page, or a newer archive: known by its length, before or after it has come."""
    with served() as (server, url):
        server.announce = announce
        server.data = DATA + b"more"
        with pytest.raises(DataError, match=r"server (offers|sends)"):
            get(tmp_path, url)
        server.data = b"<html>please log in</html>"
        with pytest.raises(DataError) as error:
            get(tmp_path, url)
        assert "\n" not in str(error.value)
        assert not (tmp_path / CIFAR10.name).exists()


def test_a_range_that_is_not_the_one_asked_for(tmp_path: Path) -> None:
    with served() as (server, url):
        server.cuts, server.content_range = [1000], f"bytes 0-9/{len(DATA)}"
        with pytest.raises(DataError, match="wanted were 1000 and on"):
            get(tmp_path, url)


def test_a_server_that_stays_silent_or_refuses(tmp_path: Path) -> None:
    with served() as (server, url):
        server.cuts = [3000] + [0] * 20
        with pytest.raises(DataError, match=r"3.0 kB of .* are here: run it again to go on"):
            get(tmp_path, url)
        assert len(server.asked) == 1 + web.ATTEMPTS
        server.status, server.asked = 404, []
        with pytest.raises(DataError, match="answers 404"):
            get(tmp_path, url)
        assert len(server.asked) == 1
        server.status, server.asked = 503, []
        with pytest.raises(DataError, match="answers 503"):
            get(tmp_path, url)
        assert len(server.asked) == web.ATTEMPTS
    with pytest.raises(DataError, match="no connection"):
        get(tmp_path, url)


@pytest.mark.parametrize("url", ["http://example.org/c", "ftp://example.org/c", "file:///etc/passwd", "no address", "http://["])
def test_only_https(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="only https"):
        get(tmp_path, url)


def test_a_redirection_to_http_is_not_followed(tmp_path: Path) -> None:
    with served() as (server, url):
        server.status, server.location = 302, "http://example.org/cifar-10-binary.tar.gz"
        with pytest.raises(DataError, match="only https"):
            get(tmp_path, url)


def test_a_full_disk_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="more must be free"):
        get(tmp_path, "http://127.0.0.1:9/", replace(ARCHIVE, bytes=1 << 60))


def test_nothing_but_the_wanted_members_leaves_the_archive(tmp_path: Path) -> None:
    """Absolute paths, paths that climb, links, devices, a huge member: none is as much as looked into."""
    extra = []
    for name in ("/tmp/evil", "../../evil", f"{INSIDE}/../evil", f"{INSIDE}/other.bin"):
        extra.append(tarfile.TarInfo(name))
        extra[-1].size = 10
    for kind, name in ((tarfile.SYMTYPE, "data_batch_1.bin"), (tarfile.LNKTYPE, "data_batch_2.bin"), (tarfile.CHRTYPE, "x")):
        extra.append(tarfile.TarInfo(f"{INSIDE}/{name}"))
        extra[-1].type, extra[-1].linkname = kind, "/etc/passwd"
    extra.append(tarfile.TarInfo(f"{INSIDE}/test_batch.bin"))
    extra[-1].size = 1 << 20
    data = packed(MEMBERS, extra)
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / CIFAR10.name).write_bytes(data)
    assert_is_all_there(cifar10(folder, archive=archive_of(data)))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert left == {f"a/b/{CIFAR10.name}", *(f"a/b/{INSIDE}/{name}" for name in MEMBERS)}


def test_archives_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / CIFAR10.name
    path.write_bytes(DATA[:-1])
    with pytest.raises(DataError, match="size or MD5 is wrong"):
        cifar10(tmp_path, archive=ARCHIVE)
    lacking = packed({name: content for name, content in MEMBERS.items() if name != "data_batch_4.bin"})
    for data, words in (
        (lacking, "no .*data_batch_4.bin"),
        (DATA[:9000], "cannot be unpacked"),
        (b"hello", "cannot be unpacked"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=words):
            cifar10(tmp_path, archive=archive_of(data))
    (tmp_path / "wrong").mkdir()
    path = tmp_path / "wrong" / CIFAR10.name
    wrong = packed({**MEMBERS, "data_batch_2.bin": bytes(ROWS * ROW)})
    path.write_bytes(wrong)
    with pytest.raises(DataError, match=r"SHA-256 of data_batch_2.bin is wrong"):
        cifar10(tmp_path / "wrong", archive=archive_of(wrong))
    assert not (tmp_path / "wrong" / INSIDE / "data_batch_2.bin").exists()
