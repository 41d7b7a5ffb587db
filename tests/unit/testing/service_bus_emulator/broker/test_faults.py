from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from core.errors import InvalidInput
from testing.service_bus_emulator.broker.faults import (
    MAX_REMEMBERED,
    Delay,
    DropConnection,
    FaultPlan,
    FaultRule,
    LoseLock,
    Operation,
    Throttle,
    read_faults,
)


def test_without_rules_nothing_goes_wrong() -> None:
    plan = FaultPlan()

    assert all(plan.ask(operation, "q") is None for operation in Operation)
    assert list(plan.injected) == []


def test_a_rule_fits_its_operation_and_entity() -> None:
    plan = FaultPlan([FaultRule(Throttle(), Operation.SEND, "Jobs")])

    assert plan.ask(Operation.RECEIVE, "jobs") is None
    assert plan.ask(Operation.SEND, "tasks") is None
    assert plan.ask(Operation.SEND, "jobs") == Throttle()
    assert list(plan.injected) == [(Operation.SEND, "jobs", Throttle())]


def test_what_went_wrong_is_remembered_for_a_while() -> None:
    plan = FaultPlan([FaultRule(Throttle())])

    for number in range(MAX_REMEMBERED + 10):
        plan.ask(Operation.SEND, str(number))

    assert (len(plan.injected), plan.injected[0][1]) == (MAX_REMEMBERED, "10")


def test_the_first_are_spared_and_it_happens_so_many_times() -> None:
    plan = FaultPlan([FaultRule(DropConnection(), after=2, times=3)])

    struck = [plan.ask(Operation.SEND, "q") is not None for _ in range(10)]

    assert struck == [False] * 2 + [True] * 3 + [False] * 5


def test_a_probability_is_kept_and_a_seed_repeats() -> None:
    def struck(seed: int) -> list[bool]:
        plan = FaultPlan([FaultRule(LoseLock(), probability=0.3)], seed)
        return [plan.ask(Operation.SETTLE, "q") is not None for _ in range(2000)]

    assert 500 < Counter(struck(1))[True] < 700
    assert struck(1) == struck(1) != struck(2)


def test_the_first_rule_that_strikes_is_the_one() -> None:
    plan = FaultPlan([FaultRule(Throttle(), times=1), FaultRule(Delay(0.5))])

    assert [plan.ask(Operation.SEND, "q") for _ in range(2)] == [Throttle(), Delay(0.5)]


def test_a_plan_is_read_from_json() -> None:
    plan = read_faults(
        json.dumps(
            [
                {"fault": "delay", "seconds": 0.2, "operation": "send", "entity": "jobs", "times": 1},
                {"fault": "drop_connection", "operation": "receive", "probability": 1, "after": 1},
                {"fault": "lose_lock", "operation": "settle"},
                {"fault": "throttle", "operation": "manage"},
            ]
        )
    )

    assert [plan.ask(Operation.SEND, "jobs") for _ in range(2)] == [Delay(0.2), None]
    assert [plan.ask(Operation.RECEIVE, "q") for _ in range(2)] == [None, DropConnection()]
    assert (plan.ask(Operation.SETTLE, "q"), plan.ask(Operation.MANAGE, "q")) == (LoseLock(), Throttle())


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"fault": "explode"},
        {"fault": ["throttle"]},
        {"fault": "delay"},
        {"fault": "delay", "seconds": "long"},
        {"fault": "delay", "seconds": -1},
        {"fault": "delay", "seconds": 3601},
        {"fault": "throttle", "operation": "sneeze"},
        {"fault": "throttle", "probability": 1.1},
        {"fault": "throttle", "probability": True},
        {"fault": "throttle", "after": -1},
        {"fault": "throttle", "after": 1.5},
        {"fault": "throttle", "after": float("inf")},
        {"fault": "throttle", "probability": float("nan")},
        {"fault": "throttle", "times": True},
        {"fault": "throttle", "times": None},
        {"fault": "throttle", "entity": 7},
        {"fault": "throttle", "often": 1},
        7,
    ],
)
def test_what_is_not_a_fault_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInput):
        read_faults(json.dumps([bad]))


@pytest.mark.parametrize("text", ["", "{}", "7"])
def test_what_is_not_a_plan_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_faults(text)
