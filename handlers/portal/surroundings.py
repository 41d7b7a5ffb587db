"""What the pipeline is given: its storage, its sources, its engine, its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from core.ports import BlobStore
from handlers.document.engine import EngineProvider
from handlers.document.limits import DocumentLimits
from handlers.document.source import SourceReader
from handlers.portal.codes import Stage
from handlers.portal.errors import PayloadInvalid
from handlers.portal.schema import SchemaDefinition
from handlers.portal.sealing import SealedStore

if TYPE_CHECKING:
    from handlers.document.engine import Page

Seal: TypeAlias = Callable[[BlobStore], SealedStore]
"""Gives the sealed objects of a blob store."""


class Check(Protocol):
    """A rule of a schema, as a finished file was measured by it."""

    @property
    def rule(self) -> str: ...

    @property
    def required(self) -> str: ...

    @property
    def measured(self) -> str: ...

    @property
    def passed(self) -> bool: ...


class Report(Protocol):
    @property
    def checks(self) -> Sequence[Check]: ...


class AdaptedFile(Protocol):
    """``format`` is one of :class:`handlers.portal.schema.ImageFormat`; ``warnings`` are codes."""

    @property
    def data(self) -> bytes: ...

    @property
    def format(self) -> str: ...

    @property
    def report(self) -> Report: ...

    @property
    def warnings(self) -> Sequence[str]: ...


Adapter: TypeAlias = "Callable[[Page, SchemaDefinition], AdaptedFile]"
"""Makes the file that meets every rule, the same for the same pixels. Raises
:class:`handlers.portal.errors.SchemaFailed` and its kinds, and :class:`core.errors.DependencyMissing`.
"""

DEADLINES: Mapping[Stage, float] = {
    Stage.FETCH: 90.0,
    Stage.DECODE: 60.0,
    Stage.QUALITY: 30.0,
    Stage.ENHANCE: 60.0,
    Stage.OCR: 180.0,
    Stage.SCHEMA: 60.0,
    Stage.UPLOAD: 90.0,
}
"""Seconds. The largest page that is decoded takes some seconds, and the slowest one to read a minute on two cores."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``stores`` are the configured ones by name; the one that a payload names is the only one it can reach."""

    stores: Mapping[str, Seal]
    sources: SourceReader
    engine: EngineProvider
    adapt: Adapter
    limits: DocumentLimits = field(default_factory=DocumentLimits)
    deadlines: Mapping[Stage, float] = field(default_factory=lambda: DEADLINES)

    def store(self, name: str, blobs: BlobStore) -> SealedStore:
        """Raises :class:`handlers.portal.errors.PayloadInvalid` for a name that is not configured."""
        if name not in self.stores:
            raise PayloadInvalid("storage.store: no such store is configured")
        return self.stores[name](blobs)
