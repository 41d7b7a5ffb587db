"""Reading some pages of one document, one after the other, so that whoever is stopped goes on behind the last one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cached_property

from pydantic import ValidationError

from core.context import TaskContext
from core.errors import BlobNotFound
from handlers.document.engine import DOUBTFUL_BELOW, OcrEngine, PageText, mean_confidence, read_page
from handlers.document.errors import PageNotStored
from handlers.document.files import DocumentFile, open_document
from handlers.document.limits import DocumentLimits
from handlers.document.reading import PageQuality, PageReading
from handlers.document.records import PageRecord, page_record
from handlers.document.results import RecognisedPage, summary_of
from handlers.document.source import job_area
from handlers.document.warnings import PageWarning, WarningCode

JSON_TYPE = "application/json"


def page_blob(context: TaskContext, number: int) -> str:
    return f"{job_area(context.job_id)}pages/{number:04d}.json"


class PageRecogniser:
    """Reads pages for one call of a task. ``engine`` and ``data``, the document's bytes, are asked for once, and only
    where there is a page to read.

    A page is a phase of the checkpoint, named ``page-0007``, whose data is the engine's seconds. It counts once its
    blob is there whole.
    """

    def __init__(
        self,
        context: TaskContext,
        engine: Callable[[], OcrEngine],
        data: Callable[[], bytes],
        limits: DocumentLimits,
    ) -> None:
        self._context = context
        self._get_engine = engine
        self._get_data = data
        self._limits = limits

    def read_before(self, number: int) -> RecognisedPage | None:
        """What an earlier attempt read of a page; ``None`` where none did, or its blob has gone since."""
        if not self._context.checkpoint.should_skip(_phase(number)):
            return None
        record = self._stored(number)
        return None if record is None else self._recognised(record)

    def read(self, number: int) -> RecognisedPage:
        """Read a page, store it, and save that.

        Raises :class:`PageNotStored`, what decoding and the engine raise, and :class:`core.errors.LeaseLost`.
        """
        engine, page = self._engine, self._file.pixels(number)
        started = time.perf_counter()
        read = read_page(engine, page.pixels)
        seconds = round(time.perf_counter() - started, 3)
        record = page_record(number, _reading(read), page)
        content = record.model_dump_json().encode()
        self._context.blobs.put(page_blob(self._context, number), content, JSON_TYPE)
        saved = self._context.checkpoint.save(
            _phase(number), {_phase(number): seconds}, lambda: self._is_stored(record, len(content))
        )
        if not saved:
            raise PageNotStored(f"page {number} was not found in the blob store as it was written", page=number)
        return self._recognised(record)

    @cached_property
    def _engine(self) -> OcrEngine:
        return self._get_engine()

    @cached_property
    def _file(self) -> DocumentFile:
        return open_document(self._get_data(), self._limits)

    def _recognised(self, record: PageRecord) -> RecognisedPage:
        """Made of the record alone, so that it is the same whichever attempt read the page."""
        seconds = self._context.checkpoint.get_data(_phase(record.page))
        assert isinstance(seconds, int | float)
        return RecognisedPage(summary=summary_of(record), blob=page_blob(self._context, record.page), seconds=seconds)

    def _is_stored(self, record: PageRecord, size: int) -> bool:
        try:
            if self._context.blobs.size(page_blob(self._context, record.page)) != size:
                return False
        except BlobNotFound:
            return False
        return self._stored(record.page) == record

    def _stored(self, number: int) -> PageRecord | None:
        try:
            return PageRecord.model_validate_json(self._context.blobs.get(page_blob(self._context, number)))
        except (BlobNotFound, ValidationError):
            return None


def _phase(number: int) -> str:
    return f"page-{number:04d}"


def _reading(read: PageText) -> PageReading:
    quality = PageQuality(1.0, None, None, None, 0.0, 255.0, None, None, 0.0, None, 0.0)
    return PageReading(read, quality, tuple(_warnings(mean_confidence(read.lines), read.orientation_unsure)))


def _warnings(mean: float | None, orientation_unsure: bool) -> Iterator[PageWarning]:
    if mean is None:
        yield PageWarning(WarningCode.NO_TEXT)
    elif mean < DOUBTFUL_BELOW:
        yield PageWarning(WarningCode.LOW_CONFIDENCE, mean)
    if orientation_unsure:
        yield PageWarning(WarningCode.ORIENTATION_UNSURE)
