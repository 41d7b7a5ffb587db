"""The Service Bus block of host.json: what is obeyed, and what is told to be wrong."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from local.errors import HostFileInvalid
from local.functions_host.host_file import parse_host_settings, read_host_file
from local.functions_host.host_service_bus import ServiceBusSettings
from tests.support.fixture_apps import ROOT


def parsed(block: object) -> ServiceBusSettings:
    return parse_host_settings({"version": "2.0", "extensions": {"serviceBus": block}}).service_bus


def test_without_a_block_it_is_the_extension_s_defaults() -> None:
    assert parse_host_settings({"version": "2.0"}).service_bus == ServiceBusSettings(0, True, timedelta(minutes=5), 16)


def test_what_is_obeyed() -> None:
    block = {
        "prefetchCount": 32,
        "autoCompleteMessages": False,
        "maxAutoLockRenewalDuration": "00:30:00",
        "maxConcurrentCalls": 4,
        "clientRetryOptions": {"maxRetries": 3},
    }
    assert parsed(block) == ServiceBusSettings(32, False, timedelta(minutes=30), 4)


def test_the_host_file_of_this_repository_is_read() -> None:
    document = json.loads((ROOT / "host.json").read_text())
    calls = document["extensions"]["serviceBus"]["maxConcurrentCalls"]
    assert read_host_file(ROOT / "host.json").service_bus.max_concurrent_calls == calls


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ([], "extensions.serviceBus must be a JSON object"),
        ({"messageHandlerOptions": {"maxConcurrentCalls": 4}}, "put maxConcurrentCalls, autoCompleteMessages"),
        ({"sessionHandlerOptions": {}}, "put maxConcurrentSessions"),
        ({"batchOptions": {}}, "put maxMessageBatchSize"),
        ({"maxConcurentCalls": 4}, "has no maxConcurentCalls; it has autoCompleteMessages, "),
        ({"maxConcurrentCalls": 0}, "maxConcurrentCalls must be a whole number from 1 to 1000"),
        ({"maxConcurrentCalls": True}, "maxConcurrentCalls must be a whole number"),
        ({"maxConcurrentCalls": 4.0}, "maxConcurrentCalls must be a whole number"),
        ({"prefetchCount": -1}, "prefetchCount must be a whole number from 0"),
        ({"prefetchCount": "8"}, "prefetchCount must be a whole number"),
        ({"autoCompleteMessages": "true"}, "autoCompleteMessages must be true or false"),
        ({"maxAutoLockRenewalDuration": 300}, 'maxAutoLockRenewalDuration must be "hh:mm:ss"'),
        ({"maxAutoLockRenewalDuration": "00:60:00"}, 'maxAutoLockRenewalDuration must be "hh:mm:ss"'),
    ],
)
def test_what_is_wrong_is_named(block: object, message: str) -> None:
    with pytest.raises(HostFileInvalid, match=message):
        parsed(block)
