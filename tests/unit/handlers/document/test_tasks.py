from __future__ import annotations

import json

import pytest

from core.outcome import Interrupted
from handlers.document import DocumentLimits, SourceReader
from handlers.document.engine import DOUBTFUL_BELOW, EngineChoice, OcrEngine, Quality
from handlers.document.errors import OcrFailed, PageNotFound, SourceNotAllowed
from handlers.document.parameters import AssembleParameters, InspectParameters, RecognisePagesParameters
from handlers.document.records import PageRecord
from handlers.document.results import AssembleResult, RecognisedPage, RecognisePagesResult
from handlers.document.source import BlobSource
from handlers.document.tasks import DocumentTasks
from testing.documents import sample_page, sample_tiff
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import Crashes, ReadsNothing, ReadsText, always
from tests.support.documents import JOB, OTHER_JOB, Context

SOURCE = BlobSource(blob="inbox/scan")
AREA = f"documents/{JOB}/"


def tasks(engine: OcrEngine | None = None, limits: DocumentLimits | None = None) -> DocumentTasks:
    return DocumentTasks(
        always(engine or ReadsText(["one line", "another"])), SourceReader(), limits or DocumentLimits()
    )


def context(pages: int = 1) -> Context:
    made = Context()
    made.blobs.put(SOURCE.blob, sample_page().png if pages == 1 else sample_tiff(pages=pages)[0], "image/png")
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

    (empty,) = recognised(made, 1, ReadsNothing())

    assert (empty.summary.lines, empty.summary.mean_confidence) == (0, None)
    with pytest.raises(OcrFailed):
        recognised(made, 1, Crashes())


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
        ("json", f"{AREA}document.json", None),
        ("preview", f"{AREA}preview/0001.jpg", 1),
        ("preview", f"{AREA}preview/0002.jpg", 2),
        ("preview", f"{AREA}preview/0003.jpg", 3),
    ]
    for artifact in result.artifacts:
        assert made.blobs.size(artifact.name) == artifact.bytes
        assert made.blobs.content_type(artifact.name) == artifact.content_type
    document = json.loads(made.blobs.get(f"{AREA}document.json"))
    assert [page["page"] for page in document["pages"]] == [1, 2, 3]
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

    assert kinds == ["text", "json", "preview"]
    assert isinstance(without, AssembleResult)
    assert [artifact.kind for artifact in without.artifacts] == ["text", "json"]


def test_pages_without_text_are_named() -> None:
    made = context(pages=2)
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
    ("engine", "codes"),
    [
        (ReadsText(["a"], confidence=DOUBTFUL_BELOW), []),
        (ReadsText(["a"], confidence=DOUBTFUL_BELOW - 0.01), ["LOW_CONFIDENCE"]),
        (ReadsText(["a"], orientation_unsure=True), ["ORIENTATION_UNSURE"]),
        (ReadsText(["a"], confidence=0.3, orientation_unsure=True), ["LOW_CONFIDENCE", "ORIENTATION_UNSURE"]),
    ],
)
def test_a_page_that_may_have_been_read_badly_is_named(engine: OcrEngine, codes: list[str]) -> None:
    made = context()
    (page,) = recognised(made, 1, engine)

    result = assembled(made, 1)

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
    assert len(first) == 6


def test_assembling_resumes_after_the_preview_that_was_done() -> None:
    made = context(pages=3)
    recognised(made, 3)
    params = AssembleParameters(source=SOURCE, pages=[1, 2, 3])
    made.on_save = lambda: made.stop.set("shutdown")

    interrupted = tasks().assemble(params, made.make())

    assert interrupted == Interrupted("shutdown")
    assert list(made.blobs.names(f"{AREA}preview/")) == [f"{AREA}preview/0001.jpg"]
    resumed = context_of(made)
    resumed.blobs.put(f"{AREA}preview/0001.jpg", b"not drawn again", "image/jpeg")
    result = tasks().assemble(params, resumed.make())
    assert isinstance(result, AssembleResult)
    assert [artifact.kind for artifact in result.artifacts].count("preview") == 3
    assert resumed.blobs.get(f"{AREA}preview/0001.jpg") == b"not drawn again"


def context_of(other: Context) -> Context:
    """A later attempt: the same blobs and checkpoint, no request to stop."""
    assert isinstance(other.blobs, MemoryBlobStore)
    return Context(blobs=other.blobs, saved=other.saved)
