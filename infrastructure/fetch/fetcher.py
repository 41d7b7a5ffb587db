"""Fetches documents over HTTP: from listed hosts, at addresses that were looked at, in bounded time and memory."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import BytesIO

import httpx

from handlers.document.errors import (
    DocumentTooLarge,
    FetchFailed,
    FetchNotAllowed,
    FetchRefused,
    FetchStopped,
    FetchTimeout,
)
from infrastructure.fetch.answer import REDIRECTS, refusal
from infrastructure.fetch.hosts import FetchHosts
from infrastructure.lazy import Lazy
from infrastructure.outbound.addresses import LeadsInside, Pinned, Resolve, resolved
from infrastructure.outbound.network import BoundedTransport, authorities, ends_at
from infrastructure.outbound.urls import plain_url
from infrastructure.settings import Settings

MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
SILENT_SECONDS = 15.0

HEADERS = {
    "accept": "application/pdf, image/*, */*;q=0.1",
    "accept-encoding": "identity",
    "user-agent": "CoreMachine",
}

ShouldStop = Callable[[], bool]


class HttpFetcher:
    """A :class:`handlers.document.fetching.Fetcher`. A call takes ``whole_seconds`` at most.

    It has no cookies and no password, asks for no compression, which could hide a document of any size, and keeps no
    connection. Redirects are followed where each leads to a host that is listed.
    """

    def __init__(
        self,
        hosts: FetchHosts,
        *,
        whole_seconds: float,
        silent_seconds: float = SILENT_SECONDS,
        resolve: Resolve = resolved,
        trusted: Callable[[], ssl.SSLContext] = authorities,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosts = hosts
        self._whole = whole_seconds
        self._monotonic = monotonic
        self._timeouts = httpx.Timeout(silent_seconds, connect=CONNECT_SECONDS).as_dict()
        pinned = Pinned(hosts.may_reach, resolve)
        self._transport = Lazy(lambda: BoundedTransport(trusted(), monotonic, pinned=pinned, kept=0))

    @classmethod
    def from_settings(cls, settings: Settings) -> HttpFetcher:
        """Raises :class:`infrastructure.settings.SettingsInvalid`."""
        hosts = FetchHosts.parsed(settings.fetch_hosts, settings.fetch_networks)
        return cls(hosts, whole_seconds=settings.document_fetch_seconds)

    def fetch(self, url: str, max_bytes: int, seconds: float, should_stop: ShouldStop) -> bytes:
        until = self._monotonic() + min(seconds, self._whole)
        asked = self._allowed(url)
        with _told_as_ours(), ends_at(until):
            for _ in range(MAX_REDIRECTS + 1):
                if should_stop():
                    raise FetchStopped("the task was asked to stop before the document was there")
                with closing(self._answer(asked)) as answer:
                    if answer.status_code not in REDIRECTS:
                        return _body(answer, max_bytes, should_stop)
                    asked = self._next(asked, answer)
        raise FetchRefused(f"the host redirected more than {MAX_REDIRECTS} times")

    def _allowed(self, text: str) -> httpx.URL:
        try:
            url = plain_url(text)
        except ValueError as error:
            raise FetchNotAllowed(f"documents are not fetched from such a URL: {error}") from error
        if not self._hosts.have(url):
            raise FetchNotAllowed(
                "documents are not fetched from this host; the setting DOCUMENT_FETCH_HOSTS lists them"
            )
        return url

    def _next(self, asked: httpx.URL, answer: httpx.Response) -> httpx.URL:
        try:
            location = asked.join(answer.headers["location"]).copy_with(fragment=None)
        except KeyError as error:
            raise FetchRefused("the host redirected to nowhere", status=answer.status_code) from error
        except httpx.InvalidURL as error:
            raise FetchNotAllowed("the host redirected to what is no URL", status=answer.status_code) from error
        return self._allowed(str(location))

    def _answer(self, url: httpx.URL) -> httpx.Response:
        request = httpx.Request("GET", url, headers=HEADERS, extensions={"timeout": self._timeouts})
        return self._transport().handle_request(request)


def _body(answer: httpx.Response, max_bytes: int, should_stop: ShouldStop) -> bytes:
    if answer.status_code != 200:
        raise refusal(answer.status_code)
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchRefused("the host answered in an encoding that was not asked for")
    told = answer.headers.get("content-length", "")
    if told.isdecimal() and int(told) > max_bytes:
        raise _too_large(max_bytes)
    body = BytesIO()
    for piece in answer.iter_raw():
        if body.tell() + len(piece) > max_bytes:
            raise _too_large(max_bytes)
        body.write(piece)
        if should_stop():
            raise FetchStopped("the task was asked to stop before the document was there")
    return body.getvalue()


def _too_large(limit: int) -> DocumentTooLarge:
    return DocumentTooLarge(f"the document has more bytes than the limit of {limit}", limit=limit)


@contextmanager
def _told_as_ours() -> Iterator[None]:
    """The errors of the HTTP client, which may hold a URL, as errors of documents."""
    try:
        yield
    except LeadsInside as error:
        raise FetchNotAllowed("the host leads to an address that documents are not fetched from") from error
    except httpx.TimeoutException as error:
        raise FetchTimeout(f"the document was not there in time: {type(error).__name__}") from error
    except httpx.TransportError as error:
        if _is_untrusted(error):
            raise FetchRefused("the host's certificate is not one to be trusted") from error
        raise FetchFailed(f"the document was not fetched: {type(error).__name__}") from error


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
