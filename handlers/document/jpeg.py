"""What a JPEG costs to decode, by its markers (ITU-T T.81, annex B), counted before anything is decoded."""

from __future__ import annotations

import re
import struct

from handlers.document.errors import DecodeFailed

MAX_SCANS = 100
"""Each scan of a progressive JPEG is one more pass over the whole picture, and one of a few bytes costs as much as
any: a file of 100 KB keeps the decoder busy for as long as its author likes, and a decoder cannot be interrupted.
Encoders write about ten. 100 is libtiff's own limit for the JPEG data of a TIFF; libjpeg-turbo's fuzzers stop at
500."""

MAX_SEGMENTS = 20_000
"""Segments are read one by one in Python, here and in Pillow. A document of 64 MiB in the longest possible segments
has 1,024."""

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Not among them: a stuffed 0xFF of entropy-coded data, fill bytes, and restart markers, which have no segment."""

_START, _END, _SCAN, _TEMPORARY = 0xD8, 0xD9, 0xDA, 0x01


def check_jpeg_markers(data: bytes) -> None:
    """Walk the segments up to the end of the image. Raises :class:`DecodeFailed` above either limit.

    Linear in bytes. What is damaged otherwise is left to the decoder, which skips to the next marker as this does.
    """
    scans = position = 0
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.search(data, position)
        if marker is None or data[marker.end() - 1] == _END:
            return
        kind, position = data[marker.end() - 1], marker.end()
        if kind in (_START, _TEMPORARY):
            continue
        scans += kind == _SCAN
        if scans > MAX_SCANS:
            raise DecodeFailed(f"the JPEG has more than {MAX_SCANS} scans", limit=MAX_SCANS)
        if position + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, position)
        position += length
    raise DecodeFailed(f"the JPEG has more than {MAX_SEGMENTS} segments", limit=MAX_SEGMENTS)
