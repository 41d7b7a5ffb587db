from __future__ import annotations

import random
from datetime import timedelta

import pytest

from core.messages import JobQueueMessage
from core.model import OutboundMessage
from core.ports import MessageBus
from testing.clock import EPOCH, FakeClock
from testing.contracts.scenario import new_job
from testing.factories import create_test_harness
from testing.harness import Harness
from testing.mock_bus import MockServiceBusRepository, QueueRules


def message(name: str, queue: str = "tasks") -> OutboundMessage:
    return OutboundMessage(queue, name, "task", b'{"n": 1}')


def test_it_is_a_message_bus() -> None:
    bus: MessageBus = MockServiceBusRepository()

    assert bus.receive("tasks", 1) == []


class TestLookingIn:
    @pytest.fixture
    def drained(self) -> Harness:
        harness, _ = create_test_harness()
        harness.submit("hello_world", {"n": 2})
        harness.drain()
        return harness

    def test_sent_messages_are_told_with_their_decoded_body(self) -> None:
        bus = MockServiceBusRepository()
        job = new_job()
        bus.send([job.message])

        (sent,) = bus.get_sent_messages()

        assert sent == {
            "queue_name": "jobs",
            "message_type": "job",
            "message_id": job.message.message_id,
            "timestamp": EPOCH.isoformat(),
            "not_before": None,
            "body": JobQueueMessage(job_id=job.job_id, run=1, job_type=job.job_type).model_dump(),
        }

    def test_messages_are_told_by_queue_and_in_order(self, drained: Harness) -> None:
        jobs = [sent["message_type"] for sent in drained.bus.get_messages_for_queue("jobs")]

        assert jobs == ["job", "stage_complete", "stage_complete"]
        assert len(drained.bus.get_messages_for_queue("tasks")) == 4
        assert drained.bus.get_messages_for_queue("nobody") == []

    def test_stage_complete_signals_are_told_apart(self, drained: Harness) -> None:
        assert [sent["body"]["stage"] for sent in drained.bus.get_stage_complete_signals()] == [1, 2]

    def test_the_summary_counts_by_queue_and_by_type(self, drained: Harness) -> None:
        assert drained.bus.get_message_summary() == {
            "total": 7,
            "by_queue": {"jobs": 3, "tasks": 4},
            "by_type": {"job": 1, "task": 4, "stage_complete": 2},
        }

    def test_a_body_that_is_not_json_is_told_as_text(self) -> None:
        bus = MockServiceBusRepository()
        bus.send([OutboundMessage("jobs", "1", "job", b"not json \xff")])

        assert bus.get_sent_messages()[0]["body"] == "not json \ufffd"


class TestTime:
    def test_the_next_event_is_what_is_ready_then_due_then_unlocked(self) -> None:
        clock = FakeClock()
        bus = MockServiceBusRepository(clock, QueueRules(lock_seconds=30))
        assert bus.next_due(["tasks"]) is None

        bus.send([message("1"), message("2")._replace(not_before=EPOCH + timedelta(seconds=60))])
        assert bus.next_due(["tasks"]) == EPOCH
        bus.receive("tasks", 1)
        assert bus.next_due(["tasks"]) == EPOCH + timedelta(seconds=30)
        clock.advance(30)
        bus.complete(bus.receive("tasks", 1)[0])
        assert bus.next_due(["tasks"]) == EPOCH + timedelta(seconds=60)

    def test_other_queues_are_not_looked_at(self) -> None:
        bus = MockServiceBusRepository()
        bus.send([message("1", queue="elsewhere")])

        assert bus.next_due(["tasks"]) is None


class TestInjection:
    def test_an_injected_copy_passes_duplicate_detection(self) -> None:
        bus = MockServiceBusRepository()
        bus.send([message("1")])
        bus.inject(message("1"))

        assert [one.message_id for one in bus.receive("tasks", 10)] == ["1", "1"]
        assert bus.sent_count() == 1

    def test_a_shuffled_queue_holds_the_same_messages(self) -> None:
        bus = MockServiceBusRepository()
        names = [str(number) for number in range(50)]
        bus.send([message(name) for name in names])

        bus.shuffle("tasks", random.Random(1))

        received = [one.message_id for one in bus.receive("tasks", 100)]
        assert received != names
        assert sorted(received) == sorted(names)

    def test_without_a_window_there_is_no_duplicate_detection(self) -> None:
        bus = MockServiceBusRepository(rules=QueueRules(duplicate_window=0))
        bus.send([message("1"), message("1")])

        assert len(bus.receive("tasks", 10)) == 2
