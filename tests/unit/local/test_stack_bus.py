from __future__ import annotations

from datetime import timedelta

from local.stack_bus import bus_config
from testing.service_bus_emulator.broker.config import read_config


def test_the_emulator_takes_what_is_asked_of_it() -> None:
    queues = read_config(bus_config(["jobs", "tasks", "long-running-tasks"])).queues

    assert list(queues) == ["jobs", "tasks", "long-running-tasks"]
    for rules in queues.values():
        assert rules.lock_duration == timedelta(minutes=1)
        assert rules.max_delivery_count == 10
        assert rules.duplicate_window == timedelta(minutes=5)
        assert not rules.requires_session


def test_a_queue_of_two_uses_is_there_once() -> None:
    assert list(read_config(bus_config(["all", "all", "long"])).queues) == ["all", "long"]
