"""Putting a document together: its pages' records into the files that were asked for, and pictures of its pages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from core.boundary import guarded
from core.context import TaskContext
from core.outcome import Failed, Interrupted
from handlers.document.errors import error_again, is_of_the_document
from handlers.document.limits import DocumentLimits
from handlers.document.making import Maker
from handlers.document.output import write_text
from handlers.document.page_ledger import BEGUN, MAX_STRIKES
from handlers.document.page_store import PageStore
from handlers.document.parameters import AssembleParameters
from handlers.document.pieces import Piece
from handlers.document.record_spool import RecordSpool
from handlers.document.records import PageRecord
from handlers.document.results import Artifact, AssembleResult, DocumentWarning, PageSummary, summary_of
from handlers.document.source import job_area
from handlers.document.warnings import PageWarning, WarningCode

_log = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024

CRASHED = "PAGE_CRASHED"


class Assembly:
    """One call of the task. ``get_data`` gives the document's bytes, ``password`` opens it.

    Each file is a phase of the checkpoint, whose data are its warnings. One that cannot be made, for what the document
    holds, is left out with a warning: what was read is not lost for it. So is one that processes died of.
    """

    def __init__(
        self,
        params: AssembleParameters,
        context: TaskContext,
        get_data: Callable[[], bytes],
        limits: DocumentLimits,
        password: str | None = None,
    ) -> None:
        self._params = params
        self._context = context
        self._get_data = get_data
        self._limits = limits
        self._password = password
        self._area = job_area(context.job_id)
        self._spool = RecordSpool(context.scratch / "records")
        self._pages: list[PageSummary] = []
        self._engines: dict[str, None] = {}
        self._models: dict[str, None] = {}
        self._warnings: list[DocumentWarning] = []
        self._artifacts: list[Artifact] = []

    def run(self) -> AssembleResult | Interrupted:
        """Raises the first page's error where no page could be read."""
        store = PageStore(self._context.blobs, self._context.job_id)
        for record in self._spool.fill(store, sorted(set(self._params.pages))):
            self._note(record)
        self._check_any_was_read()
        with Maker(self._params, self._spool, self._get_data, self._limits, self._password) as maker:
            for piece in maker.pieces():
                if self._context.should_stop:
                    return Interrupted(self._context.stop_reason or "")
                self._add(piece, self._made(piece))
        return self._result()

    def _note(self, record: PageRecord) -> None:
        self._pages.append(summary_of(record))
        self._engines |= dict.fromkeys([record.engine] if record.engine else [])
        self._models |= dict.fromkeys(record.models)
        self._warnings += [
            DocumentWarning(page=record.page, code=warning.code, value=warning.value) for warning in record.warnings
        ]

    def _check_any_was_read(self) -> None:
        errors = [page.error for page in self._pages if page.error is not None]
        if len(errors) == len(self._pages):
            raise error_again(errors[0].code, errors[0].message)

    def _made(self, piece: Piece) -> list[DocumentWarning]:
        """Make a file, unless an earlier attempt did; its warnings."""
        checkpoint = self._context.checkpoint
        if not checkpoint.should_skip(piece.name):
            found = self._make(piece)
            warnings = [DocumentWarning(page=piece.page, code=WarningCode(one.code), value=one.value) for one in found]
            saved = [warning.model_dump(mode="json") for warning in warnings]
            checkpoint.save(piece.name, {piece.name: saved, **({BEGUN: {}} if piece.of_the_document else {})})
        known = checkpoint.get_data(piece.name)
        assert isinstance(known, list)
        return [DocumentWarning.model_validate(one) for one in known]

    def _make(self, piece: Piece) -> Sequence[PageWarning]:
        if self._strikes(piece) >= MAX_STRIKES:
            return [self._not_made(piece, CRASHED)]
        if piece.of_the_document:
            self._context.checkpoint.save(BEGUN, {BEGUN: {piece.name: self._strikes(piece) + 1}})
        made = guarded(self._write, piece)
        if not isinstance(made, Failed):
            return made
        assert made.cause is not None
        if not is_of_the_document(made.cause):
            raise made.cause
        return [self._not_made(piece, made.error.code)]

    def _strikes(self, piece: Piece) -> int:
        """How many processes died as they made it."""
        begun = self._context.checkpoint.get_data(BEGUN, {})
        assert isinstance(begun, dict)
        strikes = begun.get(piece.name, 0)
        assert isinstance(strikes, int)
        return strikes

    def _not_made(self, piece: Piece, code: str) -> PageWarning:
        _log.warning("output_not_made", extra={"output": str(piece.kind), "page": piece.page, "code": code})
        self._context.blobs.delete(self._area + piece.name)
        return PageWarning(WarningCode.OUTPUT_NOT_MADE, f"{piece.kind}: {code}")

    def _write(self, piece: Piece) -> tuple[PageWarning, ...]:
        path = self._context.scratch / "made"
        with path.open("w+b") as file:
            warnings = piece.write(file)
            size = file.seek(0, 2)
            file.seek(0)
            self._context.blobs.put_stream(self._area + piece.name, _pieces(file), piece.content_type, size)
        path.unlink()
        return warnings

    def _add(self, piece: Piece, warnings: list[DocumentWarning]) -> None:
        self._warnings += warnings
        if any(warning.code is WarningCode.OUTPUT_NOT_MADE for warning in warnings):
            return
        name = self._area + piece.name
        size = self._context.blobs.size(name)
        self._artifacts.append(
            Artifact(kind=piece.kind, name=name, content_type=piece.content_type, bytes=size, page=piece.page)
        )

    def _result(self) -> AssembleResult:
        text, cut = self._text()
        return AssembleResult(
            text=text,
            text_truncated=cut,
            mean_confidence=overall_confidence(self._pages),
            engines=list(self._engines),
            models=list(self._models),
            pages=self._pages,
            warnings=self._warnings,
            artifacts=self._artifacts,
        )

    def _text(self) -> tuple[str, bool]:
        """The beginning of the text, and whether there is more."""
        path: Path = self._context.scratch / "text"
        with path.open("wb") as out:
            write_text(iter(self._spool), out)
        limit = self._limits.max_text_characters
        with path.open(encoding="utf-8", newline="") as file:
            return file.read(limit), bool(file.read(1))


def overall_confidence(pages: Sequence[PageSummary]) -> float | None:
    """The pages' mean confidence, each weighted by its characters; ``None`` without text."""
    weighed = [(page.mean_confidence, page.characters) for page in pages if page.mean_confidence is not None]
    characters = sum(count for _, count in weighed)
    return round(sum(mean * count for mean, count in weighed) / characters, 4) if characters else None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(READ_BYTES):
        yield piece
