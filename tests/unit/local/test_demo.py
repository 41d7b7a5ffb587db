from __future__ import annotations

from local.client.follow import Seen
from local.client.rates import UNKNOWN, Pace
from local.client.records import JobStatus
from local.demo import stage_rows


def test_each_stage_that_was_opened_has_a_bar_and_the_running_one_its_pace() -> None:
    stages = [
        {"number": 1, "name": "inspect", "status": "completed", "total": 1, "done": 1, "percent": 100.0},
        {"number": 2, "name": "read", "status": "running", "total": 4, "done": 1, "failed": 1, "percent": 25.0},
        {"number": 3, "name": "assemble", "status": "waiting"},
    ]
    status = JobStatus.model_validate(
        {"job_id": "j", "run": 1, "job_type": "ocr_document", "status": "processing", "stages": stages}
    )
    pace = Pace(2.0, 1.5)
    rows = list(stage_rows(Seen(status, pace)))

    assert [(row.name, row.state, row.percent, row.counts, row.ended, row.well) for row in rows] == [
        ("inspect", "completed", 100.0, "1/1", True, True),
        ("read", "running", 25.0, "1/4", False, False),
    ]
    assert [row.pace for row in rows] == [UNKNOWN, pace]
