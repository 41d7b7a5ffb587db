"""The administration API, to read from: queues and the namespace as Atom entries.

https://learn.microsoft.com/rest/api/servicebus/ and, for what the elements are called, the schema
``http://schemas.microsoft.com/netservices/2010/10/servicebus/connect``. Nothing is created, changed or deleted: the
queues are those of ``Config.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from testing.service_bus_emulator import atom
from testing.service_bus_emulator.amqp.errors import LinkError
from testing.service_bus_emulator.broker.config import NAMESPACE
from testing.service_bus_emulator.broker.errors import EntityNotFound
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.broker.rules import MEGABYTE
from testing.service_bus_emulator.cbs import Claim, Right, TokenRefused, check_token
from testing.service_bus_emulator.grants import Grants
from testing.service_bus_emulator.http_messages import HttpReader, HttpRefused, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from testing.service_bus_emulator.server import Server

MAX_PAGE = 100
"""Entries of a page, where more are asked for or nothing is."""

_TO_READ = "GET"
_LISTS = re.compile(r"/\$resources/(queues|topics)", re.IGNORECASE)
_NAMESPACE_INFO = "/$namespaceinfo"
_FOREVER = timedelta.max
_USUAL_WINDOW = timedelta(minutes=10)


class AdministrationLayer:
    """What a connection speaks that begins with an HTTP method: one request, and its answer."""

    def __init__(self, server: Server, scheme: str) -> None:
        self._server = server
        self._reader = HttpReader(scheme)

    def on_bytes(self, data: bytes) -> bytes | None:
        """The answer, once the request is there; the connection ends with it."""
        try:
            request = self._reader.feed(data)
        except HttpRefused as refused:
            return refused.response.encode()
        return None if request is None else Administration(self._server).respond(request).encode()


class Administration:
    def __init__(self, server: Server) -> None:
        self._server = server

    def respond(self, request: HttpRequest) -> HttpResponse:
        refused = self._refused(request)
        if refused is not None:
            return refused
        parts = urlsplit(request.target)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if (listed := _LISTS.fullmatch(path)) is not None:
            return self._list(listed[1].lower(), query, request)
        if path.lower() == _NAMESPACE_INFO:
            return _xml(atom.entry(request.url, NAMESPACE, self._server.started_at, self._namespace_info()))
        return self._queue(path, request)

    def _refused(self, request: HttpRequest) -> HttpResponse | None:
        if request.method != _TO_READ:
            return _error(405, f"{request.method} is not supported: the queues are those of Config.json")
        try:
            self._authorize(request)
        except TokenRefused as refused:
            return _error(401, refused.description)
        except LinkError as error:
            return _error(401, f"Manage,EntityRead claims required for this operation. {error.description}")
        return None

    def _authorize(self, request: HttpRequest) -> None:
        """Raises :class:`TokenRefused` or :class:`LinkError`."""
        now, grants = self._server.token_now(), Grants()
        token = request.headers.get("authorization", "")
        path = unquote(urlsplit(request.target).path)
        grants.add(check_token(token, path, self._server.keys, now))
        grants.check(Claim(path.strip("/").lower(), (Right.MANAGE,)), now)

    # What there is

    def _queue(self, path: str, request: HttpRequest) -> HttpResponse:
        """Service Bus answers with an empty feed where there is no such entity."""
        try:
            queue = self._server.namespace.find(path)
        except EntityNotFound:
            queue = None
        if queue is None or queue.is_dead_letter_queue:
            return _xml(atom.feed(request.url, "Publicly Listed Services", self._server.now(), []))
        return _xml(self._entry(queue, request.url))

    def _list(self, kind: str, query: Mapping[str, Sequence[str]], request: HttpRequest) -> HttpResponse:
        skip, top = _number(query, "$skip", 0), min(_number(query, "$top", MAX_PAGE), MAX_PAGE)
        queues = sorted(self._server.namespace, key=lambda queue: queue.path.lower()) if kind == "queues" else []
        page = queues[skip : skip + top]
        base = f"{request.scheme}://{request.host}"
        entries = [self._entry(queue, f"{base}/{queue.path}") for queue in page]
        rest = f"{base}/$Resources/{kind}?$skip={skip + top}&$top={top}"
        more = rest if page and skip + top < len(queues) else None
        return _xml(atom.feed(request.url, kind.title(), self._server.now(), entries, more))

    def _entry(self, queue: Queue, url: str) -> str:
        description = atom.element("QueueDescription", self._description(queue), atom.CONNECT)
        return atom.entry(url, queue.path, self._server.started_at, description)

    def _description(self, queue: Queue) -> str:
        """In the schema's order, as the service has it."""
        rules, counts, started = queue.rules, queue.properties(self._server.now()), self._server.started_at
        details: dict[str, atom.Content] = {
            "ActiveMessageCount": counts.active,
            "DeadLetterMessageCount": counts.dead_letters,
            "ScheduledMessageCount": counts.scheduled,
            "TransferMessageCount": 0,
            "TransferDeadLetterMessageCount": 0,
        }
        before: dict[str, atom.Content] = {
            "LockDuration": rules.lock_duration,
            "MaxSizeInMegabytes": rules.max_size_bytes // MEGABYTE,
            "RequiresDuplicateDetection": rules.duplicate_window is not None,
            "RequiresSession": rules.requires_session,
            "DefaultMessageTimeToLive": rules.default_time_to_live or _FOREVER,
            "DeadLetteringOnMessageExpiration": rules.dead_letter_on_expiration,
            "DuplicateDetectionHistoryTimeWindow": rules.duplicate_window or _USUAL_WINDOW,
            "MaxDeliveryCount": rules.max_delivery_count,
            "EnableBatchedOperations": True,
            "SizeInBytes": counts.size_bytes,
            "MessageCount": counts.active + counts.scheduled + counts.deferred + counts.dead_letters,
            "IsAnonymousAccessible": False,
            "Status": queue.status.value,
            "CreatedAt": started,
            "UpdatedAt": started,
            "SupportOrdering": True,
        }
        after: dict[str, atom.Content] = {
            "AutoDeleteOnIdle": _FOREVER,
            "EnablePartitioning": False,
            "EntityAvailabilityStatus": "Available",
            "EnableExpress": False,
            "MaxMessageSizeInKilobytes": rules.message_bytes // 1024,
        }
        found = atom.element("CountDetails", atom.elements(details, prefix="d2p1"), declares=("d2p1", atom.COUNTS))
        return atom.elements(before) + found + atom.elements(after)

    def _namespace_info(self) -> str:
        tiers = [queue.rules.tier.value for queue in self._server.namespace] or ["Standard"]
        values: dict[str, atom.Content] = {
            "CreatedTime": self._server.started_at,
            "MessagingSKU": tiers[0],
            "ModifiedTime": self._server.started_at,
            "Name": NAMESPACE,
            "NamespaceType": "Messaging",
        }
        return atom.element("NamespaceInfo", atom.elements(values), atom.CONNECT)


def _number(query: Mapping[str, Sequence[str]], name: str, default: int) -> int:
    text = query.get(name, [""])[0]
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else default


def _xml(body: str) -> HttpResponse:
    return HttpResponse(200, body.encode(), "application/atom+xml;type=entry;charset=utf-8")


def _error(status: int, detail: str) -> HttpResponse:
    body = atom.element("Error", atom.elements({"Code": status, "Detail": detail}))
    return HttpResponse(status, body.encode(), "application/xml; charset=utf-8")
