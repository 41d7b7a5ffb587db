from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from core.errors import InvalidInput
from testing.service_bus_emulator.broker.config import EMULATOR_RULES, read_config, read_duration
from testing.service_bus_emulator.broker.rules import QueueRules, Tier

OFFICIAL_SAMPLE: dict[str, Any] = {
    "DeadLetteringOnMessageExpiration": False,
    "DefaultMessageTimeToLive": "PT1H",
    "DuplicateDetectionHistoryTimeWindow": "PT20S",
    "ForwardDeadLetteredMessagesTo": "",
    "ForwardTo": "",
    "LockDuration": "PT1M",
    "MaxDeliveryCount": 3,
    "RequiresDuplicateDetection": False,
    "RequiresSession": False,
}


def written(*queues: dict[str, Any], **namespace: Any) -> str:
    found = {"Name": "sbemulatorns", "Queues": list(queues), **namespace}
    return json.dumps({"UserConfig": {"Namespaces": [found], "Logging": {"Type": "File"}}})


def queue(name: str = "queue.1", /, **properties: Any) -> dict[str, Any]:
    return {"Name": name, "Properties": properties}


def test_the_official_sample_is_read() -> None:
    config = read_config(written(queue("queue.1", **OFFICIAL_SAMPLE)))

    assert config.namespace == "sbemulatorns"
    assert config.queues == {
        "queue.1": QueueRules(
            lock_duration=timedelta(minutes=1),
            max_delivery_count=3,
            default_time_to_live=timedelta(hours=1),
            max_size_bytes=100 * 1024 * 1024,
        )
    }


def test_the_sample_says_what_the_defaults_are() -> None:
    assert (
        read_config(written({"Name": "q"})).queues["q"]
        == read_config(written(queue("q", **OFFICIAL_SAMPLE))).queues["q"]
    )


def test_every_property_counts() -> None:
    properties = {
        "DeadLetteringOnMessageExpiration": True,
        "DefaultMessageTimeToLive": "PT10M",
        "DuplicateDetectionHistoryTimeWindow": "PT1M30S",
        "LockDuration": "PT5S",
        "MaxDeliveryCount": 10,
        "RequiresDuplicateDetection": True,
        "RequiresSession": True,
    }
    base = QueueRules(tier=Tier.PREMIUM, max_message_bytes=5_000_000)

    assert read_config(written(queue("q", **properties)), base).queues["q"] == QueueRules(
        lock_duration=timedelta(seconds=5),
        max_delivery_count=10,
        default_time_to_live=timedelta(minutes=10),
        dead_letter_on_expiration=True,
        duplicate_window=timedelta(seconds=90),
        requires_session=True,
        tier=Tier.PREMIUM,
        max_message_bytes=5_000_000,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("LockDuration", "PT4S"),
        ("LockDuration", "PT5M1S"),
        ("LockDuration", "PT"),
        ("LockDuration", "P1Y"),
        ("LockDuration", "P999999Y999999M999999D"),
        ("LockDuration", "P999999999Y"),
        ("LockDuration", "P"),
        ("LockDuration", "60"),
        ("LockDuration", "PT1.5M"),
        ("LockDuration", "PT" + "9" * 5000 + "S"),
        ("LockDuration", 60),
        ("DefaultMessageTimeToLive", "PT4M59S"),
        ("DefaultMessageTimeToLive", "PT1H1S"),
        ("DuplicateDetectionHistoryTimeWindow", "PT4S"),
        ("DuplicateDetectionHistoryTimeWindow", "PT301S"),
        ("MaxDeliveryCount", 0),
        ("MaxDeliveryCount", 11),
        ("MaxDeliveryCount", True),
        ("MaxDeliveryCount", "3"),
        ("RequiresSession", "false"),
        ("RequiresDuplicateDetection", 1),
        ("ForwardTo", "other"),
        ("ForwardDeadLetteredMessagesTo", "other"),
        ("LockDurations", "PT1M"),
    ],
)
def test_a_property_out_of_its_limits_is_named(key: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=rf"queue\.1.*{key}"):
        read_config(written(queue("queue.1", **{key: value})))


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "ä", "x" * 261, "$management", "a\n"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"Queues\[0\].Name"):
        read_config(written(queue(name)))


def test_names_do_not_tell_case_apart() -> None:
    with pytest.raises(InvalidInput, match=r"Queues\[1\].Name"):
        read_config(written(queue("jobs"), queue("Jobs")))


def test_a_null_is_as_good_as_nothing() -> None:
    nulls = read_config(written(queue("q", **dict.fromkeys(OFFICIAL_SAMPLE)), Topics=None))

    assert nulls == read_config(written(queue("q")))


def test_there_are_50_queues_at_most() -> None:
    fifty = [queue(f"q{number}") for number in range(50)]

    assert len(read_config(written(*fifty)).queues) == 50
    with pytest.raises(InvalidInput, match="51"):
        read_config(written(*fifty, queue("more")))


def test_topics_are_refused_and_none_are_fine() -> None:
    assert read_config(written(Topics=[])).queues == {}
    with pytest.raises(InvalidInput, match="topics"):
        read_config(written(Topics=[{"Name": "topic.1"}]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "[]",
        "{}",
        '{"UserConfig": []}',
        '{"UserConfig": {"Namespaces": []}}',
        '{"UserConfig": {"Namespaces": [{"Name": "sbemulatorns"}, {"Name": "sbemulatorns"}]}}',
        '{"UserConfig": {"Namespaces": [{"Name": "other"}]}}',
        '{"UserConfig": {"Namespaces": ["sbemulatorns"]}}',
        '{"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": {}}]}}',
        '{"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": [7]}]}}',
        '{"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": [{}]}]}}',
        '{"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": [{"Name": "q", "Properties": []}]}]}}',
    ],
)
def test_what_is_not_a_configuration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_config(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT0S", 0), ("PT1H2M3S", 3723), ("P1D", 86400), ("P1Y2M", 425 * 86400), ("P1DT1S", 86401)]
)
def test_durations(text: str, seconds: int) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


def test_the_emulators_own_limits_are_those_of_standard() -> None:
    assert (EMULATOR_RULES.tier, EMULATOR_RULES.message_bytes) == (Tier.STANDARD, 256 * 1024)
