"""The tasks of the document pipeline: inspect the document, recognise pages, assemble the result."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from core.context import TaskContext
from core.outcome import Interrupted
from handlers.document.assemble import Assembly
from handlers.document.engine import EngineChoice, EngineProvider, OcrEngine
from handlers.document.errors import DecodeFailed, FetchStopped, PageNotFound, packages_needed
from handlers.document.files import DocumentFile, DocumentInfo, PagePixels, open_document
from handlers.document.limits import DocumentLimits
from handlers.document.opening import opened_under_guard
from handlers.document.page_ledger import PageLedger, was_finished
from handlers.document.page_store import PageStore
from handlers.document.parameters import (
    AssembleParameters,
    InspectParameters,
    OnPageError,
    OutputKind,
    RecognisePagesParameters,
)
from handlers.document.password import PasswordSeal, opened, to_keep
from handlers.document.reading import PageReading, ReadingOptions
from handlers.document.recognise import READING_SECONDS, PageCrew, Surroundings
from handlers.document.results import (
    AssembleResult,
    InspectResult,
    PageSizeRecord,
    PageSummary,
    RecognisedPage,
    RecognisePagesResult,
    summary_of,
)
from handlers.document.selection import selected_pages
from handlers.document.source import Source, SourceReader, stored_source

AnyParameters = TypeVar("AnyParameters", InspectParameters, RecognisePagesParameters, AssembleParameters)


class DocumentTasks:
    """The handlers, with what they need. They keep nothing between calls."""

    def __init__(
        self,
        engine_provider: EngineProvider,
        sources: SourceReader,
        limits: DocumentLimits,
        seal: PasswordSeal | None = None,
        reading_seconds: float = READING_SECONDS,
    ) -> None:
        self._engine_for = engine_provider
        self._sources = sources
        self._limits = limits
        self._seal = seal
        self._reading_seconds = reading_seconds

    def kept(self, params: AnyParameters) -> AnyParameters:
        """With the password sealed. Raises as :func:`handlers.document.password.to_keep`."""
        return params.model_copy(update={"password": to_keep(params.password, self._seal)})

    @packages_needed()
    def inspect(self, params: InspectParameters, context: TaskContext) -> InspectResult | Interrupted:
        """Say what a document is, and keep it where the next stages find it."""
        try:
            data = self._data(params.source, context)
        except FetchStopped:
            return Interrupted(context.stop_reason or "")
        info = opened_under_guard(context, partial(self._looked_at, data, params))
        chosen = selected_pages(params.pages, len(info.pages))
        stored = stored_source(params.source, context.job_id)
        if stored != params.source:
            context.blobs.put(stored.blob, data, info.format.value)
        sizes = (info.pages[number - 1] for number in chosen)
        return InspectResult(
            source=stored,
            content_type=info.format.value,
            bytes=info.byte_count,
            page_count=len(info.pages),
            pages=[PageSizeRecord(page=one.number, width=one.width, height=one.height, unit=one.unit) for one in sizes],
        )

    @packages_needed()
    def recognise_pages(
        self, params: RecognisePagesParameters, context: TaskContext
    ) -> RecognisePagesResult | Interrupted:
        """Read the text of pages, as many at once as the engine does, and store each, with its positions, as JSON.

        A page that an earlier attempt stored is not read again.
        """
        store = PageStore(context.blobs, context.job_id)
        summaries = _read_before(params.pages, context, store)
        left = [number for number in params.pages if number not in summaries]
        ledger = PageLedger(context, len(params.pages), left)
        if left:
            with self._open(params, context) as file:
                _check_pages(left, file)
                crew = PageCrew(self._surroundings(params, context, file, store), ledger)
                interrupted = crew.run()
            if interrupted is not None:
                return interrupted
            summaries |= crew.summaries
        return RecognisePagesResult(
            pages=[
                RecognisedPage(summary=summaries[number], blob=store.name(number), seconds=ledger.seconds(number))
                for number in params.pages
            ]
        )

    @packages_needed()
    def assemble(self, params: AssembleParameters, context: TaskContext) -> AssembleResult | Interrupted:
        """Gather the pages into the files that were asked for, and pictures of the first of them."""
        get_data = partial(self._data, params.source, context)
        return Assembly(params, context, get_data, self._limits, opened(params.password, self._seal)).run()

    def _surroundings(
        self, params: RecognisePagesParameters, context: TaskContext, file: DocumentFile, store: PageStore
    ) -> Surroundings:
        choice = EngineChoice(params.quality, params.languages)
        fail_fast = params.on_page_error is OnPageError.FAIL
        engine = partial(self._engine_for, choice)
        seconds = self._reading_seconds
        return Surroundings(context, file, engine, _read, store, _layer_reader, fail_fast, seconds)

    def _open(self, params: RecognisePagesParameters, context: TaskContext) -> DocumentFile:
        password = opened(params.password, self._seal)
        return open_document(self._data(params.source, context), self._limits, password)

    def _looked_at(self, data: bytes, params: InspectParameters) -> DocumentInfo:
        with open_document(data, self._limits, opened(params.password, self._seal)) as file:
            if OutputKind.SEARCHABLE_PDF in params.outputs:
                _check_searchable(file, data)
            return file.info

    def _data(self, source: Source, context: TaskContext) -> bytes:
        return self._sources.read(source, context.blobs, context.job_id, lambda: context.should_stop)


def _read_before(pages: Sequence[int], context: TaskContext, store: PageStore) -> dict[int, PageSummary]:
    """What earlier attempts read; not what has gone since, or cannot be read."""
    finished = (number for number in pages if was_finished(number, context.checkpoint))
    found = ((number, store.find(number)) for number in finished)
    return {number: summary_of(record) for number, record in found if record is not None}


def _check_pages(numbers: Sequence[int], file: DocumentFile) -> None:
    count = len(file.info.pages)
    if max(numbers) > count:
        raise PageNotFound(f"the document has no page {max(numbers)}: it has {count}", page=max(numbers), pages=count)


def _check_searchable(file: DocumentFile, data: bytes) -> None:
    """Raises :class:`handlers.document.errors.CopyNotPermitted`, ahead of the reading. A damaged document of which no
    copy can be made is read all the same.
    """
    from handlers.document.pdf.searchable import check_searchable  # noqa: PLC0415 - pikepdf is the worker's alone

    with suppress(DecodeFailed):
        check_searchable(file, data)


def _read(engine: OcrEngine, page: PagePixels) -> PageReading:
    from handlers.document.reading.whole import read_whole  # noqa: PLC0415 - numpy and cv2 are the worker's alone

    return read_whole(engine, page.pixels, ReadingOptions(), page.dpi)


def _layer_reader() -> str:
    from handlers.document.pdf.pdfium import reader  # noqa: PLC0415 - as above

    return reader()
