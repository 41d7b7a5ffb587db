"""Reading many pages in one task: what an interruption costs, and what it must not change."""

from __future__ import annotations

import base64
import json
from collections import Counter

import pytest
from pydantic import ValidationError

from core.outcome import Interrupted
from handlers.document import DocumentLimits, SourceReader, document_handlers, document_jobs
from handlers.document.engine import OcrEngine
from handlers.document.errors import PageNotStored
from handlers.document.page_store import PageStore
from handlers.document.parameters import MAX_PAGES_PER_TASK, RecognisePagesParameters
from handlers.document.results import RecognisePagesResult
from handlers.document.source import BlobSource
from handlers.document.tasks import DocumentTasks
from testing.documents import sample_page, tiff_of
from testing.factories import Registries, create_test_harness
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import Crashes, ReadsText, always
from tests.support.documents import JOB, Context

SOURCE = BlobSource(blob="inbox/scan")
AREA = f"documents/{JOB}/"
PAGES = 6


def document(pages: int = PAGES) -> bytes:
    image = sample_page().image.resize((62, 88))
    return tiff_of([image] * pages)


class Counting(MemoryBlobStore):
    """Counts reads by name. What is in ``spoil`` is spoilt as it is written, once; ``None`` is lost altogether."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.spoil: dict[str, bytes | None] = {}

    def get(self, name: str) -> bytes:
        self.reads[name] += 1
        return super().get(name)

    def put(self, name: str, data: bytes, content_type: str) -> None:
        self.writes[name] += 1
        if name in self.spoil:
            spoilt = self.spoil.pop(name)
            if spoilt is None:
                return
            data = spoilt
        super().put(name, data, content_type)


def context(pages: int = PAGES) -> Context:
    made = Context(blobs=Counting())
    made.blobs.put(SOURCE.blob, document(pages), "image/tiff")
    return made


def blobs_of(made: Context) -> Counting:
    assert isinstance(made.blobs, Counting)
    return made.blobs


def page_name(number: int) -> str:
    return PageStore(MemoryBlobStore(), JOB).name(number)


def later(made: Context) -> Context:
    """Another attempt: the same blobs and checkpoint, no request to stop."""
    return Context(blobs=made.blobs, saved=made.saved)


def stopping(made: Context) -> Context:
    """Told to stop as a page is finished."""
    before = finished(made)
    made.on_save = lambda: made.stop.set("shutdown") if finished(made) > before else None
    return made


def finished(made: Context) -> int:
    """How many pages the checkpoint that was saved last has."""
    phases = json.loads(made.saved)["phases"] if made.saved is not None else []
    return sum(phase.startswith("page-") for phase in phases)


def attempt(made: Context, engine: OcrEngine, pages: int = PAGES) -> RecognisePagesResult | Interrupted:
    tasks = DocumentTasks(always(engine), SourceReader(), DocumentLimits())
    return tasks.recognise_pages(RecognisePagesParameters(source=SOURCE, pages=list(range(1, pages + 1))), made.make())


def engine() -> ReadsText:
    return ReadsText(["one line", "another"], confidence=0.912345678)


def timeless(result: RecognisePagesResult | Interrupted) -> list[tuple[object, str]]:
    assert isinstance(result, RecognisePagesResult)
    return [(page.summary, page.blob) for page in result.pages]


def artifacts(made: Context) -> dict[str, bytes]:
    return {name: made.blobs.get(name) for name in made.blobs.names(AREA)}


def test_progress_is_told_and_a_checkpoint_saved_after_each_page() -> None:
    made, saves = context(), list[int]()
    made.on_save = lambda: saves.append(len(made.reports))

    result = attempt(made, engine())

    assert isinstance(result, RecognisePagesResult)
    assert [page.summary.page for page in result.pages] == [1, 2, 3, 4, 5, 6]
    assert [percent for percent, _ in made.reports] == pytest.approx([100 * n / 6 for n in range(1, 7)])
    assert [message for _, message in made.reports] == [f"page {n} of 6" for n in range(1, 7)]
    assert len(saves) <= PAGES + 2


def test_the_document_is_fetched_once_a_task() -> None:
    made = context()

    attempt(made, engine())

    assert blobs_of(made).reads[SOURCE.blob] == 1


def test_stopped_again_and_again_it_comes_to_the_same_and_reads_each_page_once() -> None:
    whole = context()
    undisturbed = attempt(whole, engine())
    made, reader, attempts = context(), engine(), 0
    result: RecognisePagesResult | Interrupted = Interrupted("")
    while isinstance(result, Interrupted):
        made = stopping(later(made))
        result = attempt(made, reader)
        attempts += 1

    assert PAGES / 2 <= attempts <= PAGES
    assert len(reader.pages) == PAGES
    assert timeless(result) == timeless(undisturbed)
    assert artifacts(made) == artifacts(whole)
    assert all(blobs_of(made).writes[name] == 1 for name in artifacts(made))


def test_a_resumed_task_tells_the_seconds_that_each_page_took_when_it_was_read() -> None:
    made = context()
    first = attempt(made, engine())
    resumed = attempt(later(made), Crashes())

    assert resumed == first


def test_neither_engine_nor_document_is_asked_for_where_all_pages_were_read() -> None:
    made = context()
    attempt(made, engine())
    blobs_of(made).reads.clear()
    again = later(made)

    attempt(again, Crashes())

    assert blobs_of(made).reads[SOURCE.blob] == 0
    assert again.reports == []


@pytest.mark.parametrize("spoilt", [None, b"", b"{}", b"[" * 100])
def test_a_page_whose_blob_is_not_as_it_was_written_does_not_count(spoilt: bytes | None) -> None:
    made, reader = context(), engine()
    name = page_name(3)
    blobs_of(made).spoil[name] = spoilt

    with pytest.raises(PageNotStored) as caught:
        attempt(made, reader)

    assert (caught.value.code, caught.value.retryable) == ("PAGE_NOT_STORED", True)
    result = attempt(later(made), reader)
    assert isinstance(result, RecognisePagesResult)
    assert len(reader.pages) == PAGES + 1


def test_a_page_whose_blob_has_other_content_of_the_same_size_does_not_count() -> None:
    made = context()
    attempt(made, engine())
    name = page_name(3)
    right = made.blobs.get(name)
    fresh = context()
    blobs_of(fresh).spoil[name] = right.replace(b"one line", b"two line")

    with pytest.raises(PageNotStored):
        attempt(fresh, engine())


@pytest.mark.parametrize("left", [None, b"not a page"])
def test_a_page_whose_blob_has_gone_since_is_read_again(left: bytes | None) -> None:
    made, reader = context(), engine()
    undisturbed = attempt(made, reader)
    name = page_name(2)
    if left is None:
        made.blobs.delete(name)
    else:
        made.blobs.put(name, left, "application/json")

    result = attempt(later(made), reader)

    assert len(reader.pages) == PAGES + 1
    assert timeless(result) == timeless(undisturbed)


def test_the_checkpoint_of_the_most_pages_is_small() -> None:
    made = context()
    checkpoint = made.make().checkpoint
    for number in range(1, MAX_PAGES_PER_TASK + 1):
        checkpoint.save(f"page-{number:04d}", {f"page-{number:04d}": 123.456})

    assert made.saved is not None
    assert len(made.saved) < 40_000


@pytest.mark.parametrize("pages", [[], [0], [1, 1], list(range(1, MAX_PAGES_PER_TASK + 2))])
def test_pages_are_given_once_each_and_are_not_too_many(pages: list[int]) -> None:
    with pytest.raises(ValidationError):
        RecognisePagesParameters(source=SOURCE, pages=pages)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, ["pages-0001-0020", "pages-0021-0023"]),
        ({"pages_per_task": 10}, ["pages-0001-0010", "pages-0011-0020", "pages-0021-0023"]),
        ({"pages_per_task": 1000}, ["pages-0001-0023"]),
    ],
)
def test_a_document_is_shared_between_tasks_of_some_pages_each(parameters: dict[str, object], names: list[str]) -> None:
    reader = engine()
    handlers = document_handlers(always(reader), SourceReader())
    harness, _ = create_test_harness(Registries.of(document_jobs(), handlers))
    content = {"content_base64": base64.b64encode(document(23)).decode()}

    job_id = harness.submit("ocr_document", {"source": content, "preview": False, **parameters}).job_id
    harness.drain()

    run = harness.state.load_run(job_id, 1)
    assert run is not None
    assert run.status == "completed"
    assert [task.name for task in harness.state.stage_results(job_id, 1, 2)] == names
    assert len(reader.pages) == 23
