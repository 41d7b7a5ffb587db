"""A portal's job in one process: real sealing over blobs in memory, a picture, an adapter that needs no detector."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from core.context import AttemptWrites, StopSignal, TaskContext
from core.ids import JobId, TaskId
from core.messages import TaskQueueMessage
from core.ports import BlobStore
from handlers.document.engine import OcrEngine
from handlers.document.fetching import Fetcher
from handlers.document.limits import DocumentLimits
from handlers.document.source import SourceReader
from handlers.portal.codes import Stage
from handlers.portal.envelope import Envelope, parse_envelope
from handlers.portal.errors import SizeExceeded
from handlers.portal.paths import PortalJobId, UserId, raw_path
from handlers.portal.schema import SchemaDefinition
from handlers.portal.sealing import Sealed, SealedStore, owner_of_job
from handlers.portal.surroundings import DEADLINES, Adapter, Seal, Surroundings
from infrastructure.sealed.keys import KeyRing, LocalKeys
from infrastructure.sealed.store import SealedBlobStore
from testing.clock import FakeClock
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import ReadsText, always
from tests.support.scratch import OwnedScratch

if TYPE_CHECKING:
    from handlers.document.engine import Page

JOB = PortalJobId("0b7a4dd1-6c0a-4f0e-9d61-2b8f5d3f0a11")
USER = UserId("7d9c1f60-93a4-4e44-8f2c-0c8f1c5a2b22")
OTHER = UserId("3f2b8a90-1c1d-4c3e-a5b6-7d8e9fa0b1c3")
SCHEMA = "9f8e7d6c-5b4a-4938-8271-605f4e3d2c1b"
ENGINE_JOB = JobId("ab" * 32)
URL = "https://files.example.org/photo.png"
LINES = ("Name: Ravi Kumar", "Date of Birth: 12/03/2001", "Category: OBC")

KEYS = KeyRing([LocalKeys({"k1": bytes(range(32))}, "k1")])

FIELDS: list[dict[str, object]] = [
    {"name": "name", "kind": "text", "labels": ["Name"], "case": "upper"},
    {"name": "date_of_birth", "kind": "date", "labels": ["Date of Birth", "DOB"]},
    {"name": "state", "kind": "text", "labels": ["State"]},
]

DEFINITION: dict[str, Any] = {
    "target_width": 60,
    "target_height": 69,
    "target_dpi": 200,
    "min_kb": 1,
    "max_kb": 100,
    "filename_pattern": "{original}_{job_id}",
    "output_format": "jpeg",
    "quality": 90,
}


def photo(width: int = 320, height: int = 400) -> bytes:
    """A PNG with something on it."""
    picture = Image.new("RGB", (width, height), (250, 250, 250))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width * 0.25, height * 0.2, width * 0.75, height * 0.8), fill=(190, 140, 110))
    for y in range(0, height, 7):
        draw.line((0, y, width // 5, y), fill=(30 + y % 90, 60, 120))
    return encoded(picture)


def blank() -> bytes:
    return encoded(Image.new("RGB", (200, 200), (200, 200, 200)))


def encoded(picture: Image.Image, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form)
    return stream.getvalue()


def payload(**changes: Any) -> dict[str, Any]:
    """A payload as JSON values; ``changes`` replace its parts, ``definition`` parts of the schema's."""
    definition = {**DEFINITION, "fields": FIELDS, **changes.pop("definition", {})}
    return {
        "job_id": JOB,
        "user_id": USER,
        "portal_schema": {"id": SCHEMA, "name": "NEET 2026", "version": 1, "schema_definition": definition},
        "input": {"artifact_url": URL, "mime_type": "image/png", "original_filename": "my photo.png"},
        "storage": {},
        **changes,
    }


def from_storage(path: str) -> dict[str, str]:
    return {"raw_path": path, "mime_type": "image/png", "original_filename": "my photo.png"}


def envelope(**changes: Any) -> Envelope:
    return parse_envelope(json.loads(json.dumps(payload(**changes))))


def put_raw(blobs: BlobStore, data: bytes, user: UserId = USER) -> str:
    """The path of a document that ``user`` has sent."""
    path = raw_path(user, JOB, 1, "photo.png")
    sealed_store(blobs).put(path, [data], owner_of_job(user, JOB), 1 << 30)
    return path


def sealed_store(blobs: BlobStore) -> SealedStore:
    return SealedBlobStore(blobs, KEYS)


@dataclass(frozen=True, slots=True)
class Checked:
    rule: str
    required: str
    measured: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Report:
    checks: Sequence[Checked]


@dataclass(frozen=True, slots=True)
class Adapted:
    data: bytes
    format: str
    report: Report
    warnings: Sequence[str] = ()


def scaled(page: Page, definition: SchemaDefinition) -> Adapted:
    """An adapter that does nothing but scale, and pads to the smallest size. Raises :class:`SizeExceeded`."""
    picture = Image.fromarray(page[:, :, ::-1].copy()).resize((definition.target_width, definition.target_height))
    data = encoded(picture, "JPEG")
    if len(data) > definition.max_kb * 1024:
        raise SizeExceeded("no encoding is small enough", nearest_bytes=len(data))
    data += bytes(max(0, int(definition.min_kb * 1024) - len(data)))
    size = f"{definition.target_width}x{definition.target_height}"
    return Adapted(data, "jpeg", Report((Checked("pixels", size, size, True),)))


class Serves:
    """A fetcher that has one document, or raises."""

    def __init__(self, answer: bytes | Exception) -> None:
        self._answer = answer
        self.calls = 0

    def fetch(self, url: str, max_bytes: int, seconds: float, should_stop: Callable[[], bool]) -> bytes:
        self.calls += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class Kept(AttemptWrites):
    """The checkpoint of a task, which outlives its attempts."""

    def __init__(self) -> None:
        self.json: str | None = None

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self.json = checkpoint_json

    def report_progress(self, percent: float, message: str) -> None:
        return


class CountedSeals:
    """A sealed store that keeps count of what is written where."""

    def __init__(self, inner: SealedStore, puts: Counter[str]) -> None:
        self._inner = inner
        self._puts = puts

    def put(self, path: str, pieces: Iterable[bytes], owner: Any, max_bytes: int) -> Sealed:
        sealed = self._inner.put(path, pieces, owner, max_bytes)
        self._puts[path] += 1
        return sealed

    def put_new(self, path: str, pieces: Iterable[bytes], owner: Any, max_bytes: int) -> Sealed:
        sealed = self._inner.put_new(path, pieces, owner, max_bytes)
        self._puts[path] += 1
        return sealed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass
class Desk:
    """One job's task, attempt by attempt, over the same blobs and checkpoint."""

    answer: bytes | Exception = field(default_factory=photo)
    engine: OcrEngine = field(default_factory=lambda: ReadsText(LINES))
    adapt: Adapter = scaled
    blobs: BlobStore = field(default_factory=MemoryBlobStore)
    limits: DocumentLimits = field(default_factory=DocumentLimits)
    deadlines: Mapping[Stage, float] = field(default_factory=lambda: DEADLINES)
    stores: Mapping[str, Seal] | None = None
    writes: Kept = field(default_factory=Kept)
    clock: FakeClock = field(default_factory=FakeClock)
    stop: StopSignal = field(default_factory=StopSignal)
    puts: Counter[str] = field(default_factory=Counter)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.fetcher = Serves(self.answer)

    @property
    def around(self) -> Surroundings:
        stores: Mapping[str, Seal] = {"default": lambda blobs: CountedSeals(sealed_store(blobs), self.puts)}
        fetcher: Fetcher = self.fetcher
        sources = SourceReader((), self.limits.max_bytes, fetcher)
        return Surroundings(
            self.stores if self.stores is not None else stores,
            sources,
            always(self.engine),
            self.adapt,
            self.limits,
            self.deadlines,
        )

    def context(self) -> TaskContext:
        self.attempts += 1
        message = TaskQueueMessage(
            job_id=ENGINE_JOB,
            run=1,
            job_type="process_document",
            stage=1,
            task_id=TaskId(f"{ENGINE_JOB}:1:1:document"),
            task_type="process_document",
            attempt=self.attempts,
        )
        return TaskContext(
            message,
            timeout=3_600.0,
            blobs=self.blobs,
            clock=self.clock,
            stop=self.stop,
            writes=self.writes,
            scratch=OwnedScratch(),
            checkpoint_json=self.writes.json,
        )

    def opened(self, path: str) -> bytes:
        return sealed_store(self.blobs).read(path, owner_of_job(USER, JOB), 1 << 30)
