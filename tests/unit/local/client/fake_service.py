"""A service on loopback that answers as the API does, for the clients' tests."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

TEXT = b"Hello, world.\n"
TIMES = {"created_at": "2030-01-31T12:00:00Z", "updated_at": "2030-01-31T12:00:05Z"}


class Reply(NamedTuple):
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Route = Callable[[Call], Reply]


def answer(status: int, content: object, **headers: str) -> Reply:
    return Reply(status, json.dumps(content).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


def error(status: int, code: str, message: str = "no", **headers: str) -> Reply:
    envelope = {"error": {"code": code, "message": message, "request_id": "req-7", "details": {}}}
    return answer(status, envelope, **headers)


def stage(number: int, name: str, status: str, total: int = 0, done: int = 0, failed: int = 0) -> dict[str, Any]:
    percent = 100 * done / total if total else 0.0
    return {
        "number": number,
        "name": name,
        "task_type": f"do_{name}",
        "status": status,
        "total": total,
        "done": done,
        "failed": failed,
        "percent": percent,
    }


def status_body(job_id: str, status: str = "processing", **more: Any) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "run": 1,
        "job_type": "ocr_document",
        "tenant": "default",
        "status": status,
        "percent": 100.0 if status == "completed" else 0.0,
        **TIMES,
        "deadline": None,
        "stages": [],
        "error": None,
        "links": {},
        **more,
    }


@dataclass
class FakeService:
    """``script`` is what the polls of a job see, one after the other, the last for good; ``routes`` go before all."""

    script: list[dict[str, Any]] = field(default_factory=list)
    routes: dict[str, Route] = field(default_factory=dict)
    key: str = ""
    calls: list[Call] = field(default_factory=list)
    polls: dict[str, int] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)
    url: str = ""

    def reply(self, call: Call) -> Reply:
        self.calls.append(call)
        if self.key and call.headers.get("x-functions-key") != self.key:
            return Reply(401)
        for pattern, route in self.routes.items():
            if re.fullmatch(pattern, f"{call.method} {call.path}"):
                return route(call)
        return self._default(call)

    def paths(self, method: str = "") -> list[str]:
        return [call.path for call in self.calls if not method or call.method == method]

    def _default(self, call: Call) -> Reply:
        match [call.method, *call.path.removeprefix("/api/").split("/", 3)]:
            case ["POST", "documents"]:
                return self._take(call)
            case ["GET", "jobs", "status", job_id]:
                return self._status(job_id, call)
            case ["GET", "jobs", job_id, "result"]:
                return answer(200, self._result(job_id))
            case ["GET", "jobs", _, "files", name]:
                return Reply(200, TEXT if name.endswith(".txt") else b"{}" if name.endswith(".json") else b"\xff\xd8")
            case _:
                return error(404, "NOT_FOUND")

    def _take(self, call: Call) -> Reply:
        job_id = hashlib.sha256(call.body + call.headers.get("idempotency-key", "").encode()).hexdigest()
        known = job_id in self.sent
        self.sent[job_id] = call.body
        return answer(200 if known else 202, self._now(job_id))

    def _status(self, job_id: str, call: Call) -> Reply:
        self.polls[job_id] = self.polls.get(job_id, 0) + 1
        body = self._now(job_id)
        tag = '"' + hashlib.sha256(json.dumps(body).encode()).hexdigest()[:8] + '"'
        if call.headers.get("if-none-match") == tag:
            return Reply(304, b"", {"ETag": tag})
        return answer(200, body, ETag=tag)

    def _now(self, job_id: str) -> dict[str, Any]:
        if not self.script:
            return status_body(job_id, "completed")
        return {**status_body(job_id), **self.script[min(self.polls.get(job_id, 0), len(self.script) - 1)]}

    def _result(self, job_id: str) -> dict[str, Any]:
        area = f"documents/{job_id}/"
        files = [
            ("text", "text.txt", len(TEXT)),
            ("analyze_result", "analyze_result.json", 2),
            ("preview", "preview/0001.jpg", 2),
        ]
        artifacts = [
            {
                "kind": kind,
                "name": area + name,
                "content_type": "x/y",
                "bytes": size,
                "page": 1 if kind == "preview" else None,
            }
            for kind, name, size in files
        ]
        result = {"text": TEXT.decode(), "mean_confidence": 0.98, "pages": [{}], "warnings": [], "artifacts": artifacts}
        return {"job_id": job_id, "run": 1, "status": "completed", "result": result, "error": None}


@contextmanager
def serving(service: FakeService) -> Iterator[FakeService]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(service: FakeService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            call = Call(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)
            reply = service.reply(call)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            return None

    return Handler
