"""Documents by URL, over sockets: servers on this machine behind names that a test looks up."""

from __future__ import annotations

import gzip
import itertools
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from handlers.document.errors import (
    DocumentTooLarge,
    FetchFailed,
    FetchNotAllowed,
    FetchRefused,
    FetchStopped,
    FetchTimeout,
    SourceAccessDenied,
    SourceNotFound,
)
from handlers.document.fetching import Fetcher
from infrastructure.fetch.fetcher import MAX_REDIRECTS, HttpFetcher
from infrastructure.fetch.hosts import FetchHosts
from infrastructure.settings import Settings
from tests.support.certificates import own_certificate
from tests.support.document_server import Answer, DocumentServer, answer

SECONDS = 30.0
LIMIT = 1_000_000
BODY = b"%PDF-1.7 a document" * 1_000
SECRET = "sig=a-secret"
LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with DocumentServer().running() as server:
        yield server


class Fetching:
    """From ``http://files.example`` and ``http://*.more.example``, this machine unless it is said otherwise."""

    def __init__(self, server: DocumentServer, networks: Sequence[str] = LOOPBACK) -> None:
        self.server = server
        self.networks = networks
        self.found: dict[str, Sequence[str]] = {}
        self.asked: list[str] = []
        self.silent_seconds = SECONDS
        self.should_stop: Callable[[], bool] = lambda: False

    def url(self, path: str = "/a", host: str = "files.example") -> str:
        return f"http://{host}:{self.server.port}{path}"

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.found.get(host, ["127.0.0.1"])

    def fetcher(self, monotonic: Callable[[], float] = lambda: 0.0) -> Fetcher:
        hosts = [f"http://{host}:{self.server.port}" for host in ("files.example", "*.more.example")]
        return HttpFetcher(
            FetchHosts.parsed(hosts, self.networks),
            whole_seconds=SECONDS,
            silent_seconds=self.silent_seconds,
            resolve=self.resolve,
            trusted=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            monotonic=monotonic,
        )

    def get(self, url: str | None = None, max_bytes: int = LIMIT) -> bytes:
        return self.fetcher().fetch(url or self.url(), max_bytes, SECONDS, self.should_stop)

    def given(self, reply: Answer, max_bytes: int = LIMIT) -> bytes:
        self.server.answers["/a"] = reply
        return self.get(max_bytes=max_bytes)


@pytest.fixture
def fetching(server: DocumentServer) -> Fetching:
    return Fetching(server)


def test_a_document_is_fetched_as_it_is(fetching: Fetching) -> None:
    assert fetching.given(answer(BODY)) == BODY

    (head,) = fetching.server.heads
    lines = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head.splitlines()}
    assert lines["host"] == f"files.example:{fetching.server.port}"
    assert lines["accept-encoding"] == "identity"
    assert not {"cookie", "authorization", "referer"} & set(lines)
    assert fetching.asked == ["files.example"]


def test_one_of_exactly_the_limit_is_fetched(fetching: Fetching) -> None:
    assert fetching.given(answer(BODY), max_bytes=len(BODY)) == BODY


def test_a_body_of_unknown_length_is_read_to_its_end(fetching: Fetching) -> None:
    chunked = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    assert fetching.given(chunked) == b"abcde"
    assert fetching.given(b"HTTP/1.0 200 X\r\n\r\nabc") == b"abc"


def test_cookies_are_nobodys(fetching: Fetching) -> None:
    fetcher = fetching.fetcher()
    fetching.server.answers["/a"] = answer(b"x", set_cookie="a=b")
    for _ in range(2):
        fetcher.fetch(fetching.url(), LIMIT, SECONDS, lambda: False)

    assert "cookie" not in "".join(fetching.server.heads).lower()


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example/a",
        "http://files.example/a",
        "http://files.example:PORT@evil.example/a",
        "http://user:word@files.example:PORT/a",
        "http://evil.example:PORT/a",
        "http://127.0.0.1:PORT/a",
        "http://localhost:PORT/a",
        "http://[::1]:PORT/a",
        "http://more.example:PORT/a",
        "http://files.example.:PORT/a",
        "file:///etc/passwd",
        "not a url",
        "",
    ],
)
def test_what_is_not_listed_is_neither_looked_up_nor_called(fetching: Fetching, url: str) -> None:
    with pytest.raises(FetchNotAllowed):
        fetching.get(url.replace("PORT", str(fetching.server.port)) or "/")

    assert (fetching.asked, fetching.server.heads) == ([], [])


def test_without_settings_nothing_is_fetched() -> None:
    fetcher = HttpFetcher.from_settings(Settings.from_environment({}))

    with pytest.raises(FetchNotAllowed, match="DOCUMENT_FETCH_HOSTS"):
        fetcher.fetch("https://files.example/", LIMIT, SECONDS, lambda: False)


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["93.184.216.34", "127.0.0.1"], ["127.0.0.1", "::1"]],
    ids=lambda found: found[0] + "+" * (len(found) - 1),
)
def test_a_name_that_leads_inside_is_not_called(server: DocumentServer, found: list[str]) -> None:
    fetching = Fetching(server, networks=())
    fetching.found["files.example"] = found

    with pytest.raises(FetchNotAllowed, match="address"):
        fetching.given(answer(BODY))

    assert server.heads == []


def test_a_name_is_looked_up_once_a_connection_and_that_is_where_it_goes(fetching: Fetching) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    fetching.found = _Turning(answers)

    assert fetching.given(answer(BODY)) == BODY
    assert len(fetching.asked) == 1
    with pytest.raises(FetchNotAllowed):
        fetching.get()


class _Turning(dict[str, Sequence[str]]):
    """A name that leads elsewhere each time."""

    def __init__(self, answers: Iterator[Sequence[str]]) -> None:
        super().__init__()
        self._answers = answers

    def get(self, *_: object) -> Sequence[str]:
        return next(self._answers)


def test_redirects_are_followed_where_each_hop_is_listed(fetching: Fetching) -> None:
    fetching.server.answers |= {
        "/a": answer(status=302, location="/b?c=d#page=2"),
        "/b?c=d": answer(status=307, location=fetching.url("/c", "one.more.example")),
        "/c": answer(BODY),
    }

    assert fetching.get() == BODY
    assert fetching.server.paths == ["/a", "/b?c=d", "/c"]
    assert fetching.asked == ["files.example", "files.example", "one.more.example"]
    assert "Referer" not in "".join(fetching.server.heads)


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/",
        "//evil.example/",
        "http://127.0.0.1:PORT/a",
        "http://localhost:PORT/a",
        "http://169.254.169.254/latest/meta-data/",
        "https://files.example:PORT/a",
        "http://files.example:22/",
        "http://a@files.example:PORT/a",
        "file:///etc/passwd",
        "ftp://files.example/",
        "http://files.example:99999/",
        "http://[::1",
    ],
)
def test_a_redirect_to_what_is_not_listed_is_not_followed(fetching: Fetching, location: str) -> None:
    with pytest.raises(FetchNotAllowed):
        fetching.given(answer(status=302, location=location.replace("PORT", str(fetching.server.port))))

    assert fetching.asked == ["files.example"]


def test_a_redirect_to_a_listed_name_that_leads_inside_is_not_followed(fetching: Fetching) -> None:
    fetching.found["one.more.example"] = ["10.0.0.1"]

    with pytest.raises(FetchNotAllowed, match="address"):
        fetching.given(answer(status=301, location=fetching.url("/a", "one.more.example")))


def test_a_loop_of_redirects_ends(fetching: Fetching) -> None:
    with pytest.raises(FetchRefused, match="redirected more than"):
        fetching.given(answer(status=302, location="/a"))

    assert len(fetching.server.heads) == MAX_REDIRECTS + 1


def test_a_chain_may_be_as_long_as_it_may_be(fetching: Fetching) -> None:
    for number in range(MAX_REDIRECTS):
        fetching.server.answers[f"/{number}"] = answer(status=303, location=f"/{number + 1}")
    fetching.server.answers[f"/{MAX_REDIRECTS}"] = answer(BODY)

    assert fetching.get(fetching.url("/0")) == BODY


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(status=404), SourceNotFound),
        (answer(status=410), SourceNotFound),
        (answer(status=401), SourceAccessDenied),
        (answer(status=403), SourceAccessDenied),
        (answer(status=400), FetchRefused),
        (answer(status=405), FetchRefused),
        (answer(b"part", status=206), FetchRefused),
        (b"HTTP/1.1 204 X\r\n\r\n", FetchRefused),
        (b"HTTP/1.1 304 X\r\n\r\n", FetchRefused),
        (answer(status=302), FetchRefused),
        (answer(status=300, location="/b"), FetchRefused),
        (answer(status=408), FetchFailed),
        (answer(status=429), FetchFailed),
        (answer(status=500), FetchFailed),
        (answer(status=503), FetchFailed),
        (b"SSH-2.0-OpenSSH_9.2\r\n", FetchFailed),
        (b"", FetchFailed),
        (b"HTTP/1.1 200 X\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", FetchFailed),
        (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", FetchFailed),
        (b"HTTP/1.1 200 X\r\n" + b"x: " + b"y" * 200_000 + b"\r\n\r\n", FetchFailed),
    ],
)
def test_what_is_no_document_has_a_code(fetching: Fetching, reply: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        fetching.given(reply)

    assert type(caught.value) is error


def test_a_document_that_says_that_it_is_too_large_is_not_read(fetching: Fetching) -> None:
    with pytest.raises(DocumentTooLarge):
        fetching.given(answer(b"", content_length=str(LIMIT + 1)))


def test_one_that_does_not_say_so_is_read_up_to_the_limit(fetching: Fetching) -> None:
    sent = itertools.count()

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)
            next(sent)

    with pytest.raises(DocumentTooLarge):
        fetching.given(endless)

    assert next(sent) * 65_536 < LIMIT + 50 * 1024 * 1024  # what the sockets held, and not for ever


def test_one_that_says_too_little_is_cut_where_it_said(fetching: Fetching) -> None:
    assert fetching.given(answer(BODY, content_length="3")) == BODY[:3]


def test_one_that_says_too_much_is_not_taken_for_whole(fetching: Fetching) -> None:
    with pytest.raises(FetchFailed):
        fetching.given(answer(BODY, content_length=str(len(BODY) + 1)))


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", "x"])
def test_a_compressed_answer_is_refused_and_not_unpacked(fetching: Fetching, encoding: str) -> None:
    bomb = gzip.compress(bytes(10 * LIMIT))

    with pytest.raises(FetchRefused, match="encoding"):
        fetching.given(answer(bomb, content_encoding=encoding))


def test_a_server_that_is_silent_is_not_waited_for(fetching: Fetching) -> None:
    fetching.silent_seconds = 0.05
    go_on = threading.Event()
    try:
        with pytest.raises(FetchTimeout):
            fetching.given(lambda _connection: _wait(go_on))
    finally:
        go_on.set()


def _wait(go_on: threading.Event) -> None:
    assert go_on.wait(SECONDS)


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 X\r\n\r\n", b"HTTP/1.1 200 X\r\ncontent-length: 90000000\r\n\r\n"]
)
def test_a_server_that_gives_a_byte_now_and_then_is_not_waited_for(fetching: Fetching, head: bytes) -> None:
    def drips(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head)
        while True:
            connection.sendall(b"H" if head else b"HTTP/1.1 100 Continue\r\n\r\n")

    fetching.server.answers["/a"] = drips
    looks = itertools.count()
    fetcher = fetching.fetcher(lambda: next(looks) * 0.5)

    with pytest.raises(FetchTimeout):
        fetcher.fetch(fetching.url(), 1 << 40, 10.0, lambda: False)

    assert next(looks) < 30


def test_redirects_have_one_time_together(fetching: Fetching) -> None:
    fetching.server.answers["/a"] = answer(status=302, location="/a")
    looks = itertools.count()
    fetcher = fetching.fetcher(lambda: next(looks) * 1.0)

    with pytest.raises(FetchTimeout):
        fetcher.fetch(fetching.url(), LIMIT, 10.0, lambda: False)

    assert len(fetching.server.heads) < MAX_REDIRECTS


def test_a_task_that_is_to_stop_stops_between_two_pieces(fetching: Fetching) -> None:
    asked = itertools.count()
    fetching.should_stop = lambda: next(asked) > 3

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            connection.sendall(b"x" * 10)

    with pytest.raises(FetchStopped):
        fetching.given(endless, max_bytes=1 << 40)


def test_a_host_that_is_not_there_may_come_back(fetching: Fetching) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fetching.server.port = taken.getsockname()[1]

    with pytest.raises(FetchFailed):
        fetching.get()


def test_a_name_that_is_not_found_may_be_found_later(fetching: Fetching) -> None:
    fetching.found["files.example"] = []

    with pytest.raises(FetchFailed):
        fetching.get()


def test_no_log_and_no_error_tells_the_url(fetching: Fetching, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = f"/a?{SECRET}"
    fetching.server.answers[path] = answer(status=302, location=f"http://evil.example/?{SECRET}")
    told = []
    for url in (
        fetching.url(path),
        fetching.url(f"/missing?{SECRET}"),
        f"http://evil.example/?{SECRET}",
        f"x?{SECRET}",
    ):
        with pytest.raises((FetchNotAllowed, SourceNotFound)) as caught:
            fetching.get(url)
        told.append(f"{caught.value} {caught.value.details}")

    assert SECRET not in "".join(told)
    assert SECRET not in caplog.text


class TestTls:
    """``https://files.example`` with a certificate of its own."""

    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        return own_certificate(tmp_path, "files.example")

    @pytest.fixture
    def secured(self, certificate: Path) -> Iterator[DocumentServer]:
        with DocumentServer(certificate).running() as server:
            server.answers["/a"] = answer(BODY)
            yield server

    def get(self, server: DocumentServer, trusted: Path | None, host: str = "files.example") -> bytes:
        fetcher = HttpFetcher(
            FetchHosts.parsed([f"{host}:{server.port}"], LOOPBACK),
            whole_seconds=SECONDS,
            resolve=lambda *_: ["127.0.0.1"],
            trusted=lambda: ssl.create_default_context(cafile=trusted),
        )
        return fetcher.fetch(f"https://{host}:{server.port}/a", LIMIT, SECONDS, lambda: False)

    def test_the_certificate_is_that_of_the_name_and_not_of_the_address(
        self, secured: DocumentServer, certificate: Path
    ) -> None:
        assert self.get(secured, certificate) == BODY

    def test_a_certificate_of_another_name_is_refused(self, secured: DocumentServer, certificate: Path) -> None:
        with pytest.raises(FetchRefused, match="certificate"):
            self.get(secured, certificate, "others.example")

        assert secured.heads == []

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, secured: DocumentServer) -> None:
        with pytest.raises(FetchRefused, match="certificate"):
            self.get(secured, None)

        assert secured.heads == []

    def test_a_server_without_tls_is_not_talked_to(self, server: DocumentServer, certificate: Path) -> None:
        with pytest.raises(FetchFailed):
            self.get(server, certificate)

        assert server.heads == []
