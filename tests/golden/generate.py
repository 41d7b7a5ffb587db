"""Writes the golden files. Run it only for a new message version or a changed handler: a reader in the field
still holds the old bytes, so files of a version that was released never change."""

from __future__ import annotations

import json
from pathlib import Path

from core.ids import JobId, TaskId
from core.messages import JobQueueMessage, QueueMessage, StageCompleteMessage, TaskQueueMessage
from handlers.hello_world import hello_world_handlers, hello_world_jobs

HERE = Path(__file__).parent
JOB = JobId("0123456789abcdef" * 4)

MESSAGES: dict[str, QueueMessage] = {
    "job": JobQueueMessage(job_id=JOB, run=1, job_type="hello_world"),
    "task": TaskQueueMessage(
        job_id=JOB,
        run=3,
        job_type="hello_world",
        stage=2,
        task_id=TaskId(f"{JOB}:3:2:reply-7"),
        task_type="hello_world_reply",
        attempt=4,
    ),
    "stage_complete": StageCompleteMessage(job_id=JOB, run=99_999, job_type="hello_world", stage=99),
}


def schemas() -> dict[str, object]:
    """What hello_world's handlers and job publish of themselves."""
    return {
        "handlers": [handler.schema() for handler in hello_world_handlers()],
        "jobs": [job.schema() for job in hello_world_jobs()],
    }


def main() -> None:
    for name, message in MESSAGES.items():
        (HERE / "v1" / f"{name}.json").write_bytes(message.encode())
    text = json.dumps(schemas(), indent=2, sort_keys=True)
    (HERE / "hello_world_schemas.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
