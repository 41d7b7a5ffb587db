"""Query parameters: each known, at most once, and of one spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams

from core.boundary import problems
from core.errors import TextNotStorable
from core.ids import MAX_RUN, MAX_STAGE
from core.limits import check_text
from core.model import RunStatus, TaskStatus
from core.paging import MAX_LIMIT, MAX_NUMBER
from handlers.document.engine import Quality
from handlers.document.parameters import (
    DEFAULT_OUTPUTS,
    PAGES_PER_TASK,
    Languages,
    OnPageError,
    Outputs,
    PageErrors,
    PageSelection,
    PagesPerTask,
    Pdfa,
    Preview,
)
from handlers.portal.schema import SchemaStatus, Version
from infrastructure.web.errors import InvalidQuery

ModelT = TypeVar("ModelT", bound=BaseModel)

OF_THE_HOST = frozenset({"code", "clientid"})
"""Parameters that the host reads: a function's key and its name."""

FILENAME = re.compile(r"^[^\x00-\x1f\x7f/\\]{1,255}$")

_DIGITS = re.compile(r"[0-9]{1,19}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _digits(value: object) -> object:
    """Pydantic would also take `` 1 ``, ``1_0`` and ``1.0``."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("a whole number in digits")
    return value


def _flag(value: object) -> object:
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("true or false")
    return value


def _time(value: object) -> object:
    if isinstance(value, str) and not _TIME.fullmatch(value):
        raise ValueError("a time with its zone, as RFC 3339 writes it: 2030-01-31T12:00:00Z")
    return value


def _list(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


_DIGITS_ONLY, _TRUE_OR_FALSE, _RFC_3339, _WITH_COMMAS = map(BeforeValidator, (_digits, _flag, _time, _list))

Flag = Annotated[bool, _TRUE_OR_FALSE]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many items a page has at most"), _DIGITS_ONLY]
Cursor = Annotated[str, Field(max_length=1_000, description="`next` of the page before")]
After = Annotated[int, Field(ge=0, le=MAX_NUMBER, description="`next` of the page before, or 0"), _DIGITS_ONLY]
Run = Annotated[int, Field(ge=1, le=MAX_RUN, description="The run; the latest where it is not given"), _DIGITS_ONLY]
Stage = Annotated[int, Field(ge=1, le=MAX_STAGE), _DIGITS_ONLY]
From = Annotated[AwareDatetime, Field(description="Made at this time or later"), _RFC_3339]
Before = Annotated[AwareDatetime, Field(description="Made before this time"), _RFC_3339]
Tenant = Annotated[str, Field(min_length=1, max_length=200, description="Whose job it is")]
FileName = Annotated[
    str,
    Field(
        pattern=FILENAME.pattern,
        description="What the client calls the document. Errors repeat it; it is not kept: the same bytes are the same "
        "job under any name",
    ),
]


class Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Query):
    pass


class RunQuery(Query):
    run: Run | None = None


class EventsQuery(RunQuery):
    after: After = 0
    limit: Limit = 100


class TasksQuery(RunQuery):
    stage: Stage | None = None
    status: Annotated[list[TaskStatus], Field(max_length=5), _WITH_COMMAS] = []
    cursor: Cursor | None = None
    limit: Limit = 100


class RunsQuery(Query):
    job_type: Annotated[str, Field(max_length=64)] | None = None
    tenant: Tenant | None = None
    status: Annotated[list[RunStatus], Field(max_length=6), _WITH_COMMAS] = []
    paused: Flag | None = None
    created_from: From | None = None
    created_before: Before | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class LettersQuery(Query):
    after: After = 0
    limit: Limit = 100


class SchemaQuery(Query):
    version: Annotated[Version, _DIGITS_ONLY] | None = Field(
        default=None, description="The newest active one where it is not given"
    )


class SchemasQuery(Query):
    status: SchemaStatus | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class DocumentQuery(Query):
    filename: FileName | None = None
    quality: Annotated[Quality, Field(description="`accurate` takes the larger models, `fast` the smaller ones")] = (
        Quality.ACCURATE
    )
    languages: Annotated[Languages, _WITH_COMMAS] = ()
    pages: PageSelection | None = Field(default=None, description="As in 1-3,7,12-; none is all of them")
    outputs: Annotated[Outputs, _WITH_COMMAS] = DEFAULT_OUTPUTS
    pdfa: Annotated[Pdfa, _TRUE_OR_FALSE] = False
    preview: Annotated[Preview, _TRUE_OR_FALSE] = True
    on_page_error: PageErrors = OnPageError.CONTINUE
    pages_per_task: Annotated[PagesPerTask, _DIGITS_ONLY] = PAGES_PER_TASK
    tenant: Tenant = "default"


def parse_query(model: type[ModelT], given: QueryParams) -> ModelT:
    """The parameters as ``model``, times in UTC. Raises :class:`InvalidQuery` with a line for each problem."""
    values = _once([(name, value) for name, value in given.multi_items() if name.lower() not in OF_THE_HOST])
    try:
        for name, value in values.items():
            check_text(name + value, "query")
        return model.model_validate(values)
    except TextNotStorable as error:
        raise InvalidQuery(error.message) from error
    except ValidationError as error:
        raise InvalidQuery("the query does not fit", problems=problems(error)) from error


def _once(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InvalidQuery("a parameter is there twice; several values are written with commas")
    return values


def in_utc(time: datetime | None) -> datetime | None:
    """Raises :class:`InvalidQuery` for a time that UTC's calendar does not have."""
    try:
        return time.astimezone(UTC) if time is not None else None
    except OverflowError as error:
        raise InvalidQuery("a time is out of range") from error
