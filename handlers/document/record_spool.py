"""The records of a document's pages on local disk: fetched once, read by one writer after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from handlers.document.page_store import PageStore
from handlers.document.records import PageRecord


class RecordSpool:
    """A file of a record a line. One record at a time is in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fill(self, store: PageStore, numbers: Sequence[int]) -> Iterator[PageRecord]:
        """Fetch the records of ``numbers``, and give each as it is written. Raises as :meth:`PageStore.each`."""
        with self._path.open("wb") as file:
            for record in store.each(numbers):
                file.write(record.model_dump_json().encode() + b"\n")
                yield record

    def __iter__(self) -> Iterator[PageRecord]:
        with self._path.open("rb") as file:
            for line in file:
                yield PageRecord.model_validate_json(line)
