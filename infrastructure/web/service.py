"""A request in, an answer out: what is the same for every route."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import cache
from typing import assert_never

from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from infrastructure.web.answers import Answer, AnyAnswer, StreamedAnswer
from infrastructure.web.body import check_json_type, declared_length, parse_json, read_within
from infrastructure.web.incoming import IDLE_SECONDS, Incoming
from infrastructure.web.parts import WebParts
from infrastructure.web.probes import Probes
from infrastructure.web.query import parse_query
from infrastructure.web.refusals import refusal, request_id_from
from infrastructure.web.routes import AnyRoute, BodyKind, Call
from infrastructure.web.threads import Threads

REQUEST_ID = "x-request-id"


class ApiService:
    """:class:`infrastructure.web.routes.Service`; ``make_parts`` is called for each request, in a thread.

    ``monotonic`` is seconds, and measures how long a client is waited for.
    """

    def __init__(
        self,
        make_parts: Callable[[], WebParts],
        contract: Callable[[], bytes],
        *,
        probes: Probes | None = None,
        threads: Threads | None = None,
        idle_seconds: float = IDLE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.make_parts = make_parts
        self.contract = cache(contract)
        self._idle_seconds = idle_seconds
        self._monotonic = monotonic
        self._uploads = 0
        self._lock = threading.Lock()
        self.probes = probes or Probes()
        self.threads = threads or Threads("api")

    async def parts(self) -> WebParts:
        return await self.threads.run(self.make_parts)

    def upload_place(self, limit: int) -> bool:
        with self._lock:
            free = self._uploads < limit
            self._uploads += free
            return free

    def leave_upload_place(self) -> None:
        with self._lock:
            self._uploads -= 1

    async def answer(self, route: AnyRoute, request: Request) -> Response:
        """Raises nothing: whatever happens is an answer in the one envelope."""
        request_id = request_id_from(request.headers.get(REQUEST_ID))
        incoming = Incoming(request, self._idle_seconds, self._monotonic)
        (came,) = await asyncio.gather(self._perform(route, request, incoming, request_id), return_exceptions=True)
        if isinstance(came, BaseException):
            if route.body_kind is not BodyKind.NONE:
                await incoming.linger()
            came = refusal(came, request_id, route.name)
        return _response(came, request_id)

    async def _perform(self, route: AnyRoute, request: Request, incoming: Incoming, request_id: str) -> AnyAnswer:
        query = parse_query(route.query, request.query_params)
        call = Call(
            request_id=request_id,
            path=request.path_params,
            query=query,
            body=await self._body(route, request.headers, incoming),
            headers=request.headers,
            stream=incoming.pieces,
        )
        return await route.endpoint(self, call)

    async def _body(self, route: AnyRoute, headers: Headers, incoming: Incoming) -> BaseModel:
        """The model of a JSON body; that of nothing for other routes, which leave it unread."""
        if route.body_kind is not BodyKind.JSON:
            empty: BaseModel = parse_json(route.body, b"")
            return empty
        limit = (await self.parts()).settings.http_max_body_bytes
        async with aclosing(incoming.pieces()) as pieces:
            body = await read_within(pieces, limit, declared_length(headers))
        if body:
            check_json_type(headers)
        parsed: BaseModel = parse_json(route.body, body)
        return parsed


def _response(answer: AnyAnswer, request_id: str) -> Response:
    headers = {**answer.headers, REQUEST_ID: request_id}
    match answer:
        case Answer(status=status, content=content):
            return Response(content, status, headers, None if status == 304 else answer.media_type)
        case StreamedAnswer(pieces=pieces, length=length):
            return StreamingResponse(pieces, 200, {**headers, "Content-Length": str(length)}, answer.media_type)
    assert_never(answer)
