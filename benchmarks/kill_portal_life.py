"""One life of a job that may be killed: its checkpoint and its sealed files are in a folder.

The stages and the adapter are those of the worker, on a photograph of a person for the first of the five portals; the
engine is a scripted one, as a reading takes a hundred times as long as all the rest.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn, cast

import cv2

import handlers.document.reading.whole
import handlers.portal.pixels  # noqa: F401 - imported once, before the processes part
from benchmarks.portal_photos import photos
from core.errors import BlobConflict, BlobNotFound
from core.ports import BlobStore
from handlers.portal.adapt.cascade import CascadeDetector
from handlers.portal.adapt.provider import adapter
from handlers.portal.answer import Success
from handlers.portal.codes import Stage
from handlers.portal.pipeline import Ended, process
from handlers.portal.seed import SEED
from handlers.portal.stages import STAGES
from handlers.portal.work import Made, Work
from tests.support.portal import Desk, Kept, envelope

PHOTO = "white small"
PORTAL = SEED[0]

CHECKPOINT, BLOBS, DONE = "checkpoint", "blobs", "done"
STAGES_BEGUN, TWICE, SAVES = "stages", "twice", "saves"


class FolderBlobs:
    """A :class:`core.ports.BlobStore`, as far as sealing needs one: a file appears whole, by a rename."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / BLOBS
        self._twice = folder / TWICE

    def put_new(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        if (self._root / name).exists():
            raise BlobConflict("there is such a blob")
        return self.put_stream(name, pieces, content_type, max_bytes)

    def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        path, part = self._root / name, self._root.parent / "part"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = b"".join(pieces)
        part.write_bytes(data)
        if path.exists():
            _append(self._twice, name)
        part.replace(path)
        return len(data)

    def get_stream(self, name: str) -> Iterator[bytes]:
        return iter([self._bytes(name)])

    def size(self, name: str) -> int:
        return len(self._bytes(name))

    def delete(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def names(self, prefix: str) -> Iterator[str]:
        found = (path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())
        return iter(sorted(name for name in found if name.startswith(prefix)))

    def _bytes(self, name: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError as error:
            raise BlobNotFound("there is no such blob") from error


class FileCheckpoint(Kept):
    """The checkpoint in a file. ``at`` is the number of the one to die at, and whether before it is written."""

    def __init__(self, folder: Path, at: tuple[int, bool] | None) -> None:
        super().__init__()
        path = folder / CHECKPOINT
        self.json = path.read_text() if path.exists() else None
        self._folder, self._at, self._count = folder, at, 0

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self._count += 1
        self._die_at(before=True)
        part = self._folder / "checkpoint.part"
        part.write_text(checkpoint_json)
        part.replace(self._folder / CHECKPOINT)
        _append(self._folder / SAVES, str(self._count))
        self._die_at(before=False)

    def _die_at(self, *, before: bool) -> None:
        if self._at == (self._count, before):
            os.kill(os.getpid(), signal.SIGKILL)


@cache
def portrait() -> bytes:
    """A PNG, made once, before the processes part, which have no threads of before."""
    cv2.setNumThreads(1)
    pixels = next(one.pixels for one in photos(CascadeDetector()) if one.name == PHOTO)
    return cv2.imencode(".png", pixels)[1].tobytes()


def live(folder: Path, at: tuple[int, bool] | None) -> NoReturn:
    """Ends the process: 0 where the document was done."""
    (folder / STAGES_BEGUN).unlink(missing_ok=True)
    for stage, function in STAGES.items():
        STAGES[stage] = _noted(stage, function, folder)  # type: ignore[index]
    blobs = cast(BlobStore, FolderBlobs(folder))
    desk = Desk(answer=portrait(), adapt=adapter(), blobs=blobs, writes=FileCheckpoint(folder, at))
    definition = PORTAL.schema_definition.model_dump(mode="json")
    ended = process(envelope(definition=definition), desk.context(), desk.around)
    done = isinstance(ended, Ended) and isinstance(ended.answer, Success)
    if isinstance(ended, Ended) and isinstance(ended.answer, Success):
        (folder / DONE).write_text(ended.answer.model_dump_json(exclude={"metrics"}))
    os._exit(0 if done else 1)


def validated(folder: Path) -> set[str]:
    """The stages that the checkpoint says are done."""
    path = folder / CHECKPOINT
    return set(json.loads(path.read_text())["phases"]) if path.exists() else set()


def begun_stages(folder: Path) -> list[str]:
    """By the last life, in their order."""
    return _lines(folder / STAGES_BEGUN)


def overwritten(folder: Path) -> list[str]:
    """Names of what was written although it was there."""
    return _lines(folder / TWICE)


def saves_of(folder: Path) -> int:
    return len(_lines(folder / SAVES))


def _noted(stage: Stage, function: Callable[[Work], Made], folder: Path) -> Callable[[Work], Made]:
    def noted(work: Work) -> Made:
        _append(folder / STAGES_BEGUN, stage)
        return function(work)

    return noted


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
