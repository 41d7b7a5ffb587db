from __future__ import annotations

import pytest

from core.errors import StoreUnavailable
from core.ids import TaskId
from core.model import TaskStatus
from core.ports import ReceivedMessage
from infrastructure.functions.queue_trigger import QueueTrigger
from testing.factories import create_test_core_machine


class Message:
    def __init__(self, received: ReceivedMessage) -> None:
        self.message_id: str | None = received.message_id
        self.label: str | None = received.message_type
        self._body = received.body

    def get_body(self) -> bytes:
        return self._body


def test_a_result_that_the_store_was_away_for_is_committed_by_the_copy_of_its_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on = create_test_core_machine()
    triggers = {queue: QueueTrigger(queue, on.machine, on.bus, lambda body: body) for queue in ("jobs", "tasks")}

    def deliver(queue: str) -> ReceivedMessage:
        (received,) = on.bus.receive(queue, 1)
        on.bus.complete(received)
        triggers[queue](Message(received))
        return received

    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    on.machine.submit("hello_world", {"n": 1})
    deliver("jobs")
    with monkeypatch.context() as patched:
        patched.setattr(on.state, "finish_attempt", away)
        task_id = deliver("tasks").message_id.rpartition(":")[0]
    on.bus.clock.advance(2)
    deliver("tasks")

    task = on.state.load_task(TaskId(task_id))
    assert task is not None
    assert task.status is TaskStatus.COMPLETED
    assert [attempt.attempt for attempt in on.state.list_attempts(task.task_id)] == [1]
