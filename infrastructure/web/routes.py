"""What a route is: its address, what it takes, what it answers, and which errors it may answer with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel
from starlette.datastructures import Headers

from core.errors import CoreMachineError
from infrastructure.web.answers import AnyAnswer
from infrastructure.web.parts import WebParts
from infrastructure.web.probes import Probes
from infrastructure.web.threads import Threads

Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """``stream`` gives the body's bytes where the route reads it by itself; ``body`` is the model of it elsewhere."""

    request_id: str
    path: Mapping[str, str]
    query: Q
    body: B
    headers: Headers
    stream: Callable[[], AsyncGenerator[bytes, None]]


class Service(Protocol):
    """What endpoints share in one process. Calls wait in ``threads``, and readiness checks in those of ``probes``."""

    threads: Threads
    probes: Probes

    def contract(self) -> bytes:
        """``openapi.json``, the same bytes each time."""
        ...

    def make_parts(self) -> WebParts:
        """May block. Raises what making them raises."""
        ...

    async def parts(self) -> WebParts:
        """:meth:`make_parts` in one of ``threads``."""
        ...

    def upload_place(self, limit: int) -> bool:
        """Whether one of ``limit`` places was free; it is taken then."""
        ...

    def leave_upload_place(self) -> None: ...


Endpoint = Callable[[Service, Call[Q, B]], Awaitable[AnyAnswer]]


def threaded(perform: Callable[[WebParts, Call[Q, B]], AnyAnswer]) -> Endpoint[Q, B]:
    """An endpoint that waits for ``perform`` in one of the API's threads."""

    async def endpoint(service: Service, call: Call[Q, B]) -> AnyAnswer:
        return await service.threads.run(lambda: perform(service.make_parts(), call))

    return endpoint


class BodyKind(StrEnum):
    NONE = "none"
    JSON = "json"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Success:
    """One of a route's answers. ``model`` is of its JSON; without one the body is empty, or of ``media_type``.
    ``headers`` are those worth naming.
    """

    status: int
    description: str
    model: type[BaseModel] | None = None
    media_type: str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route(Generic[Q, B]):
    """``name`` is the function's. The host tries functions by name, so that of two routes that fit the same path
    the narrower one's name sorts first. ``errors`` are those beside the ones that every route may answer with. An
    ``admin`` route asks for the host's master key.
    """

    name: str
    method: str
    path: str
    summary: str
    endpoint: Endpoint[Q, B]
    query: type[Q]
    body: type[B]
    successes: tuple[Success, ...]
    errors: tuple[type[CoreMachineError], ...] = ()
    body_kind: BodyKind = BodyKind.NONE
    anonymous: bool = False
    admin: bool = False
    needs_parts: bool = True
    headers: tuple[str, ...] = field(default=())


AnyRoute = Route[Any, Any]
