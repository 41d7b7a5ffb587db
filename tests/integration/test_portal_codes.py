"""A document's failures, each by what brings it about: an answer over a socket, or a picture that cannot be adapted."""

from __future__ import annotations

import io
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from docker_worker.once.answer import answered
from handlers.portal import pixels
from handlers.portal.registration import adapted, portal_handlers
from infrastructure.fetch.fetcher import HttpFetcher
from infrastructure.fetch.hosts import FetchHosts
from testing.factories import Registries
from tests.support.document_server import Answer, DocumentServer, answer
from tests.support.portal import Desk, encoded, payload, photo
from tests.support.portraits import astronaut

HOST = "files.example"
SECRET = "sig=a-secret"


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with DocumentServer().running() as server:
        yield server


def told(desk: Desk, **changes: Any) -> tuple[str, str, bool]:
    """Code, stage and whether it may pass."""
    content = json.dumps(payload(**changes)).encode()
    registries = Registries.of([], portal_handlers(desk.around))
    document = answered(content, registries, desk.stop, deadline=lambda _: None, storage=lambda: desk.blobs)
    assert SECRET not in json.dumps(document)
    assert document["status"] == "failed", document
    error = document["error"]
    return error["code"], error["stage"], error["retryable"]


def fetched(
    server: DocumentServer, reply: Answer | None, host: str = HOST, silent: float = 30.0
) -> tuple[str, str, bool]:
    if reply is not None:
        server.answers[f"/a?{SECRET}"] = reply
    desk = Desk()
    desk.fetcher = HttpFetcher(  # type: ignore[assignment]
        FetchHosts.parsed([f"http://{HOST}:{server.port}"], ("127.0.0.0/8",)),
        whole_seconds=30.0,
        silent_seconds=silent,
        resolve=_here,
        trusted=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    url = f"http://{host}:{server.port}/a?{SECRET}"
    return told(desk, input={**payload()["input"], "artifact_url": url})


def _here(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(status=404), "ARTIFACT_NOT_FOUND"),
        (answer(status=403), "ARTIFACT_ACCESS_DENIED"),
        (answer(status=418), "FETCH_FAILED"),
        (answer(status=503), "FETCH_FAILED"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\ncut off", "FETCH_FAILED"),
    ],
)
def test_what_a_host_answers(server: DocumentServer, reply: bytes, code: str) -> None:
    assert fetched(server, reply) == (code, "FETCH", False)


def test_a_host_that_is_not_listed(server: DocumentServer) -> None:
    assert fetched(server, None, host="elsewhere.example") == ("ARTIFACT_SOURCE_INVALID", "FETCH", False)


def test_a_host_that_is_silent(server: DocumentServer) -> None:
    ended = threading.Event()

    def says_nothing(_: socket.socket) -> None:
        ended.wait(30.0)

    found = fetched(server, says_nothing, silent=0.05)
    ended.set()

    assert found == ("FETCH_TIMEOUT", "FETCH", True)


@pytest.mark.parametrize(("document", "code"), [(b"<html>", "UNSUPPORTED_FORMAT"), (photo()[:2_000], "DECODE_FAILED")])
def test_what_comes_by_url_and_is_no_picture(server: DocumentServer, document: bytes, code: str) -> None:
    assert fetched(server, answer(document)) == (code, "DECODE", False)


FACE = {"fit": "face", "face": {"min_percent": 50, "max_percent": 75}}


def portrait() -> bytes:
    return encoded(Image.fromarray(astronaut()[:, :, ::-1].copy()))


@pytest.mark.parametrize(
    ("picture", "rules", "code"),
    [
        (photo(), FACE, "SCHEMA_FAILED"),
        (photo(16, 18), {"fit": "cover", "target_width": 400, "target_height": 450}, "RESIZE_FAILED"),
        (portrait(), {"target_width": 600, "target_height": 690, "min_kb": 1, "max_kb": 2}, "SIZE_EXCEEDED"),
        (photo(), {"min_kb": 400, "max_kb": 500}, "SIZE_TOO_SMALL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_picture_that_cannot_be_made_to_meet_its_rules(picture: bytes, rules: dict[str, Any], code: str) -> None:
    found = told(Desk(answer=picture, adapt=adapted), definition={**rules, "fields": []})

    assert found == (code, "SCHEMA", False)


def test_a_picture_whose_noise_cannot_be_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(5).normal(0, 40, (400, 320, 3))
    clean = np.asarray(Image.open(io.BytesIO(photo())).convert("RGB"), np.float64)
    noisy = Image.fromarray(np.clip(clean + noise, 0, 255).astype(np.uint8))

    def breaks(*given: object) -> Any:
        raise cv2.error("a filter broke")

    monkeypatch.setattr(pixels, "enhanced", breaks)

    assert told(Desk(answer=encoded(noisy)), definition={"fields": []}) == ("ENHANCE_FAILED", "ENHANCE", False)
