"""The tasks of the document pipeline: inspect the document, recognise pages, assemble the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from core.context import TaskContext
from core.outcome import Interrupted
from handlers.document.decode import decode_image
from handlers.document.engine import EngineChoice, EngineProvider
from handlers.document.inspect import inspect_document
from handlers.document.limits import DocumentLimits
from handlers.document.parameters import AssembleParameters, InspectParameters, RecognisePagesParameters
from handlers.document.preview import CONTENT_TYPE as PREVIEW_TYPE
from handlers.document.preview import draw_preview
from handlers.document.recognise import JSON_TYPE, PageRecogniser, page_blob
from handlers.document.records import PageRecord, lines_of
from handlers.document.results import (
    Artifact,
    AssembleResult,
    DocumentWarning,
    InspectResult,
    PageSizeRecord,
    PageSummary,
    RecognisedPage,
    RecognisePagesResult,
    summary_of,
)
from handlers.document.source import SourceReader, job_area, stored_source

PAGE_BREAK = "\n\f"
TEXT_TYPE = "text/plain; charset=utf-8"


class DocumentTasks:
    """The handlers, with what they need. They keep nothing between calls."""

    def __init__(self, engine_provider: EngineProvider, sources: SourceReader, limits: DocumentLimits) -> None:
        self._engine_for = engine_provider
        self._sources = sources
        self._limits = limits

    def inspect(self, params: InspectParameters, context: TaskContext) -> InspectResult:
        """Say what a document is, and keep it where the next stages find it."""
        data = self._sources.read(params.source, context.blobs, context.job_id)
        info = inspect_document(data, self._limits)
        stored = stored_source(params.source, context.job_id)
        if stored != params.source:
            context.blobs.put(stored.blob, data, info.format.value)
        return InspectResult(
            source=stored,
            content_type=info.format.value,
            bytes=info.byte_count,
            pages=[
                PageSizeRecord(page=page.number, width=page.width, height=page.height, unit=page.unit)
                for page in info.pages
            ],
        )

    def recognise_pages(
        self, params: RecognisePagesParameters, context: TaskContext
    ) -> RecognisePagesResult | Interrupted:
        """Read the text of pages, one after the other, and store each, with its positions, as JSON.

        A page that an earlier attempt stored is not read again.
        """
        pages: list[RecognisedPage] = []
        recogniser = PageRecogniser(
            context,
            engine=lambda: self._engine_for(EngineChoice(params.quality)),
            data=lambda: self._sources.read(params.source, context.blobs, context.job_id),
            limits=self._limits,
        )
        for position, number in enumerate(params.pages, 1):
            if context.should_stop:
                return Interrupted(context.stop_reason or "")
            page = recogniser.read_before(number)
            if page is None:
                page = recogniser.read(number)
                context.report_progress(100 * position / len(params.pages), f"page {position} of {len(params.pages)}")
            pages.append(page)
        return RecognisePagesResult(pages=pages)

    def assemble(self, params: AssembleParameters, context: TaskContext) -> AssembleResult | Interrupted:
        """Gather the pages into a text file, one JSON document and preview pictures."""
        numbers = sorted(set(params.pages))
        text, summaries, artifacts = self._gather(numbers, context)
        for number in numbers[: self._limits.max_preview_pages] if params.preview else ():
            preview = f"preview {number}"
            if not context.checkpoint.should_skip(preview):
                self._draw(params, number, context)
                if context.checkpoint.save_and_stop_if_requested(preview):
                    return Interrupted(context.stop_reason or "")
            artifacts.append(_artifact("preview", preview_blob(context, number), PREVIEW_TYPE, context, page=number))
        limit = self._limits.max_text_characters
        return AssembleResult(
            text=text[:limit],
            text_truncated=len(text) > limit,
            mean_confidence=overall_confidence(summaries),
            pages=summaries,
            warnings=[
                DocumentWarning(page=page.page, code=warning.code, value=warning.value)
                for page in summaries
                for warning in page.warnings
            ],
            artifacts=artifacts,
        )

    def _gather(self, numbers: Sequence[int], context: TaskContext) -> tuple[str, list[PageSummary], list[Artifact]]:
        """The text and the JSON document as blobs, one page's record at a time in memory as objects."""
        texts: list[str] = []
        parts: list[bytes] = []
        summaries: list[PageSummary] = []
        for stored, record in _stored_pages(numbers, context):
            texts.append(record.text)
            parts.append(stored)
            summaries.append(summary_of(record))
        text = PAGE_BREAK.join(texts) if any(texts) else ""
        document = b'{"version":1,"pages":[' + b",".join(parts) + b"]}"
        area = job_area(context.job_id)
        context.blobs.put(f"{area}text.txt", text.encode(), TEXT_TYPE)
        context.blobs.put(f"{area}document.json", document, JSON_TYPE)
        artifacts = [
            _artifact("text", f"{area}text.txt", TEXT_TYPE, context),
            _artifact("json", f"{area}document.json", JSON_TYPE, context),
        ]
        return text, summaries, artifacts

    def _draw(self, params: AssembleParameters, number: int, context: TaskContext) -> None:
        data = self._sources.read(params.source, context.blobs, context.job_id)
        page = decode_image(data, number, self._limits)
        ((_, record),) = _stored_pages([number], context)
        picture = draw_preview(page, lines_of(record), self._limits.preview_side)
        context.blobs.put(preview_blob(context, number), picture, PREVIEW_TYPE)


def preview_blob(context: TaskContext, number: int) -> str:
    return f"{job_area(context.job_id)}preview/{number:04d}.jpg"


def overall_confidence(pages: Iterable[PageSummary]) -> float | None:
    """The pages' mean confidence, each weighted by its characters; ``None`` without text."""
    weighed = [(page.mean_confidence, page.characters) for page in pages if page.mean_confidence is not None]
    characters = sum(count for _, count in weighed)
    return round(sum(mean * count for mean, count in weighed) / characters, 4) if characters else None


def _stored_pages(numbers: Iterable[int], context: TaskContext) -> Iterator[tuple[bytes, PageRecord]]:
    for number in numbers:
        stored = context.blobs.get(page_blob(context, number))
        yield stored, PageRecord.model_validate_json(stored)


def _artifact(kind: str, name: str, content_type: str, context: TaskContext, page: int | None = None) -> Artifact:
    size = context.blobs.size(name)
    return Artifact.model_validate(
        {"kind": kind, "name": name, "content_type": content_type, "bytes": size, "page": page}
    )
