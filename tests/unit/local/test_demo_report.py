from __future__ import annotations

from typing import Any

import pytest

from local.client.records import EventLine, JobStatus
from local.demo_report import Picture, Times, differing_characters, pictures, report, text_file, times_of

TIMES = Times({"inspect": 0.25, "recognise": 1.2}, 1.5)


def result(**given: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"warnings": [], "artifacts": []}
    return {"text": "Dear reader", "text_truncated": False, "mean_confidence": 0.987, **empty, **given}


def event(sequence: int, kind: str, second: str, stage: int | None = None) -> EventLine:
    return EventLine(sequence=sequence, at=f"2030-01-01T00:00:{second}Z", kind=kind, stage=stage)


def test_the_report_has_the_text_the_confidence_and_the_times() -> None:
    lines = report(result(), TIMES).splitlines()
    assert lines[1:2] + lines[3:] == [
        "Dear reader",
        "Confidence  98.7% on average",
        "Time        inspect 0.25 s, recognise 1.20 s; 1.50 s in all",
    ]


def test_the_report_says_how_much_differs_from_a_known_text() -> None:
    text = report(result(text="Dear read3r"), TIMES, "Dear\nreader")
    assert "Accuracy    1 of 11 characters differ from what is printed (9.09%)" in text


def test_the_time_of_reading_is_told_apart_from_that_of_loading() -> None:
    text = report(result(recognise_seconds=0.756), TIMES)
    assert "Reading     0.76 s of that, without loading the engine" in text


def test_a_page_without_text_says_so() -> None:
    text = report(result(text="", mean_confidence=None), TIMES)
    assert "(no text was found)" in text
    assert "Confidence  none" in text


def test_warnings_and_the_files_of_the_document_are_told() -> None:
    warnings = [
        {"code": "SKEW_CORRECTED", "value": 1.5, "page": 2},
        {"code": "NO_TEXT", "value": None, "page": 3},
        {"code": "OUTPUT_NOT_MADE", "value": "searchable_pdf: DECODE_FAILED", "page": None},
    ]
    artifacts = [
        {"kind": "text", "name": "documents/j/text.txt", "bytes": 1234, "page": None},
        {"kind": "preview", "name": "documents/j/preview/0001.jpg", "bytes": 1, "page": 1},
    ]
    told = report(result(warnings=warnings, artifacts=artifacts), TIMES).splitlines()

    assert [line for line in told if line.startswith(("Warning", "Artifact"))] == [
        "Warning     SKEW_CORRECTED 1.5 on page 2",
        "Warning     NO_TEXT on page 3",
        "Warning     OUTPUT_NOT_MADE searchable_pdf: DECODE_FAILED",
        "Artifact    text.txt (1,234 bytes)",
    ]
    assert "Warnings    2 more" in report(result(warnings=warnings * 4), TIMES)


def test_a_cut_text_says_so() -> None:
    assert "Cut " in report(result(text_truncated=True), TIMES)


def test_a_stage_takes_from_its_start_to_its_end_and_the_job_from_its_submission() -> None:
    status = JobStatus.model_validate(
        {
            "job_id": "j",
            "run": 1,
            "job_type": "ocr_document",
            "status": "completed",
            "stages": [{"number": n, "name": name, "status": "completed"} for n, name in ((1, "inspect"), (2, "read"))],
        }
    )
    events = [
        event(1, "job_submitted", "00.0"),
        event(2, "stage_started", "00.5", 1),
        event(3, "task_started", "00.6", 1),
        event(4, "stage_ended", "01.25", 1),
        event(5, "stage_started", "02.0", 2),
        event(6, "stage_ended", "04.0", 2),
        event(7, "job_ended", "04.5"),
    ]
    assert times_of(status, events) == Times({"inspect": 0.75, "read": 2.0}, 4.5)


@pytest.mark.parametrize(
    ("read", "known", "distance"),
    [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("a  b\nc", "a b c", 0), ("ab", "ba", 2)],
)
def test_differing_characters(read: str, known: str, distance: int) -> None:
    assert differing_characters(read, known) == distance
    assert differing_characters(known, read) == distance


def test_the_pictures_and_the_text_are_found_among_the_artifacts() -> None:
    given = result(
        artifacts=[
            {"kind": "text", "name": "documents/j/text.txt", "page": None},
            {"kind": "preview", "name": "documents/j/1.jpg", "page": 1},
            {"kind": "preview", "name": "documents/j/2.png", "page": 2},
        ]
    )
    found = list(pictures(given))
    assert found == [Picture(1, "documents/j/1.jpg"), Picture(2, "documents/j/2.png")]
    assert [picture.suffix for picture in found] == [".jpg", ".png"]
    assert text_file(given) == "documents/j/text.txt"
    assert (list(pictures(result())), text_file(result())) == ([], None)
