"""What the stages of one job hand on: in memory while the process lives, from storage where an earlier one made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.context import TaskContext
from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT
from handlers.document.files import PagePixels
from handlers.document.records import PageRecord
from handlers.document.warnings import PageWarning
from handlers.portal.codes import Stage
from handlers.portal.envelope import Envelope
from handlers.portal.sealing import Sealed
from handlers.portal.shelf import Shelf
from handlers.portal.surroundings import Surroundings

DECODED, ENHANCED, RECORD, ADAPTED = "decoded.png", "enhanced.png", "page.json", "adapted"
"""The names under which a job keeps what its stages made, until it is done."""


class Made(NamedTuple):
    """What a stage came to: ``data``, JSON values, which the checkpoint keeps, once all that is ``kept`` is there."""

    data: Mapping[str, object] = {}
    kept: tuple[Sealed, ...] = ()


@dataclass(slots=True)
class Work:
    """One job under way. ``files`` are the bytes of what this process wrote, by path."""

    envelope: Envelope
    context: TaskContext
    around: Surroundings
    shelf: Shelf
    files: dict[str, bytes] = field(default_factory=dict)
    _decoded: PagePixels | None = None
    _finished: PagePixels | None = None

    def saved(self, stage: Stage) -> dict[str, Any]:
        """What a stage that is done left in the checkpoint."""
        found = self.context.checkpoint.get_data(stage)
        assert isinstance(found, dict)
        return found

    def put(self, path: str, data: bytes) -> Sealed:
        sealed = self.shelf.put(path, data)
        self.files[path] = data
        return sealed

    def file(self, path: str) -> bytes:
        """Its bytes. Where this process did not write it, it is fetched."""
        if path not in self.files:
            self.files[path] = self.shelf.read(path)
        return self.files[path]

    def keep_decoded(self, page: PagePixels) -> None:
        self._decoded = page

    def keep_finished(self, page: PagePixels) -> None:
        self._finished = page

    def decoded(self) -> PagePixels:
        """The page as it was decoded."""
        if self._decoded is None:
            self._decoded = self._page(self.saved(Stage.DECODE))
        return self._decoded

    def finished(self) -> PagePixels:
        """The page as it was enhanced."""
        if self._finished is None:
            self._finished = self._page({**self.saved(Stage.DECODE), **self.saved(Stage.ENHANCE)})
        return self._finished

    def record(self) -> PageRecord | None:
        """What was read, ``None`` where nothing was to be."""
        path = self.saved(Stage.OCR)["path"]
        return None if path is None else record_of(self.file(path))

    def _page(self, data: Mapping[str, Any]) -> PagePixels:
        return page_of(data, self.file(data["path"]))


def page_data(page: PagePixels, path: str) -> dict[str, object]:
    """All of a page but its pixels, which are kept at ``path``."""
    return {
        "path": path,
        "width": page.width,
        "height": page.height,
        "unit": page.unit,
        "scale": page.scale,
        "dpi": page.dpi,
        "shrunk": page.shrunk,
        "warnings": [[warning.code, warning.value] for warning in page.warnings],
    }


def page_of(data: Mapping[str, Any], png: bytes) -> PagePixels:
    """What :func:`page_data` was given."""
    from handlers.portal.pixels import pixels_of  # noqa: PLC0415 - numpy and cv2 are the worker's alone

    return PagePixels(
        pixels=pixels_of(png),
        width=data["width"],
        height=data["height"],
        unit=data["unit"],
        scale=data["scale"],
        dpi=data["dpi"],
        shrunk=data["shrunk"],
        warnings=tuple(PageWarning(code, value) for code, value in data["warnings"]),
    )


def record_of(kept: bytes) -> PageRecord:
    """What is kept of a page that was read."""
    return PageRecord.model_validate_json(kept)


def missing(error: ImportError) -> DependencyMissing:
    return DependencyMissing(f"{error.name} is not installed: {OCR_INSTALL_HINT}")
