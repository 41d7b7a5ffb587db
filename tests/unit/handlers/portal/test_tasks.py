"""The task in the engine: what a job comes to, with the code of what went wrong, and what of that is tried again."""

from __future__ import annotations

from typing import Any

import pytest

from core.model import RunRecord, RunStatus
from core.ports import BlobStore
from handlers.document.errors import DecodeFailed, FetchFailed, FetchRefused, SourceNotFound
from handlers.portal.answer import Success
from handlers.portal.errors import SealedDamaged, SizeExceeded, UploadFailed
from handlers.portal.memory_schemas import MemoryPortalSchemas
from handlers.portal.registration import portal_handlers, portal_jobs
from testing.factories import Registries, create_test_harness
from tests.support.portal import Desk, payload


def run(desk: Desk, **changes: Any) -> tuple[RunRecord, int]:
    """The job's run when it has ended, and how often its task was tried."""
    schemas = MemoryPortalSchemas()
    registries = Registries.of(portal_jobs(lambda: schemas), portal_handlers(desk.around))
    harness, _ = create_test_harness(registries, blobs=desk.blobs)
    submitted = harness.submit("process_document", {**payload(), **changes})
    harness.drain(reraise=False)
    found = harness.state.load_run(submitted.job_id, 1)
    assert found is not None
    tasks = harness.state.get_state_snapshot()["tasks"]
    return found, max(task["attempt"] for task in tasks.values())


def test_a_job_ends_with_the_answer() -> None:
    found, attempts = run(Desk())

    assert (found.status, attempts) == (RunStatus.COMPLETED, 1)
    assert found.result_json is not None
    answer = Success.model_validate_json(found.result_json)
    assert answer.job_id == payload()["job_id"]
    assert answer.portal_schema.name == "NEET 2026"


def test_a_schema_may_be_named_alone() -> None:
    found, _ = run(Desk(), portal_schema={"name": "College Generic"})

    assert found.result_json is not None
    answer = Success.model_validate_json(found.result_json)
    assert (answer.portal_schema.name, answer.portal_schema.version) == ("College Generic", 1)
    assert (answer.artifacts.image.width, answer.artifacts.image.height) == (150, 200)


def raises(error: Exception) -> Any:
    def adapt(page: object, definition: object) -> Any:
        raise error

    return adapt


def opens_to_nobody(blobs: BlobStore) -> Any:
    class Damaged:
        def exists(self, path: str) -> bool:
            raise SealedDamaged("not as it was sealed")

    return Damaged()


@pytest.mark.parametrize(
    ("desk", "code"),
    [
        (Desk(answer=b"text"), "UNSUPPORTED_FORMAT"),
        (Desk(answer=SourceNotFound("gone")), "ARTIFACT_NOT_FOUND"),
        (Desk(answer=FetchRefused("the host answered 418")), "FETCH_FAILED"),
        (Desk(stores={"default": opens_to_nobody}), "FETCH_FAILED"),
        (Desk(adapt=raises(SizeExceeded("too large"))), "SIZE_EXCEEDED"),
        (Desk(adapt=raises(DecodeFailed("damaged"))), "DECODE_FAILED"),
        (Desk(adapt=raises(RuntimeError("a secret"))), "INTERNAL_ERROR"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_job_fails_with_the_code_of_its_document(desk: Desk, code: str) -> None:
    found, attempts = run(desk)

    assert found.status is RunStatus.FAILED
    assert found.error is not None
    assert (found.error.code, found.error.retryable, attempts) == (code, False, 1)
    assert "secret" not in found.error.message


@pytest.mark.parametrize(
    ("desk", "code"),
    [
        (Desk(adapt=raises(UploadFailed("away"))), "UPLOAD_FAILED"),
        (Desk(answer=FetchFailed("broken off")), "FETCH_FAILED"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_may_pass_is_tried_again(desk: Desk, code: str) -> None:
    found, attempts = run(desk)

    assert found.error is not None
    assert found.error.code == code
    assert attempts > 1
