from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from core.outcome import Interrupted
from handlers.document import DocumentLimits, SourceReader
from handlers.document.engine import EngineChoice, OcrEngine, Quality
from handlers.document.errors import (
    DecodeFailed,
    FetchNotAllowed,
    FetchStopped,
    OcrFailed,
    PageNotFound,
    SourceNotAllowed,
)
from handlers.document.files import PageSize
from handlers.document.page_ledger import MAX_STRIKES
from handlers.document.page_store import PageStore
from handlers.document.parameters import (
    AssembleParameters,
    InspectParameters,
    OnPageError,
    OutputKind,
    RecognisePagesParameters,
)
from handlers.document.records import PageError, PageRecord, failed_record
from handlers.document.results import AssembleResult, InspectResult, RecognisedPage, RecognisePagesResult
from handlers.document.source import BlobSource, UrlSource
from handlers.document.tasks import DocumentTasks
from testing.documents import sample_page, sample_tiff
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import Crashes, ReadsNothing, ReadsText, always
from tests.support.documents import JOB, OTHER_JOB, Context

SOURCE = BlobSource(blob="inbox/scan")
AREA = f"documents/{JOB}/"
CRASHED = "the scripted engine crashed"


def tasks(engine: OcrEngine | None = None, limits: DocumentLimits | None = None) -> DocumentTasks:
    return DocumentTasks(
        always(engine or ReadsText(["one line", "another"])), SourceReader(), limits or DocumentLimits()
    )


def context(pages: int = 1) -> Context:
    made = Context()
    made.blobs.put(SOURCE.blob, sample_page().png if pages == 1 else sample_tiff(pages=pages)[0], "image/png")
    return made


def blank(pages: int = 1) -> Context:
    """As :func:`context`, with nothing on its pages."""
    sheet = Image.new("L", (600, 800), 255)
    data = BytesIO()
    sheet.save(data, "TIFF", save_all=True, append_images=[sheet] * (pages - 1))
    made = Context()
    made.blobs.put(SOURCE.blob, data.getvalue(), "image/tiff")
    return made


def recognised(made: Context, pages: int, engine: OcrEngine | None = None) -> list[RecognisedPage]:
    params = RecognisePagesParameters(source=SOURCE, pages=list(range(1, pages + 1)))
    made.saved = None
    result = tasks(engine).recognise_pages(params, made.make())
    assert isinstance(result, RecognisePagesResult)
    made.saved = None
    return result.pages


def assembled(made: Context, pages: int, **limits: int) -> AssembleResult:
    params = AssembleParameters(source=SOURCE, pages=list(range(1, pages + 1)))
    result = tasks(limits=DocumentLimits(**limits)).assemble(params, made.make())
    assert isinstance(result, AssembleResult)
    return result


def test_inspecting_a_blob_leaves_it_where_it_is() -> None:
    made = context()

    result = tasks().inspect(InspectParameters(source=SOURCE), made.make())

    assert isinstance(result, InspectResult)
    assert result.source == SOURCE
    assert result.content_type == "image/png"
    assert [(page.page, page.width, page.height) for page in result.pages] == [(1, 1240, 1754)]
    assert list(made.blobs.names("documents/")) == []


def test_a_page_is_stored_as_json_and_summed_up() -> None:
    made = context()

    (result,) = recognised(made, 1)

    assert result.blob == f"{AREA}pages/0001.json"
    assert made.blobs.content_type(result.blob) == "application/json"
    assert result.summary.model_dump() == {
        "page": 1,
        "width": 1240,
        "height": 1754,
        "unit": "pixel",
        "angle": 0.0,
        "status": "read",
        "error": None,
        "origin": "ocr",
        "lines": 2,
        "characters": 15,
        "mean_confidence": 0.97,
        "warnings": [],
    }
    record = PageRecord.model_validate_json(made.blobs.get(result.blob))
    assert record.text == "one line\nanother"
    assert [word.text for word in record.lines[0].words] == ["one", "line"]
    assert len(record.lines[0].polygon) == 8
    assert "seconds" not in json.loads(made.blobs.get(result.blob))


def test_the_engine_is_given_the_page_that_was_asked_for_and_the_quality() -> None:
    engine = ReadsText(["a"])
    asked: list[EngineChoice] = []

    def provider(choice: EngineChoice) -> OcrEngine:
        asked.append(choice)
        return engine

    made = context(pages=2)
    document = DocumentTasks(provider, SourceReader(), DocumentLimits())
    document.recognise_pages(RecognisePagesParameters(source=SOURCE, pages=[2], quality=Quality.FAST), made.make())

    assert asked == [EngineChoice(Quality.FAST)]
    assert engine.pages == [(1754, 1240, 3)]
    with pytest.raises(PageNotFound):
        document.recognise_pages(RecognisePagesParameters(source=SOURCE, pages=[3]), made.make())


def test_a_page_without_text_is_read_and_an_engine_that_broke_is_not() -> None:
    made = context()

    (empty,) = recognised(blank(), 1, ReadsNothing())

    (broken,) = recognised(made, 1, Crashes())

    assert (empty.summary.status, empty.summary.lines, empty.summary.mean_confidence) == ("no_text", 0, None)
    assert (broken.summary.status, broken.summary.error) == ("failed", PageError(code="OCR_FAILED", message=CRASHED))
    strict = RecognisePagesParameters(source=SOURCE, on_page_error=OnPageError.FAIL)
    with pytest.raises(OcrFailed):
        tasks(Crashes()).recognise_pages(strict, Context(blobs=made.blobs).make())


def test_a_task_that_was_told_to_stop_does_not_start_to_read() -> None:
    made = context()
    made.stop.set("shutdown")
    engine = ReadsText(["a"])

    result = tasks(engine).recognise_pages(RecognisePagesParameters(source=SOURCE), made.make())

    assert result == Interrupted("shutdown")
    assert engine.pages == []


def test_a_document_of_another_job_is_not_read() -> None:
    made = context()
    made.blobs.put(f"documents/{OTHER_JOB}/source", sample_page().png, "image/png")
    source = BlobSource(blob=f"documents/{OTHER_JOB}/source")

    with pytest.raises(SourceNotAllowed):
        tasks().inspect(InspectParameters(source=source), made.make())
    with pytest.raises(SourceNotAllowed):
        tasks().recognise_pages(RecognisePagesParameters(source=source), made.make())


def test_pages_are_put_together_in_order() -> None:
    made = context(pages=3)
    recognised(made, 3)

    result = tasks().assemble(AssembleParameters(source=SOURCE, pages=[3, 1, 2]), made.make())

    assert isinstance(result, AssembleResult)
    assert [page.page for page in result.pages] == [1, 2, 3]
    assert result.text == "one line\nanother\n\fone line\nanother\n\fone line\nanother"
    assert result.mean_confidence == 0.97
    assert not result.text_truncated
    assert [(artifact.kind, artifact.name, artifact.page) for artifact in result.artifacts] == [
        ("text", f"{AREA}text.txt", None),
        ("analyze_result", f"{AREA}analyze_result.json", None),
        ("thumbnail", f"{AREA}thumbnail.jpg", None),
        ("preview", f"{AREA}preview/0001.jpg", 1),
        ("preview", f"{AREA}preview/0002.jpg", 2),
        ("preview", f"{AREA}preview/0003.jpg", 3),
    ]
    for artifact in result.artifacts:
        assert made.blobs.size(artifact.name) == artifact.bytes
        assert made.blobs.content_type(artifact.name) == artifact.content_type
    document = json.loads(made.blobs.get(f"{AREA}analyze_result.json"))
    assert [page["pageNumber"] for page in document["pages"]] == [1, 2, 3]
    assert (result.engines, result.models) == (["scripted"], [])
    assert made.blobs.get(f"{AREA}text.txt").decode() == result.text


def test_long_text_is_cut_in_the_result_and_whole_in_the_artifact() -> None:
    made = context()
    recognised(made, 1)

    result = assembled(made, 1, max_text_characters=3)

    assert (result.text, result.text_truncated) == ("one", True)
    assert made.blobs.get(f"{AREA}text.txt") == b"one line\nanother"
    assert not assembled(made, 1, max_text_characters=16).text_truncated


def test_previews_are_limited_or_left_out() -> None:
    made = context(pages=3)
    recognised(made, 3)

    kinds = [artifact.kind for artifact in assembled(made, 3, max_preview_pages=1).artifacts]
    without = tasks().assemble(AssembleParameters(source=SOURCE, pages=[1], preview=False), context_of(made).make())

    assert kinds == ["text", "analyze_result", "thumbnail", "preview"]
    assert isinstance(without, AssembleResult)
    assert [artifact.kind for artifact in without.artifacts] == ["text", "analyze_result"]


def test_pages_without_text_are_named() -> None:
    made = blank(pages=2)
    recognised(made, 2, ReadsNothing())

    result = assembled(made, 2)

    assert [(warning.code, warning.page) for warning in result.warnings] == [("NO_TEXT", 1), ("NO_TEXT", 2)]
    assert result.mean_confidence is None
    assert result.text == ""
    assert made.blobs.get(f"{AREA}text.txt") == b""


def test_a_blank_page_among_others_keeps_its_place() -> None:
    made = context(pages=2)
    recognised(made, 2)
    recognised(made, 1, ReadsNothing())

    assert assembled(made, 2).text == "\n\fone line\nanother"


@pytest.mark.parametrize(
    ("engine", "status", "codes"),
    [
        (ReadsText(["one line", "another"]), "read", []),
        (ReadsText(["one line", "another"], confidence=0.3), "unreadable", ["LOW_CONFIDENCE", "UNREADABLE"]),
        (ReadsNothing(), "unreadable", ["UNREADABLE", "PARTLY_READ"]),
    ],
)
def test_a_page_that_may_have_been_read_badly_is_named(engine: OcrEngine, status: str, codes: list[str]) -> None:
    made = context()
    (page,) = recognised(made, 1, engine)

    result = assembled(made, 1)

    assert page.summary.status == status
    assert [warning.code for warning in page.summary.warnings] == codes
    assert result.pages == [page.summary]
    assert [(warning.code, warning.page) for warning in result.warnings] == [(code, 1) for code in codes]


def test_the_same_pages_give_the_same_bytes() -> None:
    made = [context(pages=2), context(pages=2)]
    for each in made:
        recognised(each, 2)
        assembled(each, 2)

    first, second = ({name: each.blobs.get(name) for name in each.blobs.names("documents/")} for each in made)

    assert first == second
    assert len(first) == 7


def test_assembling_resumes_after_the_file_that_was_made() -> None:
    made, whole = context(pages=3), context(pages=3)
    recognised(made, 3)
    recognised(whole, 3)
    params = AssembleParameters(source=SOURCE, pages=[1, 2, 3], outputs=tuple(OutputKind)[:5])
    undisturbed = tasks().assemble(params, whole.make())
    result: AssembleResult | Interrupted = Interrupted("")
    attempts = 0
    while isinstance(result, Interrupted):
        made = stopping(context_of(made), attempts)
        result = tasks().assemble(params, made.make())
        attempts += 1

    assert attempts == 9
    assert result == undisturbed
    assert everything(made) == everything(whole)


def test_a_file_that_was_made_is_not_made_again() -> None:
    made = context()
    recognised(made, 1)
    assembled(made, 1)
    made.blobs.put(f"{AREA}text.txt", b"not made again", "text/plain")

    again = context_of(made)
    params = AssembleParameters(source=SOURCE, pages=[1])
    tasks().assemble(params, again.make())

    assert again.blobs.get(f"{AREA}text.txt") == b"not made again"


def test_a_file_that_cannot_be_made_is_left_out_with_a_warning() -> None:
    made = context(pages=2)
    recognised(made, 2)
    made.blobs.put(SOURCE.blob, b"no document any more", "image/tiff")

    result = assembled(made, 2)

    assert [artifact.kind for artifact in result.artifacts] == ["text", "analyze_result"]
    assert [(warning.code, warning.page, warning.value) for warning in result.warnings] == [
        ("OUTPUT_NOT_MADE", None, "thumbnail: UNSUPPORTED_FORMAT"),
        ("OUTPUT_NOT_MADE", 1, "preview: UNSUPPORTED_FORMAT"),
        ("OUTPUT_NOT_MADE", 2, "preview: UNSUPPORTED_FORMAT"),
    ]


def test_a_file_whose_making_kills_its_process_is_given_up() -> None:
    made = context()
    recognised(made, 1)
    made.saved = json.dumps({"phases": [], "data": {"begun": {"thumbnail.jpg": MAX_STRIKES}}})

    result = tasks().assemble(AssembleParameters(source=SOURCE, pages=[1]), made.make())

    assert isinstance(result, AssembleResult)
    assert [artifact.kind for artifact in result.artifacts] == ["text", "analyze_result", "preview"]
    assert [(warning.code, warning.value) for warning in result.warnings] == [
        ("OUTPUT_NOT_MADE", "thumbnail: PAGE_CRASHED")
    ]


def test_each_try_of_a_picture_is_known_before_it_begins() -> None:
    made, saved = context(), list[str]()
    recognised(made, 1)
    made.on_save = lambda: saved.append(str(made.saved))

    tasks().assemble(AssembleParameters(source=SOURCE, pages=[1]), made.make())

    begun = [json.loads(one)["data"].get("begun") for one in saved]
    assert begun == [None, None, {"thumbnail.jpg": 1}, {}, {"preview/0001.jpg": 1}, {}]


def test_a_document_none_of_whose_pages_could_be_read_fails_with_the_first_error() -> None:
    made = context(pages=2)
    store = PageStore(made.blobs, JOB)
    store.put(failed_record(PageSize(1, 10, 10), "DECODE_FAILED", "page 1 is damaged"))
    store.put(failed_record(PageSize(2, 10, 10), "OCR_FAILED", "the engine broke"))

    with pytest.raises(DecodeFailed, match="page 1 is damaged"):
        assembled(made, 2)


def test_a_page_that_could_not_be_read_keeps_its_place() -> None:
    made = context(pages=3)
    recognised(made, 3)
    PageStore(made.blobs, JOB).put(failed_record(PageSize(2, 10, 10), "DECODE_FAILED", "page 2 is damaged"))

    result = assembled(made, 3)

    assert result.text == "one line\nanother\n\f\n\fone line\nanother"
    assert [page.status for page in result.pages] == ["read", "failed", "read"]
    assert [(warning.code, warning.page, warning.value) for warning in result.warnings] == [
        ("PAGE_FAILED", 2, "DECODE_FAILED")
    ]
    assert [artifact.page for artifact in result.artifacts if artifact.kind == "preview"] == [1, 3]


def test_only_the_pages_that_were_chosen_are_of_the_result() -> None:
    made = context(pages=5)

    result = tasks().inspect(InspectParameters(source=SOURCE, pages="4-,2"), made.make())

    assert isinstance(result, InspectResult)
    assert (result.page_count, [page.page for page in result.pages]) == (5, [2, 4, 5])
    with pytest.raises(PageNotFound):
        tasks().inspect(InspectParameters(source=SOURCE, pages="2,6"), made.make())


def test_a_document_by_url_is_fetched_once_and_kept_with_the_job() -> None:
    made, fetched = Context(), list[tuple[str, int, float, bool]]()

    class Fetches:
        def fetch(self, url: str, max_bytes: int, seconds: float, should_stop: Callable[[], bool]) -> bytes:
            fetched.append((url, max_bytes, seconds, should_stop()))
            return sample_page().png

    document = DocumentTasks(always(ReadsText(["a"])), SourceReader((), 9_000_000, Fetches(), 7.0), DocumentLimits())
    params = InspectParameters(source=UrlSource(url="https://host.example/scan?sig=secret"))
    result = document.inspect(params, made.make())

    assert isinstance(result, InspectResult)
    assert result.source == BlobSource(blob=f"{AREA}source")
    assert fetched == [("https://host.example/scan?sig=secret", 9_000_000, 7.0, False)]
    assert made.blobs.get(f"{AREA}source") == sample_page().png
    assert "secret" not in repr(params)


def test_a_fetch_that_was_stopped_is_no_failure() -> None:
    class Stops:
        def fetch(self, url: str, max_bytes: int, seconds: float, should_stop: Callable[[], bool]) -> bytes:
            raise FetchStopped("the task was asked to stop")

    made = Context()
    made.stop.set("shutdown")
    document = DocumentTasks(always(ReadsText(["a"])), SourceReader(fetcher=Stops()), DocumentLimits())

    result = document.inspect(InspectParameters(source=UrlSource(url="https://host.example/scan")), made.make())

    assert result == Interrupted("shutdown")


def test_without_a_fetcher_no_url_is_allowed() -> None:
    with pytest.raises(FetchNotAllowed):
        tasks().inspect(InspectParameters(source=UrlSource(url="https://host.example/scan")), Context().make())


def stopping(made: Context, phase: int) -> Context:
    """Told to stop once more phases than so many are finished."""
    made.on_save = lambda: made.stop.set("shutdown") if len(phases(made)) > phase else None
    return made


def phases(made: Context) -> list[str]:
    found: list[str] = json.loads(made.saved)["phases"] if made.saved is not None else []
    return [phase for phase in found if phase != "begun"]


def everything(made: Context) -> dict[str, bytes]:
    return {name: made.blobs.get(name) for name in made.blobs.names("documents/")}


def context_of(other: Context) -> Context:
    """A later attempt: the same blobs and checkpoint, no request to stop."""
    assert isinstance(other.blobs, MemoryBlobStore)
    return Context(blobs=other.blobs, saved=other.saved)
