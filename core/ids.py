"""Identifiers: what they are made of, and how long they may become.

A job id is the SHA-256 of a job's content, so that submitting is idempotent. A task id names
its run and stage, so that it is unique without a lookup, and a message id adds the attempt.
Service Bus accepts message ids of at most 128 characters and, with duplicate detection on,
silently drops a repeated one. The messages that wake no task have a part there that no task name may be.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import NewType, cast

from core.errors import InvalidIdentifier

JobId = NewType("JobId", str)
TaskId = NewType("TaskId", str)
WorkerId = NewType("WorkerId", str)

MAX_MESSAGE_ID = 128
MAX_TASK_NAME = 40
MAX_RUN = 99_999
MAX_STAGE = 99
MAX_ATTEMPT = 9_999

_JOB_ID = re.compile(r"[0-9a-f]{64}")
_TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_is_task_name = _TASK_NAME.fullmatch
_STAGE_AND_NAME = re.compile(r"[1-9][0-9]?:" + _TASK_NAME.pattern)
_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def job_id_for(job_type: str, parameters: Mapping[str, object], tenant: str, salt: str = "") -> JobId:
    """The content key of a job: SHA-256 over canonical JSON, 64 lower-case hex digits.

    ``salt`` is the caller's idempotency key where one is given, so that the same content can be
    submitted twice on purpose. ``parameters`` must be JSON values.
    """
    content = {"job_type": job_type, "parameters": parameters, "tenant": tenant}
    if salt:
        content["idempotency_key"] = salt
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return JobId(hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest())


def is_job_id(text: str) -> bool:
    """Whether ``text`` is 64 lower-case hex digits."""
    return _JOB_ID.fullmatch(text) is not None


def parse_job_id(text: str) -> JobId:
    """Raises :class:`InvalidIdentifier` unless ``text`` is 64 lower-case hex digits."""
    if not is_job_id(text):
        raise InvalidIdentifier("a job id is 64 lower-case hexadecimal digits")
    return JobId(text)


def task_id_for(job_id: JobId, run: int, stage: int, name: str) -> TaskId:
    """``job:run:stage:name``. Raises :class:`InvalidIdentifier` for a name outside ``[A-Za-z0-9_.-]{1,40}``."""
    return task_id_under(f"{job_id}:{run}:{stage}:", name)


def task_id_under(prefix: str, name: str) -> TaskId:
    """:func:`task_id_for` with its first part made before, for the many tasks of a stage."""
    if not _is_task_name(name):
        raise InvalidIdentifier(
            f"task name {name[:60]!r}: 1 to {MAX_TASK_NAME} of A-Z a-z 0-9 _ . - starting with a letter or digit"
        )
    return cast("TaskId", prefix + name)


def is_task_id_of(text: str, job_id: JobId, run: int) -> bool:
    """Whether ``text`` may be the id of a task of this run."""
    prefix = f"{job_id}:{run}:"
    return text.startswith(prefix) and _STAGE_AND_NAME.fullmatch(text, len(prefix)) is not None


def task_message_id(task_id: TaskId, attempt: int) -> str:
    return f"{task_id}:{attempt}"


def job_message_id(job_id: JobId, run: int) -> str:
    return f"{job_id}:{run}:0:-job:1"


def stage_complete_message_id(job_id: JobId, run: int, stage: int) -> str:
    return f"{job_id}:{run}:{stage}:-stage_complete:1"


def bounded_message_id(message_id: str, suffix: str = "") -> str:
    """``message_id`` with ``suffix``, at most 128 characters: of what is longer, the end is in a digest."""
    if len(message_id) + len(suffix) > MAX_MESSAGE_ID:
        suffix = f":{hashlib.sha256(message_id.encode()).hexdigest()[:16]}{suffix}"
    return message_id[: MAX_MESSAGE_ID - len(suffix)] + suffix


def is_type_name(name: str) -> bool:
    """Whether ``name`` may name a job or task type: ``[a-z][a-z0-9_]{0,63}``."""
    return _TYPE_NAME.fullmatch(name) is not None
