"""The contract of :class:`core.ports.BlobStore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from core.errors import BlobConflict, BlobNameInvalid, BlobNotFound, CapacityExceeded
from core.ports import BlobStore

BAD_NAMES = (
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    ".hidden",
    "a/.hidden",
    "a b",
    "a\\b",
    "a\n",
    "a\x00b",
    "ä",
    "a?b",
    "C:/a",
    "x" * 513,
    "a.",
    "a./b",
    "/".join("a" * 255),
)

MIB = 1024 * 1024


class ReadingFailed(Exception):
    """What a source of pieces may raise."""


def failing(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    raise ReadingFailed


def pattern(size: int, seed: int = 0) -> bytes:
    """``size`` bytes, no two MiB of which are alike."""
    return b"".join(bytes([(seed + number) % 251]) * MIB for number in range(size // MIB + 1))[:size]


class BlobStoreContract:
    """Override ``blobs`` to give an empty store."""

    @pytest.fixture
    def blobs(self) -> BlobStore:
        raise NotImplementedError

    def test_what_was_put_is_there_with_its_size_and_type(self, blobs: BlobStore) -> None:
        blobs.put("a/b.png", b"\x00\xff\r\n", "image/png")

        assert blobs.get("a/b.png") == b"\x00\xff\r\n"
        assert (blobs.size("a/b.png"), blobs.content_type("a/b.png")) == (4, "image/png")

    def test_nothing_is_a_blob_too(self, blobs: BlobStore) -> None:
        blobs.put("empty", b"", "text/plain")

        assert (blobs.get("empty"), blobs.size("empty")) == (b"", 0)

    def test_putting_again_replaces_it_whole(self, blobs: BlobStore) -> None:
        blobs.put("a", b"a long text", "text/plain")
        blobs.put("a", b"short", "application/json")

        assert (blobs.get("a"), blobs.size("a"), blobs.content_type("a")) == (b"short", 5, "application/json")

    def test_a_blob_is_a_copy_of_what_was_given(self, blobs: BlobStore) -> None:
        data = bytearray(b"before")
        blobs.put("a", bytes(data), "text/plain")
        data[:] = b"after!"

        assert blobs.get("a") == b"before"

    def test_a_blob_that_is_not_there_is_not_found(self, blobs: BlobStore) -> None:
        for read in (blobs.get, blobs.get_stream, blobs.size, blobs.content_type):
            with pytest.raises(BlobNotFound):
                read("nobody")

    def test_a_deleted_blob_is_gone_and_deleting_again_is_no_error(self, blobs: BlobStore) -> None:
        blobs.put("a", b"1", "text/plain")

        blobs.delete("a")
        blobs.delete("a")

        with pytest.raises(BlobNotFound):
            blobs.get("a")
        assert list(blobs.names("")) == []

    def test_names_are_sorted_and_those_of_the_prefix(self, blobs: BlobStore) -> None:
        for name in ("b/2", "a/10", "a/1", "ab", "a/1/x"):
            blobs.put(name, b"", "text/plain")

        assert list(blobs.names("a/")) == ["a/1", "a/1/x", "a/10"]
        assert list(blobs.names("a")) == ["a/1", "a/1/x", "a/10", "ab"]
        assert list(blobs.names("")) == ["a/1", "a/1/x", "a/10", "ab", "b/2"]
        for prefix in ("nobody", "a\x00", "\ud800", "ä", "a?", "%61", " "):
            assert list(blobs.names(prefix)) == []

    def test_blobs_may_be_deleted_while_their_names_are_read(self, blobs: BlobStore) -> None:
        for name in ("a", "b", "c"):
            blobs.put(name, b"", "text/plain")

        for name in blobs.names(""):
            blobs.delete(name)

        assert list(blobs.names("")) == []

    def test_a_stream_is_put_whole_in_pieces_of_any_length(self, blobs: BlobStore) -> None:
        data = pattern(9 * MIB + 7)
        lengths = (1, 0, 5 * MIB, MIB - 1, 3 * MIB, 7)
        ends = [sum(lengths[: number + 1]) for number in range(len(lengths))]
        pieces = [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]

        size = blobs.put_stream("a/b", iter(pieces), "application/pdf", len(data))

        assert size == len(data) == blobs.size("a/b")
        assert (blobs.get("a/b") == data, blobs.content_type("a/b")) == (True, "application/pdf")

    def test_a_stream_of_nothing_is_an_empty_blob(self, blobs: BlobStore) -> None:
        for pieces in ([], [b"", b""]):
            assert blobs.put_stream("empty", pieces, "text/plain", 0) == 0
            assert (blobs.get("empty"), list(blobs.get_stream("empty"))) == (b"", [])

    def test_a_stream_may_be_exactly_as_long_as_it_may_be(self, blobs: BlobStore) -> None:
        for size in (4, 4 * MIB, 8 * MIB):
            blobs.put_stream("a", [pattern(size)], "text/plain", size)
            assert blobs.size("a") == size

    def test_a_stream_over_its_bound_leaves_what_was_there_and_is_not_read_on(self, blobs: BlobStore) -> None:
        blobs.put("a", b"before", "text/plain")
        pieces = iter([b"x" * MIB] * 12)

        for name in ("a", "new"):
            with pytest.raises(CapacityExceeded):
                blobs.put_stream(name, pieces, "image/png", 4 * MIB + MIB // 2)

        assert len(list(pieces)) == 2
        assert (blobs.get("a"), blobs.content_type("a"), list(blobs.names(""))) == (b"before", "text/plain", ["a"])

    def test_a_source_that_fails_leaves_what_was_there(self, blobs: BlobStore) -> None:
        blobs.put("a", b"before", "text/plain")

        for name in ("a", "new"):
            with pytest.raises(ReadingFailed):
                blobs.put_stream(name, failing(b"x" * (5 * MIB), b"y"), "image/png", 100 * MIB)

        assert (blobs.get("a"), list(blobs.names(""))) == (b"before", ["a"])

    def test_two_streams_to_one_name_end_in_one_of_them(self, blobs: BlobStore) -> None:
        first, second = pattern(14 * MIB), pattern(14 * MIB, seed=100)

        def pieces() -> Iterator[bytes]:
            yield first[: 9 * MIB]
            blobs.put_stream("a", [second], "text/plain", 14 * MIB)
            yield first[9 * MIB :]

        with suppress(BlobConflict):
            blobs.put_stream("a", pieces(), "text/plain", 14 * MIB)

        assert blobs.get("a") in (first, second)

    def test_what_is_new_is_put_whole(self, blobs: BlobStore) -> None:
        for name, size in (("small", 7), ("empty", 0), ("large", 9 * MIB + 7)):
            data = pattern(size)

            assert blobs.put_new(name, [data[:5], data[5:]], "application/pdf", size) == size

            assert (blobs.get(name) == data, blobs.content_type(name)) == (True, "application/pdf")

    def test_what_is_there_is_not_replaced_by_what_is_new(self, blobs: BlobStore) -> None:
        blobs.put("a", b"before", "text/plain")

        for size in (0, 7, 9 * MIB):
            with pytest.raises(BlobConflict):
                blobs.put_new("a", [pattern(size)], "image/png", 10 * MIB)

        assert (blobs.get("a"), blobs.content_type("a")) == (b"before", "text/plain")

    def test_of_two_that_are_new_at_once_the_first_to_end_stays(self, blobs: BlobStore) -> None:
        for size in (7, 9 * MIB):
            name = f"of-{size}"

            def pieces(name: str, size: int) -> Iterator[bytes]:
                yield pattern(size)
                blobs.put_new(name, [b"the other"], "text/plain", 10 * MIB)

            with pytest.raises(BlobConflict):
                blobs.put_new(name, pieces(name, size), "text/plain", 10 * MIB)

            assert blobs.get(name) == b"the other"

    def test_what_was_deleted_may_be_new_again(self, blobs: BlobStore) -> None:
        blobs.put("a", b"before", "text/plain")
        blobs.delete("a")

        blobs.put_new("a", [b"after"], "text/plain", 10)

        assert blobs.get("a") == b"after"

    def test_a_blob_is_read_in_small_pieces(self, blobs: BlobStore) -> None:
        data = pattern(9 * MIB + 1)
        blobs.put("a", data, "text/plain")

        pieces = list(blobs.get_stream("a"))

        assert b"".join(pieces) == data
        assert all(0 < len(piece) <= 4 * MIB for piece in pieces)

    def test_a_blob_replaced_while_it_is_read_is_never_a_mixture(self, blobs: BlobStore) -> None:
        data = pattern(9 * MIB)
        blobs.put("a", data, "text/plain")
        stream = blobs.get_stream("a")
        read = next(stream)

        blobs.put("a", pattern(9 * MIB, seed=100), "text/plain")
        with suppress(BlobConflict):
            read += b"".join(stream)

        assert data.startswith(read)
        assert len(read) in (9 * MIB, 4 * MIB)

    def test_a_blob_deleted_while_it_is_read_ends_or_says_so(self, blobs: BlobStore) -> None:
        data = pattern(9 * MIB)
        blobs.put("a", data, "text/plain")
        stream = blobs.get_stream("a")
        read = next(stream)

        blobs.delete("a")
        with suppress(BlobNotFound, BlobConflict):
            read += b"".join(stream)

        assert data.startswith(read)
        assert len(read) in (9 * MIB, 4 * MIB)

    def test_good_names_are_taken(self, blobs: BlobStore) -> None:
        deep = "/".join("a" * 254)
        for name in ("a", "A-Z_0.9", "runs/" + "0" * 64 + "/1/page-0001.json", "x" * 512, "-", "_", "a..b", deep):
            blobs.put(name, name.encode(), "text/plain")
            assert blobs.get(name) == name.encode()

    def test_bad_names_are_refused_everywhere_and_nothing_is_written(self, blobs: BlobStore) -> None:
        for name in BAD_NAMES:
            with pytest.raises(BlobNameInvalid):
                blobs.put(name, b"", "text/plain")
            with pytest.raises(BlobNameInvalid):
                blobs.put_stream(name, [], "text/plain", 0)
            with pytest.raises(BlobNameInvalid):
                blobs.put_new(name, [], "text/plain", 0)
            for use in (blobs.get, blobs.get_stream, blobs.size, blobs.content_type, blobs.delete):
                with pytest.raises(BlobNameInvalid):
                    use(name)
        assert list(blobs.names("")) == []
