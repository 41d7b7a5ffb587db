"""Which connection a trigger's setting is."""

from __future__ import annotations

import asyncio

import pytest
from azure.servicebus.aio import ServiceBusClient

from local.functions_host.service_bus_connection import (
    ConnectionMissing,
    ConnectionText,
    IdentityConnection,
    connection_named,
    open_client,
)

TEXT = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=Z2VoZWlt;UseDevelopmentEmulator=true"


def test_a_connection_string_goes_before_an_identity_and_the_prefix_before_the_name() -> None:
    environment = {"BUS": TEXT, "BUS__fullyQualifiedNamespace": "ns.servicebus.windows.net"}
    assert connection_named("BUS", environment) == ConnectionText(TEXT)
    other = {**environment, "AzureWebJobsBUS__fullyQualifiedNamespace": "other.servicebus.windows.net"}
    assert connection_named("BUS", other) == IdentityConnection("other.servicebus.windows.net", None)


def test_an_identity_may_be_one_of_the_user_s_own() -> None:
    environment = {"BUS__fullyQualifiedNamespace": "ns.servicebus.windows.net", "BUS__clientId": "id"}
    assert connection_named("BUS", environment) == IdentityConnection("ns.servicebus.windows.net", "id")


@pytest.mark.parametrize("value", ["x", "Endpoint=sb://h;SharedAccessKey=Z2VoZWlt", "Endpoint=Z2VoZWlt;;"])
def test_what_is_no_connection_string_is_told_without_it(value: str) -> None:
    with pytest.raises(ConnectionMissing, match="the setting BUS is not a connection string") as told:
        connection_named("BUS", {"BUS": value})
    assert "Z2VoZWlt" not in str(told.value)


@pytest.mark.parametrize("environment", [{}, {"BUS": ""}, {"BUS__fullyQualifiedNamespace": ""}, {"bus": TEXT}])
def test_what_is_missing_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(ConnectionMissing, match="neither a setting BUS nor BUS__fullyQualifiedNamespace"):
        connection_named("BUS", environment)


def test_a_key_is_in_no_representation() -> None:
    assert "Z2VoZWlt" not in repr(ConnectionText(TEXT))


@pytest.mark.parametrize("connection", [ConnectionText(TEXT), IdentityConnection("ns.servicebus.windows.net", None)])
def test_a_client_is_made_without_a_connection(connection: ConnectionText | IdentityConnection) -> None:
    async def scenario() -> ServiceBusClient:
        async with open_client(connection) as client:
            return client

    assert asyncio.run(scenario()).fully_qualified_namespace in ("127.0.0.1:1", "ns.servicebus.windows.net")
