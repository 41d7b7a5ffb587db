"""The queues as the bus tells of them: an emulator on the port that speaks AMQP, and one that tells nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from infrastructure.settings import Settings
from local.doctor import probes
from local.doctor.checks import examine
from local.doctor.facts import BusTold, QueueAbsent, QueueFact, QueueTold, QueueUntold
from local.doctor.findings import Code, Finding
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.unit.local.doctor.sound import queue, sound, with_database

pytestmark = [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"), pytest.mark.usefixtures("short_naps")]

OWN = {"tasks": queue("tasks", deliveries=3)}
REFUSED = "azure.servicebus.management.ServiceBusAdministrationClient.get_queue"


@pytest.fixture(scope="module")
def emulator(short_naps: None) -> Iterator[RunningEmulator]:
    rules = QueueRules(lock_duration=timedelta(seconds=45), max_delivery_count=7)
    with run_emulator({"jobs": rules, "tasks": rules}) as running:
        bury(running, "tasks", 2)
        yield running


def bury(emulator: RunningEmulator, name: str, letters: int) -> None:
    with contextlib.ExitStack() as opened:
        client = opened.enter_context(ServiceBusClient.from_connection_string(emulator.connection_string))
        sender = opened.enter_context(client.get_queue_sender(name))
        receiver = opened.enter_context(client.get_queue_receiver(name))
        sender.send_messages([ServiceBusMessage(str(number)) for number in range(letters)])
        left = letters
        while left:
            for message in receiver.receive_messages(left, max_wait_time=20):
                receiver.dead_letter_message(message, reason="R")
                left -= 1


def told(emulator: RunningEmulator, own: probes.Rules | None = None) -> dict[str, QueueFact]:
    fact = probes.bus(Settings.from_environment({"SERVICE_BUS_CONNECTION": emulator.connection_string}), own)
    assert isinstance(fact, BusTold)
    return {found.queue: found for found in fact.queues}


def letters(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.code is Code.DEAD_LETTERS_WAITING]


def test_our_emulator_tells_how_its_queues_are_set_up_and_what_lies_there(emulator: RunningEmulator) -> None:
    found = told(emulator)

    assert isinstance(found["tasks"], QueueTold)
    assert (found["tasks"].lock, found["tasks"].deliveries, found["tasks"].dead_letters) == (45.0, 7, 2)
    assert isinstance(found["jobs"], QueueTold)
    assert found["jobs"].dead_letters == 0
    assert found["long-running-tasks"] == QueueAbsent("long-running-tasks")


def test_what_the_bus_tells_goes_before_the_stack_s_rules(emulator: RunningEmulator) -> None:
    found = told(emulator, OWN)["tasks"]

    assert isinstance(found, QueueTold)
    assert found.deliveries == 7


def test_dead_letters_of_a_local_queue_are_a_note(emulator: RunningEmulator) -> None:
    queues = tuple(told(emulator).values())
    (one,) = letters(examine(replace(sound(), bus=BusTold("127.0.0.1", queues))))

    assert (one.about, one.problem) == ("queue tasks", "2 dead letters: work that nobody could do")


def test_the_stack_s_rules_hold_where_the_bus_does_not_answer(
    emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(REFUSED, away)
    found = told(emulator, OWN)

    assert found["tasks"] == OWN["tasks"]
    assert isinstance(found["jobs"], QueueUntold)


def test_letters_that_are_in_the_database_count_too() -> None:
    (one,) = letters(examine(with_database(letters=7)))

    assert one.about == "database"
    assert one.problem.startswith("7 dead letters")
    assert "python -m local dead-letters" in one.fix
