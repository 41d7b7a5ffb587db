"""The stages: each takes what the ones before it made, and says what it made itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from handlers.document.engine import EngineChoice
from handlers.document.files import TextLayer, open_document
from handlers.document.reading import ReadingOptions
from handlers.document.records import layer_record, page_record
from handlers.document.source import UrlSource
from handlers.portal.codes import Stage
from handlers.portal.naming import safe_name
from handlers.portal.sealing import Sealed
from handlers.portal.upload import upload
from handlers.portal.work import ADAPTED, DECODED, ENHANCED, RECORD, Made, Work, missing, page_data, record_of


def fetch(work: Work) -> Made:
    """The document's bytes, which are kept sealed where they come from elsewhere."""
    asked = work.envelope.input
    if asked.raw_path is not None:
        data = work.file(asked.raw_path)
        return Made({"path": asked.raw_path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    assert asked.artifact_url is not None
    context = work.context
    data = work.around.sources.read(
        UrlSource(url=asked.artifact_url), context.blobs, context.job_id, lambda: context.should_stop
    )
    kept = work.put(work.shelf.raw_path(safe_name(asked.original_filename)), data)
    return Made({"path": kept.path, "bytes": kept.size, "sha256": kept.sha256}, (kept,))


def decode(work: Work) -> Made:
    """The first page's pixels, upright by what the file states, and the text that it brings along, where it is wanted.

    The only time that the document is decoded.
    """
    source = work.saved(Stage.FETCH)["path"]
    with open_document(work.file(source), work.around.limits) as file:
        layer = file.text_layer(1) if work.envelope.is_read else None
        page, info = file.pixels(1), file.info
    del work.files[source]  # which nobody needs any more, and may be large
    from handlers.portal.pixels import png_of  # noqa: PLC0415 - numpy and cv2 are the worker's alone

    kept = work.put(work.shelf.derived_path(DECODED), png_of(page.pixels))
    work.keep_decoded(page)
    told = {"format": info.format.value, "pages": len(info.pages)}
    record = () if layer is None else (_keep_layer(work, layer),)
    return Made({**page_data(page, kept.path), **told, "layer": bool(record)}, (kept, *record))


def _keep_layer(work: Work, layer: TextLayer) -> Sealed:
    from handlers.document.pdf.pdfium import reader  # noqa: PLC0415 - as above

    return work.put(work.shelf.derived_path(RECORD), layer_record(1, layer, reader()).model_dump_json().encode())


def quality(work: Work) -> Made:
    from handlers.portal.pixels import measured  # noqa: PLC0415 - as above

    score, measures = measured(work.decoded().pixels)
    return Made({"score": score, "measures": measures})


def enhance(work: Work) -> Made:
    """The picture, better where it can be made so; what it is made of, and what is read, is this."""
    from handlers.portal.pixels import improved, png_of  # noqa: PLC0415 - as above

    page = work.decoded()
    pixels, changes = improved(page.pixels)
    work.keep_finished(replace(page, pixels=pixels))
    if not changes:
        return Made({"path": work.saved(Stage.DECODE)["path"], "changes": []})
    kept = work.put(work.shelf.derived_path(ENHANCED), png_of(pixels))
    return Made({"path": kept.path, "changes": list(changes)}, (kept,))


def read(work: Work) -> Made:
    """The page's record, where the schema has fields or the text was asked for. What brings its text along is not read
    a second time.
    """
    if not work.envelope.is_read:
        return Made({"path": None, "confidence": None})
    if work.saved(Stage.DECODE).get("layer"):
        path = work.shelf.derived_path(RECORD)
        return Made({"path": path, "confidence": record_of(work.file(path)).mean_confidence})
    from handlers.document.reading.whole import read_whole  # noqa: PLC0415 - as above

    options, page = work.envelope.options, work.finished()
    engine = work.around.engine(EngineChoice(options.quality, options.languages))
    record = page_record(1, read_whole(engine, page.pixels, ReadingOptions(), page.dpi), page)
    kept = work.put(work.shelf.derived_path(RECORD), record.model_dump_json().encode())
    return Made({"path": kept.path, "confidence": record.mean_confidence}, (kept,))


def adapt_to_schema(work: Work) -> Made:
    """The file that meets every rule of the schema, and how it was measured."""
    made = work.around.adapt(work.finished().pixels, work.envelope.definition)
    kept = work.put(work.shelf.derived_path(ADAPTED), made.data)
    return Made(
        {
            "path": kept.path,
            "format": made.format,
            "rules": [
                {"rule": one.rule, "required": one.required, "measured": one.measured, "passed": one.passed}
                for one in made.report.checks
            ],
            "warnings": list(made.warnings),
        },
        (kept,),
    )


STAGES: Mapping[Stage, Callable[[Work], Made]] = {
    Stage.FETCH: fetch,
    Stage.DECODE: decode,
    Stage.QUALITY: quality,
    Stage.ENHANCE: enhance,
    Stage.OCR: read,
    Stage.SCHEMA: adapt_to_schema,
    Stage.UPLOAD: upload,
}
"""In the order in which they are done."""


def run(stage: Stage, work: Work) -> Made:
    """Raises what the stage does, and :class:`core.errors.DependencyMissing` for a package that is not there."""
    try:
        return STAGES[stage](work)
    except ImportError as error:
        raise missing(error) from error
