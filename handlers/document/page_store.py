"""The pages that a job has read, each a blob with its record as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from core.errors import BlobNotFound
from core.ids import JobId
from core.ports import BlobStore
from handlers.document.records import PageRecord
from handlers.document.source import job_area

JSON_TYPE = "application/json"


class PageStore:
    """The records of one job's pages. For any number of threads."""

    def __init__(self, blobs: BlobStore, job_id: JobId) -> None:
        self._blobs = blobs
        self._area = job_area(job_id)

    def name(self, number: int) -> str:
        return f"{self._area}pages/{number:04d}.json"

    def put(self, record: PageRecord) -> bool:
        """Write it, and read it back: whether it is there as it was written."""
        content = record.model_dump_json().encode()
        self._blobs.put(self.name(record.page), content, JSON_TYPE)
        try:
            if self._blobs.size(self.name(record.page)) != len(content):
                return False
        except BlobNotFound:
            return False
        return self.find(record.page) == record

    def find(self, number: int) -> PageRecord | None:
        """``None`` where there is none, or none that can be read."""
        try:
            return PageRecord.model_validate_json(self._blobs.get(self.name(number)))
        except (BlobNotFound, ValidationError):
            return None

    def each(self, numbers: Iterable[int]) -> Iterator[PageRecord]:
        """One at a time. Raises :class:`core.errors.BlobNotFound`."""
        return (PageRecord.model_validate_json(self._blobs.get(self.name(number))) for number in numbers)
