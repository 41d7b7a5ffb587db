"""What workers do while they, or their tasks' processes, are killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from benchmarks.kill_worker_pages import document, letters
from benchmarks.kill_worker_truth import blobs_of
from benchmarks.stack_client import StackClient


class Load(Protocol):
    """Jobs that are all alike, each of whose tasks is killed. ``child`` is the module of the tasks' process, which
    writes a line to the file that :data:`benchmarks.kill_worker_pages.READS` names for each thing that it does, the
    job's id first.
    """

    @property
    def child(self) -> str: ...

    def prepare(self, folder: Path) -> None:
        """``folder`` is where documents may come from."""
        ...

    def submit(self, settings: Mapping[str, str], client: StackClient, key: str) -> str:
        """The job's id."""
        ...

    def blobs(self, settings: Mapping[str, str], job_id: str) -> Mapping[str, bytes]:
        """What a job has written, the same for each that nobody disturbed."""
        ...


class Documents:
    """One document again and again, of which a single task reads all pages."""

    child = "benchmarks.kill_worker_child"

    def __init__(self, pages: int, *, scanned: bool) -> None:
        self._pages, self._scanned = pages, scanned
        self._path = Path()

    def prepare(self, folder: Path) -> None:
        self._path = folder / "pages"
        self._path.write_bytes(letters(self._pages) if self._scanned else document(self._pages))

    def submit(self, settings: Mapping[str, str], client: StackClient, key: str) -> str:
        params = {"source": {"path": str(self._path)}, "preview": False, "pages_per_task": self._pages}
        return client.submit("ocr_document", params, key)

    def blobs(self, settings: Mapping[str, str], job_id: str) -> Mapping[str, bytes]:
        return blobs_of(settings, job_id)
