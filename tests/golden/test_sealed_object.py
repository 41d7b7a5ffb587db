"""An object that was sealed by version 1 of the format opens for as long as that version is known."""

from __future__ import annotations

import base64

from handlers.portal.paths import raw_path
from testing.memory_blobs import MemoryBlobStore
from tests.support.sealed import JOB, OWNER, USER, sealed_store

VERSION_1 = (
    "Q01TRUFMRUQBAX4/M94Vn2QBBDIwMjYAKOLN7ilocbmR1TTU1+lCQ3z9kWGfzqn0FDhSAFnmQ2eG6YPM5UDTweWWkuJEVYECzVrB"
    "y3X5GQYerE2a0uZPnsD6kqvfNVfCY7/U2HWysUc1O+hkwNQ+AbaX4DCDhz82ydm39qv2Rr/Krd02Hl0+CQk="
)


def test_an_object_of_version_1_opens() -> None:
    blobs = MemoryBlobStore()
    path = raw_path(USER, JOB, 1, "photo.jpg")
    blobs.put(path, base64.b64decode(VERSION_1), "application/octet-stream")

    assert sealed_store(blobs).read(path, OWNER, 100) == b"what was sealed long ago"
