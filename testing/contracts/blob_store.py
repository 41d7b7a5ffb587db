"""The contract of :class:`core.ports.BlobStore`."""

from __future__ import annotations

import pytest

from core.errors import BlobNameInvalid, BlobNotFound
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
)


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
        for read in (blobs.get, blobs.size, blobs.content_type):
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
        assert list(blobs.names("nobody")) == []

    def test_blobs_may_be_deleted_while_their_names_are_read(self, blobs: BlobStore) -> None:
        for name in ("a", "b", "c"):
            blobs.put(name, b"", "text/plain")

        for name in blobs.names(""):
            blobs.delete(name)

        assert list(blobs.names("")) == []

    def test_good_names_are_taken(self, blobs: BlobStore) -> None:
        for name in ("a", "A-Z_0.9", "runs/" + "0" * 64 + "/1/page-0001.json", "x" * 512, "-", "_"):
            blobs.put(name, name.encode(), "text/plain")
            assert blobs.get(name) == name.encode()

    def test_bad_names_are_refused_everywhere_and_nothing_is_written(self, blobs: BlobStore) -> None:
        for name in BAD_NAMES:
            with pytest.raises(BlobNameInvalid):
                blobs.put(name, b"", "text/plain")
            for use in (blobs.get, blobs.size, blobs.content_type, blobs.delete):
                with pytest.raises(BlobNameInvalid):
                    use(name)
        assert list(blobs.names("")) == []
