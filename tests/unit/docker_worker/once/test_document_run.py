"""A document's payload in, its answer out: every code of the closed list is reached, whatever came in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.context import StopSignal
from core.errors import BlobStoreUnavailable
from core.ports import BlobStore
from docker_worker.once.answer import answered
from handlers.document.errors import (
    FetchFailed,
    FetchNotAllowed,
    FetchRefused,
    FetchTimeout,
    OcrFailed,
    SourceAccessDenied,
    SourceNotFound,
)
from handlers.document.limits import DocumentLimits
from handlers.portal import pixels
from handlers.portal.codes import ErrorCode, Stage
from handlers.portal.errors import EnhanceFailed, ResizeFailed, SchemaFailed, SizeTooSmall
from handlers.portal.registration import portal_handlers
from handlers.portal.sealing import Sealed, SealedStore
from handlers.portal.surroundings import Adapter
from testing.documents import bomb_png, truncated
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import Crashes, Hangs
from tests.support.portal import OTHER, Desk, blank, from_storage, payload, photo, put_raw, sealed_store

RETRYABLE = {"FETCH_TIMEOUT", "OCR_TIMEOUT", "UPLOAD_FAILED", "UPLOAD_TIMEOUT"}


def answer(content: bytes, desk: Desk) -> dict[str, Any]:
    registries = Registries.of([], portal_handlers(desk.around))
    document = answered(content, registries, desk.stop, deadline=lambda _: None, storage=lambda: desk.blobs)
    json.dumps(document, allow_nan=False)
    return document


def raises(error: Exception) -> Adapter:
    def adapt(page: object, definition: object) -> Any:
        raise error

    return adapt


class Writes:
    """A sealed store that does something else than write what ends in ``ending``."""

    def __init__(self, blobs: BlobStore, ending: str, instead: Callable[[], None]) -> None:
        self._inner = sealed_store(blobs)
        self._ending, self._instead = ending, instead

    def put_new(self, path: str, pieces: Iterable[bytes], owner: Any, max_bytes: int) -> Sealed:
        if path.endswith(self._ending):
            self._instead()
        return self._inner.put_new(path, pieces, owner, max_bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def fails() -> None:
    raise BlobStoreUnavailable("the storage is away")


def writing(instead: Callable[[], None], **more: Any) -> Desk:
    def sealed(blobs: BlobStore) -> SealedStore:
        return Writes(blobs, "output.zip.enc", instead)

    return Desk(stores={"default": sealed}, **more)


@dataclass
class Case:
    code: str
    stage: str | None
    desk: Callable[[], Desk] = Desk
    content: bytes | None = None
    changes: Callable[[Desk], dict[str, Any]] = field(default=lambda _: {})


def serving(found: bytes | Exception, **more: Any) -> Callable[[], Desk]:
    return lambda: Desk(answer=found, **more)


def late(stage: Stage, **more: Any) -> Callable[[], Desk]:
    def desk() -> Desk:
        made = Desk(**more)
        made.deadlines = {**made.deadlines, stage: 0.05}
        return made

    return desk


def raw_of_another(desk: Desk) -> dict[str, Any]:
    return {"input": from_storage(put_raw(desk.blobs, photo(), OTHER))}


def raw_that_is_not_there(desk: Desk) -> dict[str, Any]:
    path = put_raw(desk.blobs, photo())
    desk.blobs.delete(path)
    return {"input": from_storage(path)}


def both_sources(desk: Desk) -> dict[str, Any]:
    return {"input": {**payload()["input"], "raw_path": put_raw(desk.blobs, photo())}}


def no_source(_: Desk) -> dict[str, Any]:
    return {"input": {"mime_type": "image/png", "original_filename": "x.png"}}


def strange_path(_: Desk) -> dict[str, Any]:
    return {"input": from_storage("raw/../../etc/passwd")}


WAITS = Hangs()


def late_upload() -> Desk:
    desk = writing(lambda: _wait(WAITS.released))
    desk.deadlines = {**desk.deadlines, Stage.UPLOAD: 1.0}
    return desk


def _wait(event: threading.Event) -> None:
    event.wait(60)


CASES = [
    Case("PAYLOAD_MISSING", "PAYLOAD", content=b" \n"),
    Case("PAYLOAD_INVALID", "PAYLOAD", content=b'{"job_id": 5}'),
    Case("PAYLOAD_INVALID", "PAYLOAD", changes=lambda _: {"storage": {"endpoint": "https://elsewhere.example.org"}}),
    Case("PAYLOAD_INVALID", "PAYLOAD", changes=lambda _: {"storage": {"store": "elsewhere"}}),
    Case("ARTIFACT_SOURCE_INVALID", "PAYLOAD", changes=both_sources),
    Case("ARTIFACT_SOURCE_INVALID", "PAYLOAD", changes=no_source),
    Case("ARTIFACT_SOURCE_INVALID", "PAYLOAD", changes=strange_path),
    Case("ARTIFACT_SOURCE_INVALID", "FETCH", serving(FetchNotAllowed("not listed"))),
    Case("FETCH_FAILED", "FETCH", serving(FetchFailed("broken off"))),
    Case("FETCH_FAILED", "FETCH", serving(FetchRefused("the host answered 418"))),
    Case("FETCH_TIMEOUT", "FETCH", serving(FetchTimeout("not there in time"))),
    Case("ARTIFACT_NOT_FOUND", "FETCH", serving(SourceNotFound("gone"))),
    Case("ARTIFACT_NOT_FOUND", "FETCH", changes=raw_that_is_not_there),
    Case("ARTIFACT_ACCESS_DENIED", "FETCH", serving(SourceAccessDenied("403"))),
    Case("ARTIFACT_ACCESS_DENIED", "FETCH", changes=raw_of_another),
    Case("UNSUPPORTED_FORMAT", "DECODE", serving(b"plain text")),
    Case("DECODE_FAILED", "DECODE", serving(truncated(photo()))),
    Case("IMAGE_TOO_LARGE", "DECODE", serving(bomb_png())),
    Case("IMAGE_TOO_LARGE", "DECODE", serving(photo(), limits=DocumentLimits(max_bytes=100))),
    Case("QUALITY_FAILED", "QUALITY", serving(blank())),
    Case("OCR_FAILED", "OCR", lambda: Desk(engine=Crashes(OcrFailed("the engine broke")))),
    Case("OCR_TIMEOUT", "OCR", late(Stage.OCR, engine=WAITS)),
    Case("SCHEMA_FAILED", "SCHEMA", lambda: Desk(adapt=raises(SchemaFailed("there is no face")))),
    Case("RESIZE_FAILED", "SCHEMA", lambda: Desk(adapt=raises(ResizeFailed("too small to be enlarged")))),
    Case("SIZE_EXCEEDED", "SCHEMA", changes=lambda _: {"definition": {"min_kb": 0.5, "max_kb": 0.6}}),
    Case("SIZE_TOO_SMALL", "SCHEMA", lambda: Desk(adapt=raises(SizeTooSmall("nothing fills it")))),
    Case("UPLOAD_FAILED", "UPLOAD", lambda: writing(fails)),
    Case("UPLOAD_TIMEOUT", "UPLOAD", late_upload),
    Case("INTERNAL_ERROR", "SCHEMA", lambda: Desk(adapt=raises(RuntimeError("a secret")))),
    Case("INTERNAL_ERROR", None, lambda: Desk(engine=Crashes(MemoryError()))),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.stage}")
def test_every_code_is_reached(case: Case) -> None:
    WAITS.released.clear()
    desk = case.desk()
    content = case.content or json.dumps(payload(**case.changes(desk))).encode()

    document = answer(content, desk)
    WAITS.released.set()

    error = document["error"]
    assert document["status"] == "failed"
    assert (error["code"], error["stage"]) == (case.code, case.stage), error
    assert error["retryable"] is (case.code in RETRYABLE)
    assert "secret" not in json.dumps(document)
    if case.content is None:
        assert set(document) == {"status", "job_id", "error"}
        assert document["job_id"] == payload()["job_id"]


def test_a_picture_that_cannot_be_enhanced(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_page: object) -> Any:
        raise EnhanceFailed("the picture cannot be enhanced")

    monkeypatch.setattr(pixels, "improved", breaks)

    error = answer(json.dumps(payload()).encode(), Desk())["error"]

    assert (error["code"], error["stage"], error["retryable"]) == ("ENHANCE_FAILED", "ENHANCE", False)


def test_the_table_has_every_code() -> None:
    assert {case.code for case in CASES} | {"ENHANCE_FAILED"} == {code.value for code in ErrorCode}


def test_a_document_is_answered() -> None:
    document = answer(json.dumps(payload()).encode(), Desk())

    assert document["status"] == "success"
    assert document["job_id"] == payload()["job_id"]
    assert document["artifacts"]["package_path"].endswith("_output.zip.enc")


def test_who_is_told_to_end_says_so() -> None:
    stop = StopSignal()
    stop.set("shutdown")

    document = answer(json.dumps(payload()).encode(), Desk(stop=stop))

    assert document["error"]["code"] == "INTERNAL_ERROR"


def test_what_a_lost_process_is_answered_with_is_told_before() -> None:
    told: list[dict[str, Any]] = []
    registries = Registries.of([], portal_handlers(Desk().around))

    answered(
        json.dumps(payload()).encode(),
        registries,
        StopSignal(),
        deadline=lambda _: None,
        storage=MemoryBlobStore,
        provisional=told.append,
    )

    assert [(one["job_id"], one["error"]["code"]) for one in told] == [(payload()["job_id"], "INTERNAL_ERROR")]
