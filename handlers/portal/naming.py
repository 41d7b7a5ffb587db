"""What a finished picture is called: the schema's pattern, filled in, of nothing but harmless characters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from handlers.portal.envelope import Envelope
from handlers.portal.paths import MAX_NAME

_HARMFUL = re.compile(r"[^A-Za-z0-9._-]+")
_PLACE = re.compile(r"\{(job_id|user_id|original|timestamp)\}")

NAMELESS = "document"


def safe_name(text: str, longest: int = MAX_NAME) -> str:
    """``text`` as :func:`handlers.portal.paths.check_name` takes it, with its ending where it is short."""
    name = _HARMFUL.sub("_", text.replace("\\", "/").rpartition("/")[2]).strip("._-")
    if len(name) > longest:
        stem, dot, ending = name.rpartition(".")
        keep = len(dot + ending) if 0 < len(ending) <= 8 and stem else 0
        name = name[: longest - keep] + name[len(name) - keep :]
    return name or NAMELESS


def picture_name(pattern: str, envelope: Envelope, milliseconds: int, ending: str) -> str:
    """``{original}`` is the document's own name without its ending, ``{timestamp}`` the time that the job was begun, as
    20260131T235959Z. Values are filled in once: a brace in one of them is no place for another. Where that comes to
    more than a name may have, the document's own name is cut: the others tell two pictures apart.
    """
    values = {
        "job_id": envelope.job_id,
        "user_id": envelope.user_id,
        "original": safe_name(PurePosixPath(envelope.input.original_filename.replace("\\", "/")).stem),
        "timestamp": datetime.fromtimestamp(milliseconds // 1_000, UTC).strftime("%Y%m%dT%H%M%SZ"),
    }
    longest = MAX_NAME - len(ending) - 1
    stem = _stem(pattern, values)
    times = pattern.count("{original}")
    if len(stem) > longest and times:
        over = -(-(len(stem) - longest) // times)
        stem = _stem(pattern, {**values, "original": values["original"][: max(1, len(values["original"]) - over)]})
    return f"{safe_name(stem, longest)}.{ending}"


def _stem(pattern: str, values: Mapping[str, str]) -> str:
    filled = _PLACE.sub(lambda place: values[place[1]], pattern)
    return re.sub(r"\.(jpe?g|png)$", "", safe_name(filled, 4 * MAX_NAME), flags=re.IGNORECASE)
