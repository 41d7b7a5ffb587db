"""What ``process_document`` is asked for: strictly what is drawn here, or a refusal that names the field."""

from __future__ import annotations

import json
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from core.boundary import problems
from handlers.document.engine import Quality
from handlers.document.parameters import Languages
from handlers.portal.errors import ArtifactSourceInvalid, PayloadInvalid, StoragePathInvalid
from handlers.portal.paths import PortalJobId, UserId, check_raw_path, job_id_of, user_id_of
from handlers.portal.schema import SchemaDefinition

CLOSED = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

SOURCE_PROBLEM = "artifact_source"
"""The type of a validation problem that is ``ARTIFACT_SOURCE_INVALID`` and not ``PAYLOAD_INVALID``."""

MAX_NAME = 255
MAX_URL = 2_048

DEFAULT_STORE = "default"


def _raw(path: str) -> str:
    try:
        check_raw_path(path)
    except StoragePathInvalid as error:
        raise PydanticCustomError(SOURCE_PROBLEM, "not the path of what a user sent") from error
    return path


class Artifact(BaseModel):
    """Where the document is: exactly one of ``artifact_url``, which may hold a signature and is shown nowhere, and
    ``raw_path``. ``mime_type`` is what the sender takes it for; what it is, its content says.
    """

    model_config = CLOSED

    artifact_url: str | None = Field(default=None, min_length=1, max_length=MAX_URL, repr=False)
    raw_path: Annotated[str, Field(max_length=512), AfterValidator(_raw)] | None = None
    mime_type: str = Field(min_length=3, max_length=127, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$")
    original_filename: str = Field(min_length=1, max_length=MAX_NAME)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.artifact_url is None) == (self.raw_path is None):
            raise PydanticCustomError(SOURCE_PROBLEM, "exactly one of artifact_url and raw_path")
        return self


class PinnedSchema(BaseModel):
    """A version of a portal's schema, whole: what becomes of the schema later changes no job."""

    model_config = CLOSED

    id: UUID
    name: str = Field(min_length=1, max_length=100)
    version: int = Field(ge=1, le=2**31 - 1)
    schema_definition: SchemaDefinition


class Storage(BaseModel):
    """``store`` names one of the stores that the operator configured; there is no way to name another place."""

    model_config = CLOSED

    store: str = Field(default=DEFAULT_STORE, pattern=r"^[a-z][a-z0-9_-]{0,31}$")


class Options(BaseModel):
    """``text`` asks for the document's text. Where the schema maps fields, the document is read in any case."""

    model_config = CLOSED

    text: bool = False
    quality: Quality = Quality.ACCURATE
    languages: Languages = ()


class Envelope(BaseModel):
    """What ``process_document`` takes. ``job_id`` and ``user_id`` are version 4 UUIDs, in lower case."""

    model_config = CLOSED

    job_id: Annotated[str, Field(max_length=36), AfterValidator(job_id_of)]
    user_id: Annotated[str, Field(max_length=36), AfterValidator(user_id_of)]
    portal_schema: PinnedSchema
    input: Artifact
    storage: Storage = Storage()
    options: Options = Options()

    @property
    def job(self) -> PortalJobId:
        return PortalJobId(self.job_id)

    @property
    def user(self) -> UserId:
        return UserId(self.user_id)

    @property
    def definition(self) -> SchemaDefinition:
        return self.portal_schema.schema_definition

    @property
    def is_read(self) -> bool:
        """Whether the document has to be read at all."""
        return self.options.text or bool(self.definition.fields)


def parse_envelope(value: object) -> Envelope:
    """``value``, JSON values, as an envelope.

    Raises :class:`handlers.portal.errors.ArtifactSourceInvalid` where nothing but the source is wrong, and
    :class:`handlers.portal.errors.PayloadInvalid`: both name fields and rules, and quote nothing of the payload.
    """
    try:
        return Envelope.model_validate_json(json.dumps(value, allow_nan=False))
    except ValidationError as error:
        told = problems(error)
        only_source = all(problem["type"] == SOURCE_PROBLEM for problem in error.errors(include_input=False))
        refused = ArtifactSourceInvalid if only_source else PayloadInvalid
        raise refused(_message(told), problems=told) from error
    except (ValueError, RecursionError) as error:
        raise PayloadInvalid("(body): not what JSON can hold", problems=[]) from error


def _message(told: list[dict[str, str]]) -> str:
    first, *others = (f"{problem['field']}: {problem['problem']}" for problem in told)
    return first if not others else f"{first} (and {len(others)} more)"
