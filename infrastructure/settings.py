"""Settings: the one module that reads the environment, and what each setting means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.boundary import problems
from core.errors import CoreMachineError


class SettingsInvalid(CoreMachineError):
    """A setting has a value that cannot be; the message names it."""

    code: ClassVar[str] = "SETTINGS_INVALID"


class Settings(BaseModel):
    """Everything that is set from outside, with its default. The alias is the environment variable."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    enable_test_endpoints: bool = Field(
        False, alias="ENABLE_TEST_ENDPOINTS", description="Serve the endpoints under /api/test; otherwise they are 404"
    )
    test_timeout_seconds: float = Field(
        200.0,
        gt=0,
        le=3_600,
        alias="TEST_TIMEOUT_SECONDS",
        description="How long a test call may take; Azure answers none after 230, a local host may read many pages",
    )
    test_max_body_bytes: int = Field(
        32 * 1024 * 1024, gt=0, alias="TEST_MAX_BODY_BYTES", description="The largest body of a test call"
    )
    test_max_concurrency: int = Field(
        4, gt=0, le=64, alias="TEST_MAX_CONCURRENCY", description="Test calls that run at once"
    )
    test_rate_per_minute: float = Field(
        600.0, gt=0, alias="TEST_RATE_PER_MINUTE", description="Test calls a minute, over all callers"
    )
    test_burst: int = Field(60, gt=0, alias="TEST_BURST", description="Test calls that are admitted at once")
    document_source_roots: str = Field(
        "",
        alias="DOCUMENT_SOURCE_ROOTS",
        description="Folders that document paths may name, separated by ;",
    )
    document_max_bytes: int = Field(
        64 * 1024 * 1024, gt=0, alias="DOCUMENT_MAX_BYTES", description="The largest document"
    )
    document_max_pixels: int = Field(
        80_000_000, gt=0, le=178_956_970, alias="DOCUMENT_MAX_PIXELS", description="The largest page, in pixels"
    )
    document_max_pages: int = Field(1_000, gt=0, le=100_000, alias="DOCUMENT_MAX_PAGES", description="Pages a document")
    ocr_model_root: str = Field(
        ".models", min_length=1, alias="OCR_MODEL_ROOT", description="The folder of the OCR models"
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises :class:`SettingsInvalid`. An empty variable counts as not set."""
        given = {name: environment[name] for name in cls.names() if environment.get(name, "").strip()}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            lines = "; ".join(f"{found['field']}: {found['problem']}" for found in problems(error))
            raise SettingsInvalid(lines) from error

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The environment variables that are read."""
        return tuple(str(field.alias) for field in cls.model_fields.values())

    @property
    def source_roots(self) -> tuple[Path, ...]:
        return tuple(Path(root.strip()) for root in self.document_source_roots.split(";") if root.strip())
