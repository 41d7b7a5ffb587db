"""The last stage: the picture's master copy, a preview, and the package of all that was made, each written once."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from handlers.document.engine import DOUBTFUL_BELOW
from handlers.document.formats import Format
from handlers.document.output.text import page_text
from handlers.document.records import PageRecord
from handlers.portal.answer import (
    Artifacts,
    MadeImage,
    Metrics,
    RuleReport,
    SchemaUsed,
    StageMetrics,
    Success,
    Warned,
)
from handlers.portal.codes import Stage
from handlers.portal.errors import UploadFailed
from handlers.portal.fields import FieldResult, map_fields, redacted, secrets_of
from handlers.portal.naming import picture_name
from handlers.portal.package import write_package
from handlers.portal.sealing import Sealed
from handlers.portal.shelf import pieces_of
from handlers.portal.work import ADAPTED, DECODED, ENHANCED, RECORD, Made, Work

RESULT_NAME, PREVIEW = "result.json", "preview.jpg"

ENDINGS = {"jpeg": "jpg", "png": "png"}
TYPES = {"jpeg": "image/jpeg", "png": "image/png"}

ON_THE_WAY = (DECODED, ENHANCED, RECORD, ADAPTED)
"""What nobody needs once the package is there."""


def upload(work: Work) -> Made:
    """The package goes last: where it is, everything is."""
    from handlers.portal.pixels import preview  # noqa: PLC0415 - numpy and cv2 are the worker's alone

    shelf = work.shelf
    master = _once(work, "master", shelf.master_path, work.file(_picture_path(work)))
    small = _once(work, "preview", shelf.derived_path(PREVIEW), preview(work.finished().pixels))
    name = picture_name(work.envelope.definition.filename_pattern, work.envelope, shelf.milliseconds, _ending(work))
    image = work.file(work.saved(Stage.SCHEMA)["path"])
    told = result_of(work, name, image).model_dump(mode="json", exclude={"metrics": {"processing_ms", "stages"}})
    result = json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True).encode()
    entries = [(name, pieces_of(image)), (RESULT_NAME, pieces_of(result))]
    package = _once(work, "package", shelf.package_path, b"".join(write_package(entries)))
    return Made({"package": package.path}, (master, small, package))


def answer(work: Work, stages: list[StageMetrics]) -> Success:
    """What the package says, with the times that the stages took."""
    with zipfile.ZipFile(io.BytesIO(work.file(work.shelf.package_path))) as package:
        told = json.loads(package.read(RESULT_NAME))
    spent = round(sum(stage.wall_ms for stage in stages), 3)
    told["metrics"] = {**told["metrics"], "processing_ms": spent, "stages": [one.model_dump() for one in stages]}
    return Success.model_validate(told)


def result_of(work: Work, name: str, image: bytes) -> Success:
    """All of the answer but its times."""
    envelope, shelf, record = work.envelope, work.shelf, work.record()
    rules = envelope.definition.fields
    pages = [] if record is None else [record]
    fields = map_fields(rules, pages)
    text = redacted(rules, page_text(record), secrets_of(rules, pages)) if record and envelope.options.text else None
    limit = work.around.limits.max_text_characters
    schema = envelope.portal_schema
    return Success(
        job_id=envelope.job_id,
        document_id=shelf.document_id,
        portal_schema=SchemaUsed(id=str(schema.id), name=schema.name, version=schema.version),
        quality_score=work.saved(Stage.QUALITY)["score"],
        warnings=list(_warnings(work, fields)),
        artifacts=Artifacts(
            raw_path=work.saved(Stage.FETCH)["path"],
            master_path=shelf.master_path,
            preview_path=shelf.derived_path(PREVIEW),
            package_path=shelf.package_path,
            image=MadeImage(
                name=name,
                content_type=TYPES[work.saved(Stage.SCHEMA)["format"]],
                bytes=len(image),
                sha256=hashlib.sha256(image).hexdigest(),
                width=envelope.definition.target_width,
                height=envelope.definition.target_height,
            ),
        ),
        rules=[RuleReport.model_validate(one) for one in work.saved(Stage.SCHEMA)["rules"]],
        fields=list(fields),
        text=None if text is None else text[:limit],
        text_truncated=text is not None and len(text) > limit,
        metrics=Metrics(ocr_confidence=work.saved(Stage.OCR)["confidence"], processing_ms=0, stages=[]),
    )


def clean(work: Work) -> None:
    """Raises as :class:`core.ports.BlobStore` does."""
    for name in ON_THE_WAY:
        work.shelf.delete(work.shelf.derived_path(name))


def _warnings(work: Work, fields: tuple[FieldResult, ...]) -> Iterator[Warned]:
    decoded = work.saved(Stage.DECODE)
    if decoded["format"] != work.envelope.input.mime_type.lower():
        yield Warned(code="MIME_TYPE_OTHER", value=decoded["format"])
    if decoded["pages"] > 1:
        yield Warned(code="FIRST_PAGE_ONLY", value=decoded["pages"])
    changes = work.saved(Stage.ENHANCE)["changes"]
    if changes:
        yield Warned(code="PICTURE_ENHANCED", value=", ".join(changes))
    yield from _of_page(decoded, work.record(), work.envelope.options.text)
    for code in work.saved(Stage.SCHEMA)["warnings"]:
        yield Warned(code=code)
    for field in fields:
        if field.required and field.status != "found":
            yield Warned(code=f"FIELD_{field.status.upper()}", value=field.name)


def _of_page(decoded: Mapping[str, Any], record: PageRecord | None, text_asked: bool) -> Iterator[Warned]:
    """What is told of the page as it was decoded, whoever it is for; and of its text, where it is a page with text.

    Print seems to be seen in the hair of many a portrait, and that it could not be read is of no use to who sent a
    photo. What was asked for by its fields is told as missing in any case.
    """
    told = [Warned(code=code, value=_rounded(value)) for code, value in decoded["warnings"]]
    is_document = decoded["format"] == Format.PDF or decoded["pages"] > 1
    if record is not None and (text_asked or is_document or _has_text(record)):
        told += [Warned(code=one.code.value, value=one.value) for one in record.warnings]
    yield from dict.fromkeys(told)


def _has_text(record: PageRecord) -> bool:
    """Whether anything was read that is not to be doubted, such as what a pattern is taken for."""
    return any(line.confidence >= DOUBTFUL_BELOW for line in record.lines)


def _rounded(value: float | str | None) -> float | str | None:
    """As a page's record has it."""
    return round(value, 4) if isinstance(value, float) else value


def _once(work: Work, what: str, path: str, data: bytes) -> Sealed:
    """Written, looked at and noted, unless an attempt before did all three."""
    checkpoint, phase = work.context.checkpoint, f"{Stage.UPLOAD}.{what}"
    sealed = Sealed(path, len(data), hashlib.sha256(data).hexdigest())
    if checkpoint.should_skip(phase):
        return sealed
    work.put(path, data)
    if not checkpoint.save(phase, validate_artifact=lambda: work.shelf.holds(sealed)):
        raise UploadFailed(f"the {what} is not in storage as it was written")
    return sealed


def _picture_path(work: Work) -> str:
    return str(work.saved(Stage.ENHANCE)["path"])


def _ending(work: Work) -> str:
    return ENDINGS[work.saved(Stage.SCHEMA)["format"]]
