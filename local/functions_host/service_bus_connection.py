"""The Service Bus connection that a trigger names, and a client for it.

Source: "Connections" in the reference of the Service Bus trigger: the setting ``NAME`` is a connection string; without
it ``NAME__fullyQualifiedNamespace`` is a namespace for an identity (``NAME__clientId`` one of the user's own). Either
may stand with the prefix ``AzureWebJobs``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, assert_never

from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential
from azure.servicebus import parse_connection_string
from azure.servicebus.aio import ServiceBusClient

PREFIX = "AzureWebJobs"
NAMESPACE, CLIENT_ID = "__fullyQualifiedNamespace", "__clientId"


class ConnectionMissing(Exception):
    """There is no such connection, or it is none; the text says what to set, and holds no secret."""


@dataclass(frozen=True, slots=True)
class ConnectionText:
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdentityConnection:
    namespace: str
    client_id: str | None


Connection = ConnectionText | IdentityConnection


def connection_named(name: str, environment: Mapping[str, str]) -> Connection:
    """Raises :class:`ConnectionMissing`."""
    for candidate in (PREFIX + name, name):
        if environment.get(candidate):
            return _checked(candidate, environment[candidate])
        if environment.get(candidate + NAMESPACE):
            return IdentityConnection(environment[candidate + NAMESPACE], environment.get(candidate + CLIENT_ID))
    raise ConnectionMissing(f"there is neither a setting {name} nor {name}{NAMESPACE}")


def open_client(connection: Connection) -> ServiceBusClient:
    """A client that tries nothing again by itself: who receives does."""
    match connection:
        case ConnectionText(value):
            return ServiceBusClient.from_connection_string(value, retry_total=0)
        case IdentityConnection(namespace, client_id):
            return ServiceBusClient(namespace, _Identity(client_id), retry_total=0)
        case _:
            assert_never(connection)


def _checked(name: str, value: str) -> ConnectionText:
    try:
        parse_connection_string(value)
    except ValueError as error:
        raise ConnectionMissing(f"the setting {name} is not a connection string: {error}") from None
    return ConnectionText(value)


class _Identity:
    """Azure's default credential, asked in a thread: its own asynchronous form wants one more HTTP library."""

    def __init__(self, client_id: str | None) -> None:
        self._credential = DefaultAzureCredential(managed_identity_client_id=client_id)

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return await asyncio.to_thread(self._credential.get_token, *scopes, **options)

    async def close(self) -> None:
        self._credential.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
