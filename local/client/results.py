"""A document's results on this disk. No name that the service gives becomes a part of a path."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from local.client.api import Api
from local.client.errors import ClientError, FileUnusable, ServiceNotReached
from local.client.records import Artifact
from local.client.text import printable

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
_ENDINGS = {
    "text": ".txt",
    "analyze_result": ".json",
    "markdown": ".md",
    "hocr": ".hocr.html",
    "alto": ".alto.xml",
    "searchable_pdf": ".searchable.pdf",
}


@dataclass(frozen=True, slots=True)
class Saved:
    """The files of one document, and what its result says of it; ``confidence`` is 0 to 1."""

    files: tuple[Path, ...]
    pages: int
    confidence: float | None
    warnings: tuple[str, ...]

    @property
    def text(self) -> Path | None:
        return next((file for file in self.files if file.suffix == ".txt"), None)


def output_names(files: Sequence[Path]) -> list[str]:
    """A name for the results of each file, all different: its stem, or its whole name, or that with a number."""
    stems = Counter(file.stem.casefold() for file in files)
    wanted = [file.stem if stems[file.stem.casefold()] == 1 else file.name for file in files]
    taken: set[str] = set()
    return [_free(name, taken) for name in wanted]


def save(api: Api, job_id: str, result: dict[str, Any], folder: Path, name: str) -> Saved:
    """Text, JSON and pictures, each whole or not there. Raises :class:`ClientError`."""
    artifacts = _artifacts(result)
    files = tuple(_saved(api, job_id, artifact, folder / file_name(name, artifact)) for artifact in artifacts)
    warnings = result.get("warnings")
    pages = result.get("pages")
    confidence = result.get("mean_confidence")
    return Saved(
        files,
        len(pages) if isinstance(pages, list) else 0,
        float(confidence) if isinstance(confidence, int | float) else None,
        tuple(_warning(found) for found in warnings) if isinstance(warnings, list) else (),
    )


def file_name(name: str, artifact: Artifact) -> str:
    """``scan.txt``, ``scan.json``, ``scan-0001.jpg``."""
    page = f"-{artifact.page:04}" if artifact.page is not None else ""
    suffix = _ENDINGS.get(artifact.kind) or _suffix(artifact.name)
    kind = "" if artifact.kind in (*_ENDINGS, "preview") else f"-{re.sub(r'[^A-Za-z0-9_]', '_', artifact.kind)[:40]}"
    return f"{name}{kind}{page}{suffix}"


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name}-{number}"
    taken.add(candidate.casefold())
    return candidate


def _artifacts(result: dict[str, Any]) -> list[Artifact]:
    try:
        return [Artifact.model_validate(found) for found in result.get("artifacts", [])]
    except (ValidationError, TypeError):
        raise ServiceNotReached("the result names its files in a way that this client does not know") from None


def _saved(api: Api, job_id: str, artifact: Artifact, path: Path) -> Path:
    try:
        written = api.file(job_id, artifact.name, partial(write_whole, path))
    except OSError as error:
        raise FileUnusable(f"{printable(path)} cannot be written: {error.strerror}") from error
    if artifact.bytes is not None and written != artifact.bytes:
        path.unlink(missing_ok=True)
        raise ClientError(f"{printable(path.name)} came with {written} bytes of {artifact.bytes}; ask for it again")
    return path


def write_whole(path: Path, pieces: Iterable[bytes]) -> int:
    """The number of bytes. The file appears when it is whole, in the place of an older one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            written = sum(file.write(piece) for piece in pieces)
        Path(partial).chmod(0o666 & ~_umask())
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return written


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _suffix(name: str) -> str:
    found = _SUFFIX.fullmatch(Path(name).suffix)
    return found[0].lower() if found else ".bin"


def _warning(found: object) -> str:
    if isinstance(found, dict):
        value = found.get("value")
        told = f"{found.get('code', 'WARNING')}" + (f" {value}" if value is not None else "")
        return told + (f" on page {found['page']}" if found.get("page") is not None else "")
    return str(found)
