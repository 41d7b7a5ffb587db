"""Storage paths: what is made is read back, what is read is what would be made, and anything else is refused."""

from __future__ import annotations

import uuid
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.blobnames import check_blob_name
from core.errors import InvalidInput
from handlers.portal.errors import StoragePathInvalid
from handlers.portal.paths import (
    MAX_MILLISECONDS,
    DerivedPath,
    DocumentId,
    IncomingPath,
    MasterPath,
    OutgoingPath,
    OutputPath,
    PlainPath,
    PortalJobId,
    RawPath,
    SealedPath,
    StoredPath,
    UserId,
    area,
    build,
    check_name,
    check_path,
    check_raw_path,
    check_sealed_path,
    derived_path,
    document_id_for,
    document_id_of,
    file_name,
    incoming_of,
    is_uuid4,
    job_id_of,
    master_path,
    outgoing_of,
    output_path,
    raw_path,
    user_id_of,
)

USER = UserId("0b1e5f3c-6a0d-4c57-8a3b-6f4b6f1d2c3a")
JOB = PortalJobId("9f1c2d3e-4b5a-4678-9abc-def012345678")
DOCUMENT = DocumentId("3c9d2f10-7e6b-4a21-b0c4-5d6e7f8091a2")

RAW = f"raw/{USER}/{JOB}/1700000000000_photo.jpg.enc"
MASTER = f"master/{USER}/{DOCUMENT}/{DOCUMENT}.enc"
OUTPUT = f"output/{USER}/{JOB}/1700000000000_output.zip.enc"

_LETTERS = "ABCXYZabcxyz0189_"
ids = st.uuids(version=4).map(str)
names = st.builds(str.__add__, st.sampled_from(_LETTERS), st.text(_LETTERS + ".-", max_size=127))
moments = st.integers(0, MAX_MILLISECONDS)
stamped_with_name = st.sampled_from([RawPath, DerivedPath, IncomingPath, OutgoingPath])
paths: st.SearchStrategy[StoredPath] = st.one_of(
    st.builds(lambda kind, *parts: kind(*parts), stamped_with_name, ids, ids, moments, names),
    st.builds(MasterPath, ids, ids),
    st.builds(OutputPath, ids, ids, moments),
)

HOSTILE = [
    "",
    "/",
    f"/{RAW}",
    f"{RAW}/",
    f"{RAW}\n",
    f"{RAW}\x00",
    f"\n{RAW}",
    RAW.replace("raw/", "raw//"),
    RAW.replace("raw/", "raw/../raw/"),
    RAW.replace("raw/", "RAW/"),
    RAW.replace("raw/", "./raw/"),
    RAW.replace("raw/", "other/"),
    RAW.replace("/", "\\"),
    RAW.upper(),
    RAW.replace(USER, USER.upper()),
    RAW.replace(USER, USER.replace("-", "")),
    RAW.replace(USER, "{" + USER + "}"),
    RAW.replace(USER, "urn:uuid:" + USER),
    RAW.replace(USER, ".."),
    RAW.replace(JOB, ""),
    RAW.replace("-4c57-", "-1c57-"),
    RAW.replace("-4c57-", "-5c57-"),
    RAW.replace("-8a3b-", "-0a3b-"),
    RAW.replace("-8a3b-", "-ca3b-"),
    RAW.replace("0b1e5f3c", "0b1e5f3\u0665"),
    RAW.replace("1700000000000", "01700000000000"),
    RAW.replace("1700000000000", "-1"),
    RAW.replace("1700000000000", "+1"),
    RAW.replace("1700000000000", "1e3"),
    RAW.replace("1700000000000", "\u0661"),
    RAW.replace("1700000000000", "10000000000000"),
    RAW.replace("1700000000000", ""),
    RAW.replace("photo.jpg", ""),
    RAW.replace("photo.jpg", ".photo"),
    RAW.replace("photo.jpg", "-photo"),
    RAW.replace("photo.jpg", ".."),
    RAW.replace("photo.jpg", "a/b"),
    RAW.replace("photo.jpg", "a b"),
    RAW.replace("photo.jpg", "a\n"),
    RAW.replace("photo.jpg", "a\r"),
    RAW.replace("photo.jpg", "a%2f"),
    RAW.replace("photo.jpg", "ä"),
    RAW.replace("photo.jpg", "x" * 129),
    RAW.removesuffix(".enc"),
    f"{RAW.removesuffix('.enc')}.ENC",
    f"{RAW.removesuffix('.enc')}.part",
    MASTER.replace(f"/{DOCUMENT}.enc", f"/{JOB}.enc"),
    MASTER.replace(".enc", ""),
    OUTPUT.replace("output.zip", "other.zip"),
    OUTPUT.replace(".zip", "_zip"),
    f"{RAW}.enc/x",
]


def test_each_path_is_as_it_is_promised() -> None:
    assert raw_path(USER, JOB, 1_700_000_000_000, "photo.jpg") == RAW
    assert master_path(USER, DOCUMENT) == MASTER
    assert output_path(USER, JOB, 1_700_000_000_000) == OUTPUT
    assert derived_path(USER, JOB, 0, "page.png") == f"derived/{USER}/{JOB}/0_page.png.enc"


@given(paths)
@example(RawPath(USER, JOB, 0, "a.enc"))
@example(RawPath(USER, JOB, 7, "1_2"))
@example(IncomingPath(USER, JOB, 0, "a.enc"))
@example(OutgoingPath(USER, DOCUMENT, 0, "a.part"))
@example(RawPath(USER, JOB, MAX_MILLISECONDS, "x" * 128))
def test_what_is_built_is_read_back(path: StoredPath) -> None:
    assert check_path(build(path)) == path


@given(paths)
def test_every_path_is_a_name_that_a_blob_may_have_in_the_area_of_its_kind(path: StoredPath) -> None:
    text = build(path)

    check_blob_name(text)
    assert text.startswith(area(type(path)))


@given(paths)
def test_what_ends_in_enc_is_sealed_and_nothing_else_is(path: StoredPath) -> None:
    assert build(path).endswith(".enc") is isinstance(path, get_args(SealedPath))
    assert isinstance(path, get_args(SealedPath)) is not isinstance(path, get_args(PlainPath))


@given(st.one_of(st.text(), paths.map(build)), st.text(max_size=3), st.integers(0, 300), st.integers(0, 3))
def test_what_is_accepted_would_be_built_just_so(text: str, put: str, at: int, cut: int) -> None:
    changed = text[:at] + put + text[at + cut :]
    try:
        found = check_path(changed)
    except StoragePathInvalid:
        return
    assert build(found) == changed


@pytest.mark.parametrize("text", HOSTILE)
def test_what_nobody_would_build_is_refused(text: str) -> None:
    with pytest.raises(StoragePathInvalid) as caught:
        check_path(text)

    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.code == "STORAGE_PATH_INVALID"


@given(st.uuids())
def test_an_id_is_a_version_4_uuid_of_the_variant_in_lower_case(found: uuid.UUID) -> None:
    assert is_uuid4(str(found)) is (found.version == 4 and found.variant == uuid.RFC_4122)
    assert not is_uuid4(f"{found}\n")
    assert not is_uuid4(found.hex)


@pytest.mark.parametrize("check", [user_id_of, job_id_of, document_id_of])
def test_an_id_is_given_back_or_refused(check: type[str]) -> None:
    assert check(USER) == USER
    for text in ("", "..", USER.upper(), f"{USER}\n", USER.replace("-4c57-", "-7c57-")):
        with pytest.raises(StoragePathInvalid):
            check(text)


@pytest.mark.parametrize("name", ["a", "_", "0", "A.b-c_d", "x" * 128, "a..b", "a.", "a-"])
def test_a_good_name_is_taken(name: str) -> None:
    assert check_name(name) == name
    assert check_path(raw_path(USER, JOB, 1, name)) == RawPath(USER, JOB, 1, name)


@pytest.mark.parametrize("milliseconds", [-1, MAX_MILLISECONDS + 1, True, 1.0])
def test_a_moment_that_cannot_be_is_refused(milliseconds: int) -> None:
    with pytest.raises(StoragePathInvalid):
        output_path(USER, JOB, milliseconds)


def test_parts_that_were_not_checked_build_nothing() -> None:
    for path in (
        RawPath(UserId(".."), JOB, 1, "a"),
        RawPath(USER, PortalJobId("../.."), 1, "a"),
        MasterPath(USER, DocumentId(f"{DOCUMENT}\n")),
        IncomingPath(USER, JOB, 1, "../a"),
    ):
        with pytest.raises(StoragePathInvalid):
            build(path)


def test_only_what_is_sealed_passes_where_that_is_asked_for() -> None:
    assert check_sealed_path(RAW) == check_raw_path(RAW) == RawPath(USER, JOB, 1_700_000_000_000, "photo.jpg")
    assert check_sealed_path(MASTER) == MasterPath(USER, DOCUMENT)
    incoming = build(incoming_of(check_raw_path(RAW)))
    for text in (incoming, "nothing"):
        with pytest.raises(StoragePathInvalid):
            check_sealed_path(text)
    for text in (MASTER, OUTPUT, incoming):
        with pytest.raises(StoragePathInvalid):
            check_raw_path(text)


def test_an_upload_waits_under_a_name_that_is_that_of_one_raw_path() -> None:
    raw = check_raw_path(RAW)

    assert build(incoming_of(raw)) == f"incoming/{USER}/{JOB}/1700000000000_photo.jpg.part"


def test_a_job_has_one_document_whoever_asks() -> None:
    assert document_id_for(JOB) == "3659194a-05e9-409e-a964-7754b70b099f"
    assert document_id_for(JOB) != document_id_for(PortalJobId(str(uuid.UUID(int=1, version=4))))
    assert is_uuid4(document_id_for(JOB))
    with pytest.raises(StoragePathInvalid):
        document_id_for(PortalJobId("1"))


def test_a_copy_lies_apart_for_each_path_and_each_end_of_a_link() -> None:
    sealed = [check_sealed_path(text) for text in (RAW, MASTER, OUTPUT, RAW.replace("photo", "other"))]

    copies = {build(outgoing_of(path, DOCUMENT, end)) for path in sealed for end in (1, 2)}

    assert len(copies) == 8
    assert all(text.startswith(f"outgoing/{USER}/{DOCUMENT}/") for text in copies)


def test_a_file_that_was_stored_has_a_name() -> None:
    names = [file_name(check_sealed_path(text)) for text in (RAW, MASTER, OUTPUT, derived_path(USER, JOB, 1, "a.png"))]

    assert names == ["photo.jpg", DOCUMENT, "output.zip", "a.png"]
