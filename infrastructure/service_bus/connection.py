"""Where the bus is, who signs in, and how long a call may take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.servicebus import ServiceBusClient
from azure.servicebus.management import ServiceBusAdministrationClient

from core.errors import BusMisconfigured
from infrastructure.hosts import is_loopback
from infrastructure.settings import Settings
from infrastructure.tokens import default_credential

APPLICATION_ID = "coremachine"

SOCKET_SECONDS = 0.2
"""The SDK's own bound on one read or write of a socket. A read holds it against writes for as long."""

EMULATOR_PORT = 5300
"""Where the official emulator has its administration's side, which is not where it speaks AMQP."""

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+")


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Seconds that one attempt may take, attempts after the first, and seconds before the first of those.

    With the defaults a call to a bus that does not answer fails after about a minute; one that is refused a connection,
    after 4 s. Nothing else repeats a call: what is still away then is for the engine, which asks again later.
    """

    attempt_seconds: float = 20.0
    retries: int = 2
    pause_seconds: float = 0.2

    def options(self) -> dict[str, Any]:
        """The SDK's: it waits ``factor * 2**n`` before retry n."""
        return {
            "try_timeout": self.attempt_seconds,
            "retry_total": self.retries,
            "retry_backoff_factor": self.pause_seconds / 2,
            "retry_backoff_max": 5.0,
        }

    def http_options(self) -> dict[str, Any]:
        """The same for the administration's side."""
        return {
            "connection_timeout": min(self.attempt_seconds, 5.0),
            "read_timeout": self.attempt_seconds,
            "retry_total": self.retries,
            "retry_backoff_factor": self.pause_seconds / 2,
        }


class BusConnection:
    """Makes clients, which connect with their first call; each is for one thread.

    ``credential`` replaces Azure's own chain where the bus is named by its host; the SDK asks it for a token for each
    connection. ``more`` are the SDK's options. Raises :class:`BusMisconfigured` where the settings name no bus, or two,
    or cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        credential: TokenCredential | None = None,
        limits: CallLimits | None = None,
        **more: Any,
    ) -> None:
        self._text = settings.service_bus_connection.strip()
        self._fqdn = settings.service_bus_fqdn.strip()
        self._given = credential
        self._limits = limits or CallLimits()
        self._options = {"user_agent": APPLICATION_ID} | self._limits.options() | more
        self.address = _address(self._text, self._fqdn)

    def client(self, socket_seconds: float = SOCKET_SECONDS) -> ServiceBusClient:
        """``socket_seconds``: how long a read waits before the SDK looks up, and how long a write may stall."""
        options: dict[str, Any] = {"socket_timeout": socket_seconds} | self._options
        if self._text:
            return ServiceBusClient.from_connection_string(self._text, **options)
        return ServiceBusClient(self._fqdn, self._credential, **options)

    def administration(self, **more: Any) -> ServiceBusAdministrationClient:
        """Over HTTP, to a bus, or an emulator, that has that side. ``more`` are the SDK's options."""
        options: dict[str, Any] = self._limits.http_options() | more
        if not self._text:
            return ServiceBusAdministrationClient(self._fqdn, self._credential, **options)
        text = self._text
        if _parts(text).get("usedevelopmentemulator") == "true":
            options = {"transport": _Plain(**options)} | options
            if urlsplit(f"//{self.address}").port is None:
                text = text.replace(self.address, f"{self.address}:{EMULATOR_PORT}", 1)
        return ServiceBusAdministrationClient.from_connection_string(text, **options)

    @cached_property
    def _credential(self) -> TokenCredential:
        return self._given or default_credential()


class _Plain(RequestsTransport):  # type: ignore[misc] # azure-core loads it lazily, so that it has no type
    """The administration client takes an emulator's address, too, for one with TLS."""

    def send(self, request: Any, **more: Any) -> Any:
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **more)


def service_bus_client(settings: Settings, **more: Any) -> ServiceBusClient:
    """One client, for one thread: :class:`BusConnection`."""
    return BusConnection(settings, **more).client()


def _address(text: str, fqdn: str) -> str:
    """The bus's host, and port where one is named."""
    if text and fqdn:
        raise BusMisconfigured("SERVICE_BUS_CONNECTION and SERVICE_BUS_FQDN: only one of them can name the bus")
    if text:
        return _checked_string(text)
    if fqdn:
        return _checked_host(fqdn)
    raise BusMisconfigured("SERVICE_BUS_CONNECTION or SERVICE_BUS_FQDN: one of them has to name the bus")


def _checked_string(text: str) -> str:
    with suppress(ValueError):
        parts = _parts(text)
        endpoint = urlsplit(parts.get("endpoint", ""))
        if endpoint.scheme == "sb" and endpoint.hostname and _signs_in(parts) and _may_be_reached(parts, endpoint):
            return endpoint.netloc
    # Outside of the handler, so without context: what is said of it there may quote the key.
    raise BusMisconfigured(
        "SERVICE_BUS_CONNECTION: not what the portal shows under Shared access policies of the namespace "
        "(Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…), without EntityPath, and with "
        "UseDevelopmentEmulator=true for this machine alone"
    )


def _parts(text: str) -> Mapping[str, str]:
    pairs = [piece.split("=", 1) for piece in text.rstrip(";").split(";")]
    return {name.strip().lower(): value for name, value in pairs}


def _signs_in(parts: Mapping[str, str]) -> bool:
    with_key = bool(parts.get("sharedaccesskeyname") and parts.get("sharedaccesskey"))
    return with_key != bool(parts.get("sharedaccesssignature"))


def _may_be_reached(parts: Mapping[str, str], endpoint: Any) -> bool:
    """An emulator is spoken to without TLS, which would show the token to whoever is between."""
    plain = parts.get("usedevelopmentemulator", "false")
    if "entitypath" in parts or endpoint.path.strip("/") or "@" in endpoint.netloc or plain not in {"true", "false"}:
        return False
    if plain == "true":
        return is_loopback(endpoint.hostname) and endpoint.port != 0
    return _HOST_NAME.fullmatch(endpoint.hostname) is not None


def _checked_host(fqdn: str) -> str:
    """A token goes to the host that is named."""
    if _HOST_NAME.fullmatch(fqdn) is None or fqdn.rpartition(".")[2].isdigit():
        raise BusMisconfigured("SERVICE_BUS_FQDN: a host name alone, as NAME.servicebus.windows.net")
    return fqdn
