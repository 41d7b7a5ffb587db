"""The output package: other readers find in it what was packed, and the same entries are the same bytes."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handlers.portal.package
from core.errors import CapacityExceeded
from handlers.portal.errors import PackageEntryInvalid
from handlers.portal.package import BLOCK, write_package

Entries = Sequence[tuple[str, Sequence[bytes]]]

PHOTO: Entries = (("photo.jpg", [b"\xff\xd8" + bytes(range(256)) * 700]), ("result.json", [b"{}"]))


def package(entries: Entries) -> bytes:
    return b"".join(write_package(entries))


def unpacked(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        return [(name, file.read(name)) for name in file.namelist()]


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True), st.lists(st.binary(max_size=300))))
def test_what_is_packed_is_what_is_unpacked_in_its_order(entries: dict[str, list[bytes]]) -> None:
    assert unpacked(package(list(entries.items()))) == [(name, b"".join(found)) for name, found in entries.items()]


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_an_entry_of_any_length_is_whole(size: int) -> None:
    content = bytes(number % 251 for number in range(size))

    assert unpacked(package([("a", [content]), ("b", [b"behind"])])) == [("a", content), ("b", b"behind")]


def test_the_pieces_that_an_entry_came_in_leave_no_trace() -> None:
    content = bytes(range(256)) * 1_000

    cut = [content[start : start + 77] for start in range(0, len(content), 77)]

    assert package([("a", cut)]) == package([("a", [content])]) == package([("a", [b"", content, b""])])


def test_a_package_is_of_no_time_and_no_machine() -> None:
    with zipfile.ZipFile(io.BytesIO(package(PHOTO))) as file:
        found = file.infolist()

    assert {entry.date_time for entry in found} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in found} == {0o100644}
    assert zlib.crc32(package(PHOTO)) == 0x807AEE44


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_finds_nothing_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(package(PHOTO))

    done = subprocess.run(["unzip", "-t", tmp_path / "a.zip"], capture_output=True, text=True, check=False)

    assert (done.returncode, "No errors detected" in done.stdout) == (0, True), done.stdout


def test_a_reader_that_cannot_seek_finds_where_each_entry_ends() -> None:
    data = package(PHOTO)
    found = []
    while data.startswith(b"PK\x03\x04"):
        length = struct.unpack_from("<H", data, 26)[0]
        name, stream = data[30 : 30 + length], zlib.decompressobj(-15)
        content = stream.decompress(data[30 + length :])
        signature, crc, _, size = struct.unpack_from("<4s3I", stream.unused_data)
        assert (signature, crc, size) == (b"PK\x07\x08", zlib.crc32(content), len(content))
        found.append((name.decode(), content))
        data = stream.unused_data[16:]

    assert found == [(name, b"".join(pieces)) for name, pieces in PHOTO]


def test_more_entries_than_16_bits_count_are_all_there() -> None:
    data = package([(f"{number}", []) for number in range(65_600)])

    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert (len(file.namelist()), file.namelist()[-1]) == (65_600, "65599")


def test_what_lies_too_far_for_32_bits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 17 bits in the place of 32: the reader takes the wide field where the narrow one says that it is full."""
    content = [(f"{number}", [bytes([number]) * 70_000]) for number in range(6)]
    narrow = package(content)
    monkeypatch.setattr(handlers.portal.package, "_MOST_32", 0x1FFFF)

    wide = package(content)

    assert len(wide) > len(narrow)
    assert unpacked(wide.replace(struct.pack("<I", 0x1FFFF), struct.pack("<I", 0xFFFFFFFF))) == unpacked(narrow)


@pytest.mark.parametrize("name", ["", ".a", "-a", "a/b", "../a", "a\\b", "a\n", "a\x00", "ä", "x" * 129])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(PackageEntryInvalid):
        package([(name, [b""])])


def test_a_name_is_there_once_in_whatever_case() -> None:
    with pytest.raises(PackageEntryInvalid, match=r"photo\.JPG already"):
        package([("Photo.jpg", []), ("photo.JPG", [])])


def test_an_entry_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers.portal.package, "MAX_ENTRY", 100_000)

    assert package([("a", [bytes(100_000)])])
    with pytest.raises(CapacityExceeded):
        package([("a", [bytes(100_001)])])


def test_memory_is_that_of_a_piece() -> None:
    def content() -> Iterator[bytes]:
        yield from (bytes(100_000) for _ in range(300))

    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in write_package([("a", content()), ("b", content())]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size > 60_000_000
    assert peak < 2_000_000
