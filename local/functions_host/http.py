"""Between the wire and the library: what a function is given, and what becomes of what it returns.

The conversions are the library's own (`azure.functions.http`), which the worker calls as well; around them stands what
the host does. Source: `GrpcMessageConversionExtensions.ToRpcHttp` of the host: several values of one header or query
parameter are joined with commas, names of query parameters are the same in any case, empty query values are left out,
header names are in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http.cookies import CookieError
from typing import Any
from urllib.parse import parse_qsl

from azure.functions.http import HttpRequestConverter, HttpResponseConverter
from azure.functions.meta import Datum
from starlette.requests import Request
from starlette.responses import Response

BODY_LIMIT_BYTES = 100 * 1024 * 1024
"""Source: the limits of the HTTP trigger: 100 MB (104,857,600 bytes) a request."""

_MADE_BY_THE_SERVER = frozenset({"content-length", "transfer-encoding", "connection"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00\r\n]*")


class ResponseInvalid(Exception):
    """What the function returned is not an HTTP response, or not one that may be sent."""


def query_values(query: bytes) -> dict[str, str]:
    """By the first spelling of each name; repeated values are joined with a comma, empty ones are left out."""
    spelling: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace"):
        values.setdefault(spelling.setdefault(name.lower(), name), []).append(value)
    joined = {name: ",".join(several) for name, several in values.items()}
    return {name: value for name, value in joined.items() if value}


def header_values(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names in lower case; repeated headers are joined with a comma."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    return {name: ",".join(several) for name, several in values.items()}


def function_request(request: Request, raw_path: str, route_values: Mapping[str, str], body: bytes) -> object:
    """An `azure.functions.HttpRequest`. ``raw_path`` is the path as it was sent, still percent-encoded."""
    query = request.scope["query_string"]
    suffix = f"?{query.decode('latin-1')}" if query else ""
    host = request.headers.get("host", "")
    parts: dict[str, Any] = {
        "method": _text(request.method),
        "url": _text(f"{request.url.scheme}://{host}{raw_path}{suffix}"),
        "headers": _texts(header_values(request.headers.items())),
        "query": _texts(query_values(query)),
        "params": _texts(route_values),
        "body": Datum(type="bytes", value=body),
    }
    made: object = HttpRequestConverter.decode(Datum(type="http", value=parts), trigger_metadata=None)
    return made


def client_response(returned: object) -> Response:
    """What goes to the client for an `HttpResponse` or a text. Raises :class:`ResponseInvalid` for anything else."""
    try:
        datum = HttpResponseConverter.encode(returned, expected_type=None)
    except NotImplementedError as error:
        raise ResponseInvalid(f"the function returned {type(returned).__name__}, not HttpResponse or str") from error
    except CookieError as error:
        raise ResponseInvalid(f"the function returned a Set-Cookie header that is not one: {error}") from error
    if datum.type == "string":
        return Response(datum.value, media_type="text/plain")
    return _response(datum.value)


def _response(value: Mapping[str, Any]) -> Response:
    status = int(value["status_code"].value)
    if not 200 <= status <= 599:
        raise ResponseInvalid(f"the function returned the HTTP status {status}")
    response = Response(value["body"].value, status_code=status)
    for name, datum in value["headers"].items():
        if name.lower() not in _MADE_BY_THE_SERVER:
            _check_header(name, datum.value)
            response.headers[name] = datum.value
    for cookie in value["cookies"] or ():
        for morsel in cookie.values():
            response.headers.append("set-cookie", morsel.OutputString())
    return response


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        raise ResponseInvalid(f"the function returned the header {name!r} with characters that HTTP does not allow")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ResponseInvalid(f"the header {name!r} has characters that are not in Latin-1") from error


def _text(value: str) -> Datum:
    return Datum(type="string", value=value)


def _texts(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: _text(value) for name, value in values.items()}
