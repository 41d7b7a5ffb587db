"""Frames through a real pipe."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from core.errors import CapacityExceeded
from docker_worker.child.channel import FrameInvalid, framed, read_frame, write_whole


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


@pytest.mark.parametrize("size", [0, 1, 4, 100_000, 3 * 1024 * 1024])
def test_a_frame_comes_out_as_it_went_in(pipe: tuple[int, int], size: int) -> None:
    body = os.urandom(size)
    writer = threading.Thread(target=write_whole, args=(pipe[1], framed(body) + framed(b"next")))
    writer.start()

    assert read_frame(pipe[0]) == body
    assert read_frame(pipe[0]) == b"next"
    writer.join()


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\0\5half"])
def test_the_end_within_a_frame_is_the_end(pipe: tuple[int, int], sent: bytes) -> None:
    write_whole(pipe[1], sent)
    os.close(pipe[1])

    assert read_frame(pipe[0]) is None


def test_a_frame_that_says_it_is_too_large_is_refused_before_it_is_read(pipe: tuple[int, int]) -> None:
    write_whole(pipe[1], b"\0\0\0\x65")

    with pytest.raises(FrameInvalid):
        read_frame(pipe[0], limit=100)


def test_too_large_a_frame_is_not_made() -> None:
    assert len(framed(b"x" * 100, limit=100)) == 104
    with pytest.raises(CapacityExceeded):
        framed(b"x" * 101, limit=100)
