"""A document while it arrives: bounded, hashed, known by its first bytes, gone at the end."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest

from handlers.document.errors import DocumentTooLarge, UnsupportedFormat
from handlers.document.formats import FIRST_BYTES, Format
from infrastructure.web.errors import EmptyDocument, SpoolUnavailable
from infrastructure.web.spool import PIECE, Spool

PNG = b"\x89PNG\r\n\x1a\n"


class ShortDisk:
    """A raw file that takes ``most`` bytes a write, and none after ``room``."""

    def __init__(self, most: int, room: int) -> None:
        self.most, self.room = most, room
        self.data = bytearray()
        self.at = 0
        self.closed = False

    def write(self, data: Sequence[int]) -> int:
        taken = min(self.most, len(data), self.room - len(self.data))
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.data += bytes(data[:taken])
        return taken

    def seek(self, at: int) -> None:
        self.at = at

    def read(self, size: int) -> bytes:
        return bytes(self.data[self.at : self.at + size])

    def close(self) -> None:
        self.closed = True


def test_what_went_in_comes_out_with_its_digest_and_format() -> None:
    data = PNG + bytes(range(256)) * (PIECE // 128)
    spool = Spool(len(data))
    try:
        for start in range(0, len(data), 100_000):
            spool.add(data[start : start + 100_000])

        assert spool.finish() is Format.PNG
        assert spool.sha256 == hashlib.sha256(data).hexdigest()
        assert b"".join(spool.pieces()) == data
        assert b"".join(spool.pieces()) == data
        assert max(map(len, spool.pieces())) <= PIECE
    finally:
        spool.close()


def test_the_format_is_known_however_the_first_bytes_are_cut() -> None:
    spool = Spool(100)
    for byte in PNG:
        spool.add(bytes([byte]))

    assert spool.finish() is Format.PNG
    spool.close()


def test_a_document_of_another_kind_is_refused_at_its_first_bytes() -> None:
    spool = Spool(20_000)
    with pytest.raises(UnsupportedFormat):
        spool.add(b"no document" * FIRST_BYTES)
    spool.close()


def test_a_short_one_is_refused_at_its_end() -> None:
    spool = Spool(1_000)
    spool.add(b"%PDF")
    with pytest.raises(UnsupportedFormat):
        spool.finish()
    spool.close()


def test_the_first_byte_over_the_limit_is_refused_and_not_written() -> None:
    spool = Spool(len(PNG))
    spool.add(PNG)
    with pytest.raises(DocumentTooLarge):
        spool.add(b"x")

    assert b"".join(spool.pieces()) == PNG
    spool.close()


def test_an_empty_document_is_refused() -> None:
    with pytest.raises(EmptyDocument):
        Spool(10).finish()


def test_a_disk_that_takes_a_part_of_a_write_gets_the_rest_too() -> None:
    disk = ShortDisk(most=3, room=1_000)
    with mock.patch.object(tempfile, "TemporaryFile", return_value=disk):
        spool = Spool(1_000)
        spool.add(PNG * 5)

    assert b"".join(spool.pieces()) == PNG * 5


def test_a_full_disk_is_a_refusal_that_says_so() -> None:
    with mock.patch.object(tempfile, "TemporaryFile", return_value=ShortDisk(most=8, room=20)):
        spool = Spool(1_000)
        with pytest.raises(SpoolUnavailable, match="No space left"):
            spool.add(PNG * 5)


def test_a_folder_that_cannot_be_written_to_is_a_refusal(tmp_path: Path) -> None:
    with mock.patch.object(tempfile, "tempdir", str(tmp_path / "gone")), pytest.raises(SpoolUnavailable):
        Spool(1_000).add(PNG * 2)


def test_nothing_has_a_name_even_while_it_arrives(tmp_path: Path) -> None:
    with mock.patch.object(tempfile, "tempdir", str(tmp_path)):
        spool = Spool(1_000)
        spool.add(PNG * 5)

        assert list(tmp_path.iterdir()) == []
        spool.close()


def test_closing_ends_the_file() -> None:
    disk = ShortDisk(most=100, room=100)
    with mock.patch.object(tempfile, "TemporaryFile", return_value=disk):
        spool = Spool(1_000)
        spool.add(PNG * 2)
        spool.close()

    assert disk.closed
    Spool(10).close()
