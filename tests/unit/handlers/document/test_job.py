from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from core.errors import CoreMachineError, InvalidParameters
from core.jobs import Parallelism
from core.registry import HandlerRegistry, JobRegistry
from handlers.document import DocumentLimits, SourceReader, document_handlers, document_jobs
from handlers.document.engine import EngineChoice, OcrEngine, Quality
from handlers.document.errors import LanguageNotSupported, PageCrashed
from handlers.document.job import OcrDocumentJob
from handlers.document.parameters import OutputKind
from testing.documents import bomb_png, lying_png, sample_page, sample_tiff, truncated
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import Crashes, ExhaustsMemory, ReadsNothing, ReadsText, ReturnsGarbage, always
from tests.support.documents import run_job

ENGINE = ReadsText(["one line", "another"])


def content(data: bytes) -> dict[str, object]:
    return {"source": {"content_base64": base64.b64encode(data).decode()}}


def test_the_job_and_its_handlers_fit_together() -> None:
    handlers = HandlerRegistry(document_handlers(always(ENGINE), SourceReader()))

    assert list(JobRegistry(document_jobs(), handlers)) == ["ocr_document"]
    assert sorted(handlers) == ["ocr_assemble", "ocr_inspect", "ocr_recognise_pages"]
    assert all(handler.long_running for handler in handlers.values())
    assert [stage.parallelism for stage in OcrDocumentJob.stages] == [
        Parallelism.SINGLE,
        Parallelism.FAN_OUT,
        Parallelism.FAN_IN,
    ]
    for handler in handlers.values():
        assert handler.description
        assert handler.schema()["parameters"]


def test_a_picture_sent_along_is_read() -> None:
    blobs = MemoryBlobStore()
    data = sample_page().png

    result, run = run_job(ENGINE, content(data), blobs=blobs)

    assert result.text == "one line\nanother"
    assert result.mean_confidence == 0.97
    assert result.quality == "accurate"
    assert result.recognise_seconds >= 0
    assert blobs.get(f"documents/{run.job_id}/source") == data
    assert blobs.content_type(f"documents/{run.job_id}/source") == "image/png"


def test_every_page_of_a_tiff_in_a_blob_is_read() -> None:
    blobs = MemoryBlobStore()
    blobs.put("inbox/scan.tif", sample_tiff(pages=12)[0], "image/tiff")

    result, run = run_job(ENGINE, {"source": {"blob": "inbox/scan.tif"}, "preview": False}, blobs=blobs)

    assert [page.page for page in result.pages] == list(range(1, 13))
    assert f"documents/{run.job_id}/source" not in list(blobs.names("documents/"))


def test_a_file_under_an_allowed_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(sample_page().jpeg)

    result, _ = run_job(ENGINE, {"source": {"path": "page.jpg"}, "quality": "fast"}, roots=(tmp_path,))

    assert result.text == "one line\nanother"
    assert result.quality == "fast"


def blank_page() -> bytes:
    data = BytesIO()
    Image.new("L", (600, 800), 255).save(data, "PNG")
    return data.getvalue()


def test_a_document_without_text_is_read_to_its_end() -> None:
    result, _ = run_job(ReadsNothing(), content(blank_page()))

    assert result.text == ""
    assert [(warning.code, warning.page) for warning in result.warnings] == [("NO_TEXT", 1)]


@pytest.mark.parametrize(
    ("engine", "code"), [(Crashes(), "OCR_FAILED"), (ReturnsGarbage("confidence_nan"), "OCR_FAILED")]
)
def test_an_engine_that_broke_fails_the_job(engine: OcrEngine, code: str) -> None:
    with pytest.raises(CoreMachineError) as caught:
        run_job(engine, content(sample_page().png))

    assert caught.value.code == code


def test_a_document_whose_only_page_takes_all_memory_fails_once_it_was_tried_alone() -> None:
    with pytest.raises(PageCrashed):
        run_job(ExhaustsMemory(), content(sample_page().png))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bomb_png(), "IMAGE_TOO_LARGE"),
        (lying_png(), "DECODE_FAILED"),
        (truncated(sample_page().png), "DECODE_FAILED"),
        (b"%PDF-1.7", "DECODE_FAILED"),
        (b"<html>", "UNSUPPORTED_FORMAT"),
        (bytes(3_000_000), "DOCUMENT_TOO_LARGE"),
        (sample_tiff(pages=6)[0], "TOO_MANY_PAGES"),
    ],
)
def test_a_hostile_document_fails_the_job_with_its_code(data: bytes, code: str) -> None:
    with pytest.raises(CoreMachineError) as caught:
        run_job(ENGINE, content(data), limits=DocumentLimits(max_bytes=2_500_000, max_pages=5))

    assert caught.value.code == code


def test_the_engine_is_not_reached_by_a_document_that_is_refused() -> None:
    engine = ReadsText(["a"])

    with pytest.raises(CoreMachineError):
        run_job(engine, content(bomb_png()))

    assert engine.pages == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"languages": ["EN"]},
        {"languages": ["english"]},
        {"languages": ["en", "en"]},
        {"languages": ["aa", "ab", "ae", "af", "ak", "am", "an", "ar", "as"]},
        {"languages": "en"},
        {"password": ""},
        {"password": "p" * 128},
        {"pages": ""},
        {"pages": "0"},
        {"pages": "3-1"},
        {"pages": "1,,2"},
        {"pages": "1 - 3"},
        {"pages": [1]},
        {"outputs": []},
        {"outputs": ["text", "text"]},
        {"outputs": ["docx"]},
        {"pdfa": True},
        {"on_page_error": "ignore"},
        {"pages_per_task": 0},
        {"quality": "best"},
        {"unknown": 1},
        {"source": {"url": ""}},
        {"source": {"url": "https://host.example/a", "blob": "b"}},
    ],
)
def test_what_is_asked_for_wrongly_is_refused_before_there_is_a_job(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidParameters) as caught:
        run_job(ENGINE, {"source": {"blob": "a"}, **wrong})

    assert "p" * 128 not in str(caught.value.details)


def test_every_output_is_made_of_what_was_read() -> None:
    blobs = MemoryBlobStore()

    result, run = run_job(ENGINE, {**content(sample_page().png), "outputs": [*OutputKind], "pdfa": True}, blobs=blobs)

    area = f"documents/{run.job_id}/"
    assert [artifact.kind for artifact in result.artifacts] == [*OutputKind, "thumbnail", "preview"]
    for artifact in result.artifacts:
        assert artifact.name.startswith(area)
        assert blobs.size(artifact.name) == artifact.bytes > 0
        assert blobs.content_type(artifact.name) == artifact.content_type
    assert blobs.get(f"{area}searchable.pdf").startswith(b"%PDF-")


def test_the_pages_that_were_chosen_are_read_and_no_others() -> None:
    engine = ReadsText(["a"])
    blobs = MemoryBlobStore()
    blobs.put("inbox/scan.tif", sample_tiff(pages=5)[0], "image/tiff")

    result, _ = run_job(engine, {"source": {"blob": "inbox/scan.tif"}, "pages": "2,4-", "preview": False}, blobs=blobs)

    assert [page.page for page in result.pages] == [2, 4, 5]
    assert len(engine.pages) == 3


def test_languages_and_quality_choose_the_engine() -> None:
    asked: list[EngineChoice] = []

    def provider(choice: EngineChoice) -> OcrEngine:
        asked.append(choice)
        return ENGINE

    run_job(provider, {**content(sample_page().png), "quality": "fast", "languages": ["de", "fr"]})

    assert asked == [EngineChoice(Quality.FAST, ("de", "fr"))]


def test_a_language_that_nothing_reads_fails_the_job() -> None:
    def provider(choice: EngineChoice) -> OcrEngine:
        raise LanguageNotSupported("no engine reads tlh")

    with pytest.raises(LanguageNotSupported):
        run_job(provider, {**content(sample_page().png), "languages": ["tlh"]})
