from __future__ import annotations

import base64
import json
import os
import socket
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from core.errors import BlobNameInvalid
from core.ids import JobId
from handlers.document.errors import DocumentTooLarge, SourceNotAllowed, SourceNotFound
from handlers.document.parameters import OcrDocumentParameters
from handlers.document.source import (
    BlobSource,
    ContentSource,
    PathSource,
    Source,
    SourceReader,
    stored_source,
    uploaded_source,
)
from testing.memory_blobs import MemoryBlobStore
from tests.support.documents import JOB, OTHER_JOB

PARSER: TypeAdapter[Source] = TypeAdapter(Source)


def read(source: Source, *roots: Path, max_bytes: int = 1_000, blobs: MemoryBlobStore | None = None) -> bytes:
    return SourceReader(roots, max_bytes).read(source, blobs or MemoryBlobStore(), JOB)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "page.png").write_bytes(b"a page")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"content_base64": "YQ=="}, ContentSource), ({"blob": "a/b"}, BlobSource), ({"path": "p.png"}, PathSource)],
)
def test_a_source_is_one_of_three_kinds_and_survives_json(value: dict[str, str], kind: type) -> None:
    source = PARSER.validate_python(value)

    assert isinstance(source, kind)
    assert PARSER.validate_json(PARSER.dump_json(source)) == source


@pytest.mark.parametrize(
    "value",
    [{}, {"blob": "a", "path": "b"}, {"url": ""}, "page.png", None, [], {"blob": "a", "colour": "red"}, {"path": ""}],
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        PARSER.validate_python(value)


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ({"path": ""}, ("source", "path")),
        ({"blob": 1}, ("source", "blob")),
        ({"content_base64": "@"}, ("source", "content_base64")),
        ({}, ("source",)),
        ("page.png", ("source",)),
    ],
)
def test_an_error_is_placed_where_the_client_wrote(source: object, place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        OcrDocumentParameters.model_validate({"source": source})
    with pytest.raises(ValidationError) as from_json:
        OcrDocumentParameters.model_validate_json(json.dumps({"source": source}))

    assert [error["loc"] for error in caught.value.errors()] == [place]
    assert [error["loc"] for error in from_json.value.errors()] == [place]


@pytest.mark.parametrize("text", ["@@@@", "YQ", "YQ==\nYQ==", "éé=="])
def test_content_that_is_not_base64_is_refused_and_not_repeated_in_the_error(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        OcrDocumentParameters.model_validate({"source": {"content_base64": text}})

    assert text not in str(caught.value)


def test_content_is_decoded() -> None:
    assert read(ContentSource(content_base64=base64.b64encode(b"bytes").decode())) == b"bytes"


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_content_over_the_limit_is_refused(extra: int) -> None:
    fits, over = (base64.b64encode(bytes(size)).decode() for size in (100, 100 + extra))

    assert read(ContentSource(content_base64=fits), max_bytes=100) == bytes(100)
    with pytest.raises(DocumentTooLarge):
        read(ContentSource(content_base64=over), max_bytes=100)


def test_a_blob_is_read_by_name() -> None:
    blobs = MemoryBlobStore()
    blobs.put("inbox/page.png", b"a page", "image/png")

    assert read(BlobSource(blob="inbox/page.png"), blobs=blobs) == b"a page"


def test_a_blob_that_is_missing_too_large_or_misnamed_is_refused() -> None:
    blobs = MemoryBlobStore()
    blobs.put("large", bytes(1_001), "image/png")

    with pytest.raises(SourceNotFound):
        read(BlobSource(blob="missing"), blobs=blobs)
    with pytest.raises(DocumentTooLarge):
        read(BlobSource(blob="large"), blobs=blobs)
    with pytest.raises(BlobNameInvalid):
        read(BlobSource(blob="../etc/passwd"), blobs=blobs)


def test_a_job_reads_its_own_area_and_no_other_jobs() -> None:
    blobs = MemoryBlobStore()
    for job in (JOB, OTHER_JOB):
        blobs.put(f"documents/{job}/source", b"a page", "image/png")

    assert read(BlobSource(blob=f"documents/{JOB}/source"), blobs=blobs) == b"a page"
    with pytest.raises(SourceNotAllowed):
        read(BlobSource(blob=f"documents/{OTHER_JOB}/source"), blobs=blobs)
    with pytest.raises(SourceNotAllowed):
        read(BlobSource(blob="documents/anything"), blobs=blobs)


def test_a_path_starts_at_the_first_root_or_is_absolute_under_any(inbox: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "other.png").write_bytes(b"other")

    assert read(PathSource(path="page.png"), inbox, second) == b"a page"
    assert read(PathSource(path=str(second / "other.png")), inbox, second) == b"other"
    with pytest.raises(SourceNotFound):
        read(PathSource(path="other.png"), inbox, second)


def test_paths_are_refused_without_roots(inbox: Path) -> None:
    with pytest.raises(SourceNotAllowed):
        read(PathSource(path=str(inbox / "page.png")))


@pytest.mark.parametrize("path", ["../secret.png", "../inbox/../secret.png", "/etc/hostname", "..", "../missing"])
def test_a_path_outside_the_roots_is_refused_whether_it_is_there_or_not(inbox: Path, path: str) -> None:
    with pytest.raises(SourceNotAllowed):
        read(PathSource(path=path), inbox)


def test_a_folder_whose_name_only_starts_like_a_root_is_outside(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "inbox2").mkdir()
    (tmp_path / "inbox2" / "page.png").write_bytes(b"x")

    with pytest.raises(SourceNotAllowed):
        read(PathSource(path="../inbox2/page.png"), inbox)


def test_a_link_is_followed_and_then_judged(inbox: Path, tmp_path: Path) -> None:
    (inbox / "inside.png").symlink_to(inbox / "page.png")
    (inbox / "outside.png").symlink_to(tmp_path / "secret.png")
    (inbox / "folder").symlink_to(tmp_path)

    assert read(PathSource(path="inside.png"), inbox) == b"a page"
    for path in ("outside.png", "folder/secret.png"):
        with pytest.raises(SourceNotAllowed):
            read(PathSource(path=path), inbox)


@pytest.mark.parametrize("path", ["missing.png", "page.png/inside", "nul\0byte", "x" * 4_000, "loop"])
def test_what_is_not_there_is_not_found(inbox: Path, path: str) -> None:
    (inbox / "loop").symlink_to(inbox / "loop")

    with pytest.raises((SourceNotFound, SourceNotAllowed)) as caught:
        read(PathSource(path=path), inbox)

    assert path == "loop" or caught.type is SourceNotFound


def test_only_regular_files_are_read(inbox: Path) -> None:
    (inbox / "folder").mkdir()
    os.mkfifo(inbox / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(inbox / "s"))
        for path in ("folder", "fifo", "."):
            with pytest.raises(SourceNotAllowed):
                read(PathSource(path=path), inbox)
        with pytest.raises((SourceNotAllowed, SourceNotFound)):
            read(PathSource(path="s"), inbox)


def test_devices_are_not_read() -> None:
    with pytest.raises(SourceNotAllowed):
        read(PathSource(path="zero"), Path("/dev"))


def test_a_file_over_the_limit_is_refused(inbox: Path) -> None:
    assert read(PathSource(path="page.png"), inbox, max_bytes=6) == b"a page"
    with pytest.raises(DocumentTooLarge):
        read(PathSource(path="page.png"), inbox, max_bytes=5)


def test_a_file_that_grows_while_it_is_read_stays_within_the_limit(inbox: Path) -> None:
    """Files in /proc say that they are empty and are not."""
    with pytest.raises(DocumentTooLarge):
        read(PathSource(path="cpuinfo"), Path("/proc"), max_bytes=5)


def test_later_stages_read_a_copy_unless_it_is_a_blob() -> None:
    job = JobId("ef" * 32)

    assert stored_source(BlobSource(blob="inbox/a"), job) == BlobSource(blob="inbox/a")
    assert stored_source(PathSource(path="a"), job) == BlobSource(blob=f"documents/{job}/source")
    assert stored_source(ContentSource(content_base64="YQ=="), job) == BlobSource(blob=f"documents/{job}/source")


def test_an_upload_is_read_by_whatever_job_names_it_and_stays_where_it_is() -> None:
    source = uploaded_source("ab" * 32)
    blobs = MemoryBlobStore()
    blobs.put(source.blob, b"a page", "image/png")

    assert [SourceReader().read(source, blobs, job) for job in (JOB, OTHER_JOB)] == [b"a page", b"a page"]
    assert stored_source(source, JOB) == source
