"""Bytes in pieces: bounded, and cut anew."""

from __future__ import annotations

from itertools import islice, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CapacityExceeded
from core.streams import bounded, in_blocks


@given(st.lists(st.binary(max_size=20)), st.integers(1, 12))
def test_blocks_are_the_same_bytes_each_full_but_the_last(pieces: list[bytes], size: int) -> None:
    blocks = list(in_blocks(pieces, size))

    assert b"".join(blocks) == b"".join(pieces)
    assert all(len(block) == size for block in blocks[:-1])
    assert all(0 < len(block) <= size for block in blocks[-1:])


def test_blocks_are_given_before_the_pieces_end() -> None:
    assert list(islice(in_blocks(repeat(b"abc"), 4), 3)) == [b"abca", b"bcab", b"cabc"]


def test_what_is_within_the_bound_passes_as_it_is() -> None:
    assert list(bounded([b"ab", b"", b"cd"], 4, "a thing")) == [b"ab", b"", b"cd"]


def test_over_the_bound_nothing_more_is_read() -> None:
    pieces = iter([b"ab", b"cd", b"ef"])

    with pytest.raises(CapacityExceeded, match="a thing: more than 3 bytes"):
        list(bounded(pieces, 3, "a thing"))

    assert list(pieces) == [b"ef"]
