"""What the kills of portals' documents call a fault, and how files of two jobs are compared."""

from __future__ import annotations

import io
import zipfile

import pytest

from benchmarks.kill_portal_truth import comparable, interrupted, repeated

NOTES = ["a begun FETCH", "a saved FETCH", "a begun DECODE", "b begun FETCH", "a put raw/x"]
ONE, OTHER = "0b7a4dd1-6c0a-4f0e-9d61-2b8f5d3f0a11", "7d9c1f60-93a4-4e44-8f2c-0c8f1c5a2b22"


def package(job: str, milliseconds: int, picture: bytes) -> dict[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as files:
        files.writestr(f"{job}_neet.jpg", picture)
        files.writestr("result.json", f'{{"job_id": "{job}", "path": "raw/{milliseconds}_photo.png.enc"}}')
    return {f"output/{job}/{milliseconds}_output.zip.enc": stream.getvalue()}


def test_a_stage_that_was_not_saved_may_be_begun_again() -> None:
    assert list(repeated([*NOTES, "a begun DECODE", "a saved DECODE"])) == []
    assert interrupted([*NOTES, "a begun DECODE"]) == {"DECODE": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [("a begun FETCH", "FETCH was begun again, which was done"), ("a put raw/x", "raw/x was stored again")],
)
def test_what_is_done_twice_is_a_fault(line: str, said: str) -> None:
    [found] = repeated([*NOTES, line])

    assert found == f"job a: {said}"


def test_files_of_two_jobs_are_the_same_but_for_ids_and_times() -> None:
    assert comparable(package(ONE, 1_700_000_000_000, b"x")) == comparable(package(OTHER, 1_700_000_009_999, b"x"))
    assert comparable(package(ONE, 1_700_000_000_000, b"x")) != comparable(package(OTHER, 1_700_000_000_000, b"y"))
