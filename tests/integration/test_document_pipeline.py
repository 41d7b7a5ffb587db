"""A PDF of all kinds of pages through the whole job in memory, with the real engine and every output."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import pikepdf
import pytest
from pdfminer.high_level import extract_text
from pikepdf import Array, Dictionary, Name
from PIL import Image

from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.paddle_engine import PaddleEngines
from handlers.document.parameters import OutputKind
from handlers.document.results import OcrDocumentResult
from testing.documents import sample_page
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import ReadsNothing
from tests.support.documents import run_job
from tests.support.pdfs import PageSpec, make_pdf, saved, shown

PROSE = b"".join(
    shown(line, 40, 340 - 18 * number)
    for number, line in enumerate(
        [
            "This page brings its text along,",
            "so nothing of it has to be read",
            "from its pixels, and all of it",
            "is right to the last letter.",
        ]
    )
)
SCAN = (0, 0, 496, 360)
"""Points of the scanned page, which shows the upper part of a sample page at 180 pixels an inch."""


def mixed() -> tuple[bytes, str]:
    """A page with text, a scan, and a page with nothing; and what the scan says."""
    sample = sample_page(7)
    scan = sample.image.crop((0, 0, 1240, 900))
    drawn = f"q {SCAN[2]} 0 0 {SCAN[3]} 0 0 cm /I1 Do Q".encode()
    whole = make_pdf(PageSpec(PROSE), PageSpec(drawn, SCAN, image=scan), PageSpec())
    return whole, "\n".join(sample.text.split("\n")[:8])


def damaged() -> bytes:
    """A page with text, one that cannot be loaded, and a page with nothing."""
    specs = (PageSpec(PROSE), PageSpec(PROSE), PageSpec())
    whole = make_pdf(*specs, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    start = whole.index(b"/Kids [") + len(b"/Kids [")
    end = whole.index(b"]", start)
    kids = whole[start:end].split()
    kids[3] = b"9" * len(kids[3])
    return whole[:start] + b" " + b" ".join(kids) + b" " + whole[end:]


@pytest.fixture(scope="module")
def read() -> tuple[OcrDocumentResult, Mapping[str, bytes], str]:
    blobs = MemoryBlobStore()
    document, said = mixed()
    source = {"content_base64": base64.b64encode(document).decode()}
    result, run = run_job(
        PaddleEngines(DEFAULT_ROOT),
        {"source": source, "quality": "fast", "outputs": [*OutputKind]},
        blobs=blobs,
    )
    area = f"documents/{run.job_id}/"
    return result, {name.removeprefix(area): blobs.get(name) for name in blobs.names(area)}, said


Read = tuple[OcrDocumentResult, Mapping[str, bytes], str]


def test_each_page_comes_to_what_it_is(read: Read) -> None:
    result, _, said = read

    assert [(page.page, page.status, page.origin, page.unit) for page in result.pages] == [
        (1, "read", "text_layer", "inch"),
        (2, "read", "ocr", "inch"),
        (3, "no_text", "ocr", "inch"),
    ]
    first, second, third = result.text.split("\f")
    assert first.split("\n")[0] == "This page brings its text along,"
    assert [line for line in said.split("\n") if line in second] != []
    assert third.strip() == ""
    assert ("NO_TEXT", 3) in {(warning.code, warning.page) for warning in result.warnings}


def test_a_page_that_cannot_be_loaded_loses_no_other() -> None:
    source = {"content_base64": base64.b64encode(damaged()).decode()}
    result, _ = run_job(ReadsNothing(), {"source": source, "outputs": [*OutputKind]})

    assert [(page.page, page.status) for page in result.pages] == [(1, "read"), (2, "failed"), (3, "no_text")]
    assert result.pages[1].error is not None
    assert result.pages[1].error.code == "DECODE_FAILED"
    assert [(warning.code, warning.page, warning.value) for warning in result.warnings] == [
        ("PAGE_FAILED", 2, "DECODE_FAILED"),
        ("NO_TEXT", 3, None),
        ("OUTPUT_NOT_MADE", None, "searchable_pdf: DECODE_FAILED"),
    ]
    made = [artifact.kind for artifact in result.artifacts]
    assert made == [*[*OutputKind][:-1], "thumbnail", "preview", "preview"]


def test_a_page_that_costs_too_much_loses_no_other() -> None:
    swells = zlib.compress(zlib.compress(b" " * 8_000_000, 9), 9)
    with pikepdf.open(io.BytesIO(make_pdf(PageSpec(PROSE), PageSpec(), PageSpec(PROSE)))) as pdf:
        pdf.pages[1].obj.Contents = pikepdf.Stream(pdf, swells)
        pdf.pages[1].obj.Contents.stream_dict = Dictionary(Filter=Array([Name.FlateDecode] * 2))
        document = saved(pdf, stream_decode_level=pikepdf.StreamDecodeLevel.none)

    source = {"content_base64": base64.b64encode(document).decode()}
    result, _ = run_job(ReadsNothing(), {"source": source, "outputs": [*OutputKind]})

    assert [(page.page, page.status) for page in result.pages] == [(1, "read"), (2, "failed"), (3, "read")]
    assert [(warning.code, warning.page, warning.value) for warning in result.warnings] == [
        ("PAGE_FAILED", 2, "DECODE_TOO_COSTLY")
    ]
    assert OutputKind.SEARCHABLE_PDF in [artifact.kind for artifact in result.artifacts]


def test_what_gave_the_text_is_recorded(read: Read) -> None:
    result, _, _ = read

    assert result.engines[0].startswith("pdfium")
    assert len(result.engines) == 2
    assert result.models != []
    assert result.quality == "fast"


def test_every_output_is_there_and_well_formed(read: Read) -> None:
    result, files, _ = read
    analyzed = json.loads(files["analyze_result.json"])

    kinds = [artifact.kind for artifact in result.artifacts if artifact.page is None]
    assert kinds == [*OutputKind, "thumbnail"]
    assert [artifact.page for artifact in result.artifacts if artifact.kind == "preview"] == [1, 2, 3]
    assert files["text.txt"].decode() == result.text
    assert [page["pageNumber"] for page in analyzed["pages"]] == [1, 2, 3]
    assert [page["unit"] for page in analyzed["pages"]] == ["inch"] * 3
    for line in result.text.replace("\f", "\n").split("\n"):
        assert line in analyzed["content"]
        assert line in files["markdown.md"].decode().replace("\\", "") or not line.strip() or "|" in line
    for name in ("hocr.html", "alto.xml"):
        assert ET.fromstring(files[name]) is not None
    with Image.open(io.BytesIO(files["thumbnail.jpg"])) as thumbnail:
        assert max(thumbnail.size) == 256


def test_the_searchable_pdf_has_the_text_of_the_scan_and_the_pages_that_were_there(read: Read) -> None:
    _, files, said = read
    native, scanned = (extract_text(io.BytesIO(files["searchable.pdf"]), page_numbers=[number]) for number in (0, 1))

    assert "This page brings its text along," in native
    words = [word for word in said.split() if word.isalpha() and len(word) > 3]
    found = [word for word in words if word in scanned]
    assert len(found) >= 0.9 * len(words)


def test_the_same_document_gives_the_same_bytes(read: Read) -> None:
    _, files, _ = read
    blobs = MemoryBlobStore()
    source = {"content_base64": base64.b64encode(mixed()[0]).decode()}
    _, run = run_job(
        PaddleEngines(DEFAULT_ROOT),
        {"source": source, "quality": "fast", "outputs": [*OutputKind], "pages_per_task": 1},
        blobs=blobs,
    )
    area = f"documents/{run.job_id}/"

    assert {name.removeprefix(area): blobs.get(name) for name in blobs.names(area)} == files
