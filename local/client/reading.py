"""Reads documents, several at once: sends, follows, fetches. What happens is told through a queue, to one listener."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from local.client.api import Api
from local.client.board import Row
from local.client.errors import CallRefused, ClientError, FileUnusable, KeyRefused, ServiceNotReached
from local.client.follow import Seen, Stopped, finished, follow
from local.client.http import Wait
from local.client.records import JobStatus
from local.client.results import Saved, save
from local.client.text import printable

READ = frozenset({"completed", "completed_with_errors"})


@dataclass(frozen=True, slots=True)
class Document:
    """``name`` is that of its results; ``shown`` is the path as it was given."""

    path: Path
    name: str
    shown: str


@dataclass(frozen=True, slots=True)
class Options:
    """``again`` reads also what was read before; ``run_at_once`` counts documents."""

    output: Path
    quality: str | None = None
    languages: str | None = None
    pages: str | None = None
    outputs: str | None = None
    preview: bool = True
    tenant: str | None = None
    again: bool = False
    at_once: int = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a document ended: ``saved``, or ``error``; ``known`` where it had been submitted before."""

    document: Document
    job_id: str = ""
    run: int = 0
    state: str = "not read"
    known: bool = False
    saved: Saved | None = None
    error: ClientError | None = None

    @property
    def well(self) -> bool:
        return self.error is None and self.state == "completed"


@dataclass(slots=True)
class Reading:
    """One reading of some documents. Its threads end with the process: an upload can be waited for no other way."""

    api: Api
    options: Options
    wait: Wait
    _told: queue.SimpleQueue[Row | Outcome] = field(default_factory=queue.SimpleQueue)
    _left: queue.SimpleQueue[Document] = field(default_factory=queue.SimpleQueue)
    _fatal: ClientError | None = None
    _jobs: dict[str, JobStatus] = field(default_factory=dict)
    _sending: dict[str, str] = field(default_factory=dict)

    def run(self, documents: Sequence[Document]) -> Iterator[Row | Outcome]:
        """Each change of a bar, and an :class:`Outcome` for each document."""
        for document in documents:
            self._left.put(document)
        for number in range(min(self.options.at_once, len(documents))):
            self._start(number)
        left = len(documents)
        while left:
            told = self._told.get()
            left -= isinstance(told, Outcome)
            yield told

    def running(self) -> list[JobStatus]:
        """The jobs that were submitted and have not been seen to end."""
        return [status for status in list(self._jobs.values()) if not status.ended]

    def sending(self) -> list[str]:
        """The paths of what is being sent."""
        return list(self._sending.values())

    def _start(self, number: int) -> None:
        threading.Thread(target=self._work, args=(number,), name=f"document-{number}", daemon=True).start()

    def _work(self, number: int) -> None:
        while (document := self._next()) is not None:
            outcome = None
            try:
                outcome = self._outcome(document)
            finally:
                if outcome is None:  # the listener waits for the end of each document, whatever happened to this one
                    self._fatal = ClientError("this client failed; what it wrote says where")
                    outcome = Outcome(document, error=self._fatal)
                    self._start(number)
                self._told.put(outcome)

    def _next(self) -> Document | None:
        try:
            return self._left.get_nowait()
        except queue.Empty:
            return None

    def _outcome(self, document: Document) -> Outcome:
        if self._fatal is not None:
            return Outcome(document, state="not sent", error=self._fatal)
        try:
            return self._read(document)
        except (ServiceNotReached, KeyRefused) as error:
            self._fatal = error
            return self._failed(document, error)
        except ClientError as error:
            return self._failed(document, error)
        except Stopped:
            return self._failed(document, ClientError("the command was ended"))

    def _failed(self, document: Document, error: ClientError) -> Outcome:
        status = self._jobs.get(document.name)
        if status is None:
            return Outcome(document, state="not sent", error=error)
        return Outcome(document, status.job_id, status.run, status.status, error=error)

    def _read(self, document: Document) -> Outcome:
        options = self.options
        self._told.put(Row(document.name, document.shown, "sending"))
        names = ("quality", "languages", "pages", "outputs", "preview", "tenant")
        asked = {name: getattr(options, name) for name in names}
        self._sending[document.name] = document.shown
        try:
            submitted = self.api.upload(document.path, asked, uuid4().hex if options.again else None)
            status = self._jobs[document.name] = submitted.status
        finally:
            del self._sending[document.name]
        for seen in follow(self.api, status, self.wait):
            status = self._jobs[document.name] = seen.status
            self._told.put(row_of(document, seen))
        error = None if status.status in READ else _why(status)
        saved = self._saved(document, status) if error is None else None
        return Outcome(document, status.job_id, status.run, status.status, not submitted.created, saved, error)

    def _saved(self, document: Document, status: JobStatus) -> Saved:
        result = self.api.result(status.job_id, status.run).result
        if result is None:
            raise ClientError("the job completed without a result")
        return save(self.api, status.job_id, result, self.options.output, document.name)


def check_file(path: Path) -> None:
    """Raises :class:`FileUnusable` for what cannot be sent."""
    try:
        if path.is_dir():
            raise FileUnusable(f"{printable(path)} is a folder; name the files in it")
        if not path.is_file() and path.exists():
            raise FileUnusable(f"{printable(path)} is not a file")
        with path.open("rb") as file:
            if not file.read(1):
                raise FileUnusable(f"{printable(path)} is empty")
    except OSError as error:
        raise FileUnusable(f"{printable(path)}: {error.strerror}") from error
    except ValueError:
        raise FileUnusable(f"{printable(path)}: no file can have this name") from None


def row_of(document: Document, seen: Seen) -> Row:
    status, stage = seen.status, seen.status.stage
    return Row(
        key=document.name,
        name=document.shown,
        state=status.status,
        stage="" if stage is None or status.ended else stage.name,
        percent=100.0 if status.status in READ else status.percent,
        done=0 if stage is None else finished(stage),
        total=0 if stage is None else stage.total,
        pace=seen.pace,
        job_id=status.job_id,
        run=status.run,
        ended=status.ended,
        well=status.status not in ("failed", "cancelled"),
    )


def _why(status: JobStatus) -> CallRefused | ClientError:
    if status.error is not None:
        return ClientError(f"{status.error.code}: {printable(status.error.message)}")
    return ClientError(f"the job ended as {printable(status.status)}")
