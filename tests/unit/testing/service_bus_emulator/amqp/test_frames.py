"""Frames are the same however their bytes are cut, and a size that lies ends the stream."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.service_bus_emulator.amqp.errors import FramingError
from testing.service_bus_emulator.amqp.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    Frame,
    FrameReader,
    write_frame,
)
from tests.unit.testing.service_bus_emulator.amqp.values import RELAXED

FRAMES = st.lists(st.builds(Frame, st.integers(0, 1), st.integers(0, 0xFFFF), st.binary(max_size=100)), max_size=10)


@RELAXED
@given(FRAMES, st.data())
def test_frames_are_the_same_however_their_bytes_are_cut(frames: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(write_frame(frame.channel, frame.body, frame.kind) for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader = FrameReader(512)

    found: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        found.extend(reader.frames())

    assert found == frames
    assert reader.pending == 0


def test_the_header_comes_before_frames_and_may_come_in_pieces() -> None:
    reader = FrameReader(512)
    reader.feed(AMQP_HEADER[:5])
    assert reader.header() is None
    reader.feed(AMQP_HEADER[5:] + EMPTY_FRAME)

    assert reader.header() == AMQP_HEADER
    assert reader.next() == Frame(0, 0, b"")


@pytest.mark.parametrize(
    ("size", "offset"), [(0, 2), (7, 2), (8, 1), (8, 3), (12, 0), (513, 2), (0xFFFF_FFFF, 2), (100, 26)]
)
def test_a_size_or_offset_that_no_frame_has_is_refused_before_its_bytes_come(size: int, offset: int) -> None:
    reader = FrameReader(512)
    reader.feed(struct.pack(">IBBH", size, offset, 0, 0))

    with pytest.raises(FramingError):
        reader.next()


def test_an_extended_header_is_passed_over() -> None:
    reader = FrameReader(512)
    reader.feed(struct.pack(">IBBH", 14, 3, 0, 5) + b"extrbd")

    assert reader.next() == Frame(0, 5, b"bd")


@RELAXED
@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_refused_and_no_more_than_a_frame_is_held(data: bytes) -> None:
    reader = FrameReader(64)
    reader.feed(data)
    try:
        list(reader.frames())
    except FramingError:
        return
    assert reader.pending < 64
