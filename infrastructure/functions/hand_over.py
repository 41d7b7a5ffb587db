"""Long tasks in the mode ``http_trigger``: the function that a message wakes gives them to the worker by a call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.attempts import Processed
from core.errors import MessageInvalid
from core.machine import CoreMachine
from core.messages import JobQueueMessage, StageCompleteMessage, TaskQueueMessage, decode
from core.model import TERMINAL_TASK, NotClaimed, TaskRecord, TaskStatus
from core.registry import HandlerRegistry

if TYPE_CHECKING:
    from infrastructure.task_start.client import TaskStartClient

_log = logging.getLogger(__name__)

HANDED_OVER = "handed_over"


def for_worker(
    message: JobQueueMessage | TaskQueueMessage | StageCompleteMessage, handlers: HandlerRegistry
) -> TaskQueueMessage | None:
    """``message`` where it is the worker's, ``None`` where it is worked on here.

    Raises :class:`core.errors.UnknownTaskType` for a task that nobody here knows.
    """
    if isinstance(message, TaskQueueMessage) and handlers.find(message.task_type).long_running:
        return message
    return None


def unwanted(task: TaskRecord | None, message: TaskQueueMessage) -> str | None:
    """Why ``message`` needs no worker, as the store has its task; ``None`` where it does.

    A task that runs is not asked for again: should its worker have died, the reconciler ends its lease. Raises
    :class:`core.errors.MessageInvalid` for a message whose ids are not of one task.
    """
    if task is None:
        return NotClaimed.UNKNOWN
    if (task.job_id, task.run, task.stage) != (message.job_id, message.run, message.stage):
        raise MessageInvalid("the task id is not of the job, run and stage that the message names")
    if task.status in TERMINAL_TASK:
        return NotClaimed.ENDED
    if task.status is TaskStatus.RUNNING:
        return NotClaimed.RUNNING
    return None if task.attempt == message.attempt else NotClaimed.STALE


class HandOver:
    """For any number of threads. ``client`` gives the same one each time."""

    def __init__(self, machine: CoreMachine, client: Callable[[], TaskStartClient]) -> None:
        self._machine = machine
        self._client = client

    def __call__(self, body: bytes) -> Processed | None:
        """What a message came to that is the worker's; ``None`` for one that is to be worked on here.

        Raises :class:`core.errors.TransientError` where it is to come again, as behind a busy worker, and any other
        :class:`core.errors.CoreMachineError` for poison.
        """
        message = for_worker(decode(body), self._machine.handlers)
        if message is None:
            return None
        reason = unwanted(self._machine.store.load_task(message.task_id), message)
        if reason is not None:
            return Processed(reason)
        answer = self._client().start(message)
        extra = {"task_id": message.task_id, "attempt": message.attempt, "effect": answer.effect}
        _log.info("task_handed_over", extra=extra)
        return Processed(HANDED_OVER)
