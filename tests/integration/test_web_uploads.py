"""Documents come in: streamed, bounded, known by their content, and nothing stays of one that did not come whole."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import tempfile
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from starlette.types import ASGIApp, Message

from core.errors import BlobConflict, BlobStoreUnavailable
from handlers.document.parameters import OcrDocumentParameters, OnPageError, OutputKind
from handlers.document.source import BlobSource
from infrastructure.web.multipart import OVERHEAD_BYTES
from infrastructure.web.openapi import contract
from infrastructure.web.service import ApiService
from infrastructure.web.table import ROUTES
from testing.documents import sample_page
from testing.memory_blobs import MemoryBlobStore
from tests.support.serviced_app import serviced_app
from tests.support.web import World, web_world

PAGE = sample_page(seed=1)
PNG = PAGE.png
NAME = f"uploads/{hashlib.sha256(PNG).hexdigest()}"


def code(answer: Any) -> str:
    return str(answer.json()["error"]["code"])


def stored(world: World) -> list[str]:
    return list(world.blobs.names(""))


def jobs(world: World) -> int:
    return len(world.parts.operations.list_runs().items)


# --- what goes well ---


def test_a_document_is_kept_by_its_content_and_read(tmp_path: Path) -> None:
    world = web_world()
    client = world.client()
    with mock.patch.object(tempfile, "tempdir", str(tmp_path)):
        asked = "filename=page.png&quality=fast&preview=false&pages_per_task=7&tenant=acme"
        answer = client.post(f"/documents?{asked}", content=PNG)
    world.drain()
    job = answer.json()["job_id"]
    run = world.parts.machine.store.load_run(job, 1)

    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["links"]["self"]
    assert (answer.json()["job_type"], answer.json()["tenant"]) == ("ocr_document", "acme")
    assert run is not None
    assert OcrDocumentParameters.model_validate_json(run.parameters_json).pages_per_task == 7
    assert world.blobs.get(NAME) == PNG
    assert world.blobs.content_type(NAME) == "image/png"
    assert client.get(f"/jobs/{job}/result").json()["result"]["text"] == "Hello"
    assert client.get(f"/jobs/{job}/files/text.txt").text == "Hello"
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_form_is_the_same_job_as_the_bytes() -> None:
    world = web_world()
    client = world.client()

    raw = client.post("/documents", content=PNG)
    form = client.post("/documents", files={"file": ("a scan.png", PNG, "text/plain")})
    named = client.post("/documents?filename=other.png", content=PNG, headers={"content-type": "application/pdf"})

    assert [answer.status_code for answer in (raw, form, named)] == [202, 200, 200]
    assert len({answer.json()["job_id"] for answer in (raw, form, named)}) == 1
    assert stored(world) == [NAME]


def test_the_same_document_is_another_job_with_other_parameters_or_a_key() -> None:
    world = web_world()
    client = world.client()

    answers = [
        client.post("/documents", content=PNG),
        client.post("/documents?quality=fast", content=PNG),
        client.post("/documents?tenant=acme", content=PNG),
        client.post("/documents", content=PNG, headers={"Idempotency-Key": "k"}),
    ]

    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json()["job_id"] for answer in answers}) == 4
    again = client.post("/documents", content=PNG, headers={"Idempotency-Key": "k"})
    other = client.post("/documents", content=PAGE.jpeg, headers={"Idempotency-Key": "k"})
    assert (again.status_code, other.status_code, code(other)) == (200, 409, "IDEMPOTENCY_CONFLICT")


def test_a_document_of_exactly_the_limit_is_taken() -> None:
    client = web_world(DOCUMENT_MAX_BYTES=len(PNG)).client()

    assert client.post("/documents", content=PNG).status_code == 202
    assert client.post("/documents", files={"file": PNG}).status_code == 200


# --- what is refused ---


@pytest.mark.parametrize(
    ("query", "content", "status", "expected"),
    [
        ("", b"", 400, "EMPTY_DOCUMENT"),
        ("", b"PK\x03\x04 and so on and so on", 415, "UNSUPPORTED_FORMAT"),
        ("", b"GIF", 415, "UNSUPPORTED_FORMAT"),
        ("?quality=best", PNG, 400, "INVALID_QUERY"),
        ("?preview=1", PNG, 400, "INVALID_QUERY"),
        ("?tenant=", PNG, 400, "INVALID_QUERY"),
        ("?filename=a%0D%0AX-Injected:%201", PNG, 400, "INVALID_QUERY"),
        ("?surprise=1", PNG, 400, "INVALID_QUERY"),
    ],
)
def test_a_document_that_is_none_is_refused(query: str, content: bytes, status: int, expected: str) -> None:
    world = web_world()
    answer = world.client().post(f"/documents{query}", content=content)

    assert (answer.status_code, code(answer)) == (status, expected)
    assert (stored(world), jobs(world)) == ([], 0)
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    "files",
    [
        {"document": PNG},
        [("file", PNG), ("file", PNG)],
        {"file": ("a\r\nX-Injected: 1.png/", PNG)},
        {"file": ("x" * 300, PNG)},
    ],
    ids=["name", "two", "path", "long"],
)
def test_a_form_that_is_not_one_file_is_refused(files: Any) -> None:
    world = web_world()
    answer = world.client().post("/documents", files=files)

    assert (answer.status_code, code(answer)) == (400, "MALFORMED_MULTIPART")
    assert (stored(world), jobs(world)) == ([], 0)


FORM = {"content-type": "multipart/form-data; boundary=b"}
BEGUN = b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\n" + PNG
ENDED = BEGUN + b"\r\n--b--\r\n"


def test_a_form_that_ends_too_early_is_refused_though_the_document_may_be_whole() -> None:
    world = web_world()
    answer = world.client().post("/documents", content=BEGUN, headers=FORM)

    assert (answer.status_code, code(answer)) == (400, "MALFORMED_MULTIPART")
    assert (stored(world), jobs(world)) == ([], 0)


def test_what_a_form_has_beside_its_document_is_bounded_too() -> None:
    client = web_world(DOCUMENT_MAX_BYTES=len(PNG)).client()

    def form(more: int) -> int:
        pieces = (ENDED, bytes(more))
        return client.post("/documents", content=iter(pieces), headers=FORM).status_code

    assert (form(OVERHEAD_BYTES - 1_000), form(OVERHEAD_BYTES)) == (202, 413)


def test_everything_that_a_job_takes_can_be_asked_for_with_a_document() -> None:
    world = web_world()
    asked = "languages=en,de&pages=1&outputs=text,hocr,searchable_pdf&pdfa=true&on_page_error=fail&preview=false"
    answer = world.client().post(f"/documents?{asked}", content=PNG, headers={"X-Document-Password": "a pass word"})
    run = world.parts.machine.store.load_run(answer.json()["job_id"], 1)

    assert run is not None
    assert OcrDocumentParameters.model_validate_json(run.parameters_json) == OcrDocumentParameters(
        source=BlobSource(blob=NAME),
        languages=("en", "de"),
        pages="1",
        outputs=(OutputKind.TEXT, OutputKind.HOCR, OutputKind.SEARCHABLE_PDF),
        pdfa=True,
        on_page_error=OnPageError.FAIL,
        preview=False,
        password="a pass word",
    )
    assert "a pass word" not in answer.text


@pytest.mark.parametrize("password", ["", "p" * 128, "a\tb"])
def test_a_password_that_no_header_holds_is_refused(password: str) -> None:
    answer = web_world().client().post("/documents", content=PNG, headers={"X-Document-Password": password})

    assert (answer.status_code, code(answer)) == (400, "INVALID_HEADER")


def test_a_refusal_names_the_file() -> None:
    client = web_world().client()
    by_query = client.post("/documents?filename=a%22b.docx", content=b"PK\x03\x04 and so on")
    by_form = client.post("/documents", files={"file": ("c.docx", b"PK\x03\x04 and so on")})

    assert by_query.json()["error"]["details"] == {"filename": 'a"b.docx'}
    assert by_form.json()["error"]["details"] == {"filename": "c.docx"}


@pytest.mark.parametrize("form", [False, True])
def test_over_the_limit_is_413(form: bool) -> None:
    world = web_world(DOCUMENT_MAX_BYTES=len(PNG) - 1)
    client = world.client()
    answer = client.post("/documents", files={"file": PNG}) if form else client.post("/documents", content=PNG)

    assert (answer.status_code, code(answer)) == (413, "DOCUMENT_TOO_LARGE")
    assert answer.json()["error"]["details"]["limit"] == len(PNG) - 1
    assert (stored(world), jobs(world)) == ([], 0)


def test_an_idempotency_key_that_is_none_is_refused_before_the_body_is_read() -> None:
    answer = web_world().client().post("/documents", content=PNG, headers={"Idempotency-Key": "x" * 201})

    assert (answer.status_code, code(answer)) == (400, "INVALID_HEADER")


# --- byte by byte: what the server sees ---


class Sender:
    """A client of the ASGI application, one message at a time. ``asked`` counts what was read of it, and ``silent``
    says that it has no more.
    """

    def __init__(self, messages: Iterable[Message]) -> None:
        self._messages = iter(messages)
        self.asked = 0
        self.silent = asyncio.Event()
        self.status = 0
        self.body = b""

    async def receive(self) -> Message:
        self.asked += 1
        message = next(self._messages, None)
        if message is None:
            self.silent.set()
            await asyncio.Event().wait()
            raise AssertionError("nothing wakes it")
        return message

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")

    async def post(self, app: ASGIApp, headers: dict[str, str] | None = None) -> Sender:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/documents",
            "raw_path": b"/api/documents",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        await app(scope, self.receive, self.send)
        return self


def part(body: bytes, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


@pytest.mark.parametrize("headers", [{}, {"content-type": "multipart/form-data; boundary=b"}], ids=["raw", "form"])
def test_a_client_that_goes_away_leaves_nothing(headers: dict[str, str], tmp_path: Path) -> None:
    world = web_world()
    start = b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\n" if headers else b""
    with mock.patch.object(tempfile, "tempdir", str(tmp_path)):
        sender = asyncio.run(Sender([part(start + PNG[:5_000]), GONE]).post(world.app(), headers))

    assert sender.status == 499
    assert (stored(world), jobs(world), list(tmp_path.iterdir())) == ([], 0, [])
    assert world.client().post("/documents", content=PNG).status_code == 202


def test_after_a_refusal_the_rest_is_read_and_dropped() -> None:
    """Or a client that is still sending would find its connection closed, and never read why."""
    world = web_world()
    messages = [part(b"%PDF" * 10), *[part(b"x" * 1_000)] * 50, part(b"", more=False)]

    sender = asyncio.run(Sender(messages).post(world.app()))

    assert (sender.status, sender.asked) == (415, len(messages))


def test_who_waits_to_be_told_to_go_on_is_refused_at_once() -> None:
    world = web_world(DOCUMENT_MAX_BYTES=10)

    sender = asyncio.run(Sender([]).post(world.app(), {"content-length": "1000", "expect": "100-continue"}))

    assert (sender.status, sender.asked) == (413, 0)


def test_who_announces_far_too_much_is_not_read_at_all() -> None:
    sender = asyncio.run(Sender([]).post(web_world().app(), {"content-length": str(10**12)}))

    assert (sender.status, sender.asked) == (413, 0)


def test_the_first_byte_over_the_limit_is_the_last_that_counts() -> None:
    """Whatever the length says: nothing more is kept, and what follows is dropped."""
    world = web_world(DOCUMENT_MAX_BYTES=len(PNG))

    sender = asyncio.run(Sender([part(PNG), part(b"x"), part(b"y" * 99, more=False)]).post(world.app()))

    assert sender.status == 413
    assert stored(world) == []


def stalling_app(world: World) -> ASGIApp:
    """Gives a client up that sends nothing for a second."""
    return serviced_app(ApiService(lambda: world.parts, lambda: contract(ROUTES), idle_seconds=1.0))


def test_a_client_that_sends_nothing_is_given_up() -> None:
    world = web_world(DOCUMENT_MAX_UPLOADS=1)
    app = stalling_app(world)

    sender = asyncio.run(Sender([part(PNG[:100])]).post(app))
    after = asyncio.run(Sender([part(PNG, more=False)]).post(app))

    assert (sender.status, b"UPLOAD_STALLED" in sender.body) == (408, True)
    assert after.status == 202


def test_clients_that_trickle_do_not_keep_others_from_uploading() -> None:
    """A byte a second from each, on a clock of theirs: as many as there are places, without an end."""
    world = web_world(DOCUMENT_MAX_UPLOADS=4)
    now = [0.0]
    app = serviced_app(ApiService(lambda: world.parts, lambda: contract(ROUTES), monotonic=lambda: now[0]))

    def trickle() -> Iterator[Message]:
        for byte in PNG[:1_000]:
            now[0] += 1
            yield part(bytes([byte]))
        yield part(b"", more=False)

    async def crowd() -> list[int]:
        slow = await asyncio.gather(*(Sender(trickle()).post(app) for _ in range(4)))
        assert all(b"UPLOAD_STALLED" in sender.body for sender in slow)
        after = await Sender([part(PNG, more=False)]).post(app)
        return [*(sender.status for sender in slow), after.status]

    assert asyncio.run(crowd()) == [408] * 4 + [202]
    assert stored(world) == [NAME]


def test_more_uploads_than_places_are_told_to_come_again() -> None:
    world = web_world(DOCUMENT_MAX_UPLOADS=2)
    app = world.app()

    async def crowd() -> list[int]:
        begun, release = asyncio.Semaphore(0), asyncio.Event()

        async def slow() -> int:
            sender = Sender([])

            async def receive() -> Message:
                begun.release()
                await release.wait()
                return part(PNG, more=False)

            sender.receive = receive  # type: ignore[method-assign]
            return (await sender.post(app)).status

        held = [asyncio.create_task(slow()) for _ in range(2)]
        for _ in held:
            await begun.acquire()
        refused = await Sender([part(PNG, more=False)]).post(app)
        release.set()
        assert b"UPLOADS_BUSY" in refused.body
        return [
            refused.status,
            *sorted(await asyncio.gather(*held)),
            (await Sender([part(PNG, False)]).post(app)).status,
        ]

    assert asyncio.run(crowd()) == [503, 200, 202, 200]


def test_a_cancelled_call_gives_its_place_back() -> None:
    world = web_world(DOCUMENT_MAX_UPLOADS=1)
    app = world.app()

    async def cancelled() -> int:
        sender = Sender([part(PNG[:100])])
        task = asyncio.create_task(sender.post(app))
        await sender.silent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (await Sender([part(PNG, more=False)]).post(app)).status

    assert asyncio.run(cancelled()) == 202


def test_a_large_document_is_never_whole_in_memory() -> None:
    size, piece = 64 * 1024 * 1024, 64 * 1024

    class Counting(MemoryBlobStore):
        seen = 0

        def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
            self.seen = sum(map(len, pieces))
            return self.seen

    blobs = Counting()
    world = web_world(blobs=blobs)

    def messages() -> Iterator[Message]:
        yield part(PNG[:piece])
        for _ in range(size // piece - 1):
            yield part(bytes(piece))
        yield part(b"", more=False)

    async def upload() -> Sender:
        return await Sender(messages()).post(world.app())

    tracemalloc.start()
    try:
        sender = asyncio.run(upload())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sender.status == 202
    assert blobs.seen > size - piece
    assert peak < size // 8


# --- what is away ---


def test_a_full_disk_is_503_and_leaves_nothing() -> None:
    world = web_world()
    full = mock.Mock()
    full.write.side_effect = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch.object(tempfile, "TemporaryFile", return_value=full):
        answer = world.client().post("/documents", content=PNG)

    assert (answer.status_code, code(answer)) == (503, "SPOOL_UNAVAILABLE")
    assert "retry-after" in answer.headers
    assert (stored(world), jobs(world)) == ([], 0)
    full.close.assert_called_once()


class Raises(MemoryBlobStore):
    """Raises at the end of each stream, after it kept what it was given where ``kept``."""

    def __init__(self, error: Exception, *, kept: bool = False) -> None:
        super().__init__()
        self._error, self._kept = error, kept

    def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        data = b"".join(pieces)
        if self._kept:
            self.put(name, data, content_type)
        raise self._error


def test_a_blob_store_that_is_away_is_503_and_no_job() -> None:
    world = web_world(blobs=Raises(BlobStoreUnavailable("away")))
    answer = world.client().post("/documents", content=PNG)

    assert (answer.status_code, code(answer)) == (503, "BLOB_STORE_UNAVAILABLE")
    assert jobs(world) == 0


@pytest.mark.parametrize(("kept", "status"), [(True, 202), (False, 503)])
def test_who_keeps_the_same_document_at_the_same_time_does_no_harm(kept: bool, status: int) -> None:
    world = web_world(blobs=Raises(BlobConflict("somebody else writes it"), kept=kept))

    assert world.client().post("/documents", content=PNG).status_code == status


# --- over TCP, through the local host ---


def test_a_client_that_is_still_sending_reads_why_it_was_refused() -> None:
    def endless() -> Iterator[bytes]:
        yield PNG[:50_000]
        for _ in range(400):
            yield bytes(50_000)

    with web_world(DOCUMENT_MAX_BYTES=100_000).hosted() as client:
        refused = [
            client.post("/documents", content=endless()),
            client.post("/documents", content=b"%PDF" * 5_000_000),
            client.post("/documents", content=b"%PDF" * 20_000),
        ]

    assert [(answer.status_code, code(answer)) for answer in refused] == [
        (413, "DOCUMENT_TOO_LARGE"),
        (413, "DOCUMENT_TOO_LARGE"),
        (415, "UNSUPPORTED_FORMAT"),
    ]


def test_the_whole_way_over_tcp() -> None:
    world = web_world()
    with world.hosted() as client:
        job = client.post("/documents", files={"file": ("a.png", PNG)}).json()["job_id"]
        world.drain()

        assert client.get(f"/jobs/{job}/result").json()["status"] == "completed"
        page = client.get(f"/jobs/{job}/files/document.json")
        assert page.headers["content-length"] == str(len(page.content))
        assert client.get(f"/jobs/status/{job}", headers={"If-None-Match": "*"}).status_code == 304


def test_a_connection_that_breaks_leaves_nothing_and_gives_its_place_back() -> None:
    world = web_world(DOCUMENT_MAX_UPLOADS=1)

    class Break(Exception):
        pass

    def breaks() -> Iterator[bytes]:
        yield PNG[:10_000]
        raise Break

    with world.hosted() as client:
        with pytest.raises(Break):
            client.post("/documents", content=breaks())
        answer = client.post("/documents", content=PNG)
        while answer.status_code == 503:  # until the server has seen that the connection is gone
            answer = client.post("/documents", content=PNG)

    assert answer.status_code == 202
    assert stored(world) == [NAME]
