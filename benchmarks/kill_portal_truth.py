"""What became of portals' documents whose workers were killed: by their files, opened, and by what was noted."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

BEGUN, SAVED, PUT = "begun", "saved", "put"
"""Kinds of notes: a stage is begun, a checkpoint is in the database, a file is in storage."""

_IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MILLISECONDS = re.compile(r"\b1\d{12}(?=_)")


def repeated(notes: Iterable[str]) -> Iterator[str]:
    """Stages that were begun although a checkpoint had said that they are done, and files that were stored twice.

    ``notes`` are lines of a job's id, a kind and what it is of.
    """
    saved: dict[str, set[str]] = defaultdict(set)
    stored: Counter[tuple[str, str]] = Counter()
    for line in notes:
        job_id, kind, what = line.split(" ", 2)
        if kind == SAVED:
            saved[job_id].add(what)
        elif kind == PUT:
            stored[job_id, what] += 1
        elif what in saved[job_id]:
            yield f"job {job_id[:8]}: {what} was begun again, which was done"
    yield from (f"job {job_id[:8]}: {what} was stored again" for (job_id, what), times in stored.items() if times > 1)


def interrupted(notes: Iterable[str]) -> Counter[str]:
    """How often a stage was begun again, by its name: what was under way at a kill."""
    begun = Counter(tuple(line.split(" ", 2)) for line in notes)
    found: Counter[str] = Counter()
    for (_, kind, what), times in begun.items():
        found[what] += times - 1 if kind == BEGUN else 0
    return +found


def comparable(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a job has stored, opened, as each job of the same document has it: packages by what is in them, and without
    the ids of the job and when it began.
    """
    return {_common(name): data for path, stored in files.items() for name, data in _parts(path, stored)}


def _parts(path: str, stored: bytes) -> Iterator[tuple[str, bytes]]:
    if not stored.startswith(b"PK"):
        yield path, stored
        return
    with zipfile.ZipFile(io.BytesIO(stored)) as package:
        for name in package.namelist():
            data = package.read(name)
            yield f"{path}:{name}", _common(data.decode()).encode() if name.endswith(".json") else data


def _common(text: str) -> str:
    return _MILLISECONDS.sub("TIME", _IDS.sub("ID", text))
