"""The administration client of the SDK as it is, on the port that speaks AMQP.

The Python client takes every address for TLS, an emulator's too: so either the emulator's port speaks TLS, or the
client is given a transport that says ``http``.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus.management import ServiceBusAdministrationClient

from testing.service_bus_emulator.broker.rules import QueueRules, Tier
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.support.certificates import own_certificate

# The SDK forgets the sockets of connections that ended by themselves.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

QUEUES = {
    "tasks": QueueRules(lock_duration=timedelta(seconds=90), max_delivery_count=7, tier=Tier.PREMIUM),
    "jobs": QueueRules(duplicate_window=timedelta(minutes=2), default_time_to_live=timedelta(hours=1)),
    "ordered": QueueRules(requires_session=True, dead_letter_on_expiration=True),
}


class PlainTransport(RequestsTransport):  # type: ignore[misc]
    def send(self, request: Any, **options: Any) -> Any:
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **options)


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    with run_emulator(QUEUES) as running:
        yield running


@pytest.fixture
def client(emulator: RunningEmulator) -> Iterator[ServiceBusAdministrationClient]:
    with administration(emulator.connection_string) as client:
        yield client


def administration(address: str) -> ServiceBusAdministrationClient:
    return ServiceBusAdministrationClient.from_connection_string(address, transport=PlainTransport(), retry_total=0)


def test_a_queue_has_the_properties_that_it_was_given(client: ServiceBusAdministrationClient) -> None:
    tasks, jobs, ordered = client.get_queue("tasks"), client.get_queue("JOBS"), client.get_queue("ordered")

    assert (tasks.lock_duration, tasks.max_delivery_count) == (timedelta(seconds=90), 7)
    assert (tasks.requires_duplicate_detection, tasks.requires_session) == (False, False)
    assert (tasks.max_message_size_in_kilobytes, tasks.status) == (1024, "Active")
    assert jobs.requires_duplicate_detection
    assert jobs.duplicate_detection_history_time_window == timedelta(minutes=2)
    assert jobs.default_message_time_to_live == timedelta(hours=1)
    assert ordered.requires_session
    assert ordered.dead_lettering_on_message_expiration


def test_the_counts_are_those_of_the_messages(
    emulator: RunningEmulator, client: ServiceBusAdministrationClient
) -> None:
    with (
        ServiceBusClient.from_connection_string(emulator.connection_string) as messages,
        messages.get_queue_sender("tasks") as sender,
        messages.get_queue_receiver("tasks") as receiver,
    ):
        sender.send_messages([ServiceBusMessage(str(number)) for number in range(4)])
        sender.schedule_messages(ServiceBusMessage("later"), emulator.now() + timedelta(hours=1))
        first, _ = receiver.receive_messages(2, max_wait_time=5)
        receiver.dead_letter_message(first)
        counts = client.get_queue_runtime_properties("tasks")

    assert (counts.active_message_count, counts.scheduled_message_count) == (3, 1)
    assert (counts.dead_letter_message_count, counts.total_message_count) == (1, 5)
    assert counts.size_in_bytes
    assert counts.created_at_utc is not None


def test_queues_are_listed_page_by_page(client: ServiceBusAdministrationClient) -> None:
    assert [queue.name for queue in client.list_queues(max_page_size=2)] == ["jobs", "ordered", "tasks"]
    assert {queue.name for queue in client.list_queues_runtime_properties()} == set(QUEUES)
    assert list(client.list_topics()) == []
    assert client.get_namespace_properties().name == "sbemulatorns"


def test_what_is_not_there_is_not_found_and_nothing_can_be_made(client: ServiceBusAdministrationClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        client.get_queue("nowhere")
    with pytest.raises(ResourceNotFoundError):
        client.get_queue_runtime_properties("nowhere")
    with pytest.raises(HttpResponseError, match=r"Config\.json"):
        client.create_queue("new")


def test_a_wrong_key_is_refused(emulator: RunningEmulator) -> None:
    wrong = emulator.connection_string.replace("SAS_KEY_VALUE", "wrong")
    with administration(wrong) as client, pytest.raises(ClientAuthenticationError):
        client.get_queue("tasks")


def test_over_tls_nothing_of_the_client_is_changed(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with (
        run_emulator(QUEUES, tls=context) as emulator,
        ServiceBusAdministrationClient.from_connection_string(
            emulator.connection_string, connection_verify=str(certificate), retry_total=0
        ) as client,
    ):
        assert client.get_queue("tasks").max_delivery_count == 7
        assert [queue.name for queue in client.list_queues(max_page_size=1)] == ["jobs", "ordered", "tasks"]
