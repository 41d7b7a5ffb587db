"""Which bus, who signs in and how: from settings alone, without a service."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import HttpTransport

from core.errors import BusMisconfigured
from core.system import SystemClock
from infrastructure.service_bus.bus import AzureServiceBus
from infrastructure.service_bus.connection import BusConnection, CallLimits, service_bus_client
from infrastructure.service_bus.properties import PropertiesUnavailable
from infrastructure.settings import Settings

HOST = "engine.servicebus.windows.net"
SIGNED = "SharedAccessKeyName=name;SharedAccessKey=aHVudGVyMg=="
WITH_KEY = f"Endpoint=sb://{HOST}/;{SIGNED}"
EMULATOR = f"Endpoint=sb://127.0.0.1:5699;{SIGNED};UseDevelopmentEmulator=true"
ONCE = CallLimits(attempt_seconds=5, retries=0)


class FakeCredential:
    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken("hunter2", 4_000_000_000)


class Refusing(HttpTransport[Any, Any]):
    """Keeps what it is to send, and fails as a network does that is not there."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, request: Any, **more: Any) -> Any:
        self.sent.append(request)
        raise ConnectionRefusedError

    def open(self) -> None: ...
    def close(self) -> None: ...
    def __exit__(self, *given: object) -> None: ...
    def sleep(self, duration: float) -> None: ...


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (WITH_KEY, f"{HOST}"),
        (f" {WITH_KEY}; ", HOST),
        (WITH_KEY.replace("Endpoint", "endpoint"), HOST),
        (f"Endpoint=sb://{HOST};SharedAccessSignature=SharedAccessSignature sr=x&sig=y&se=1&skn=z", HOST),
        (EMULATOR, "127.0.0.1:5699"),
        (EMULATOR.replace("127.0.0.1:5699", "localhost"), "localhost"),
        (EMULATOR.replace("127.0.0.1", "[::1]"), "[::1]:5699"),
        (f"{WITH_KEY};UseDevelopmentEmulator=false", HOST),
    ],
)
def test_a_connection_string_names_the_bus(text: str, address: str) -> None:
    connection = BusConnection(settings(SERVICE_BUS_CONNECTION=text))

    assert connection.address == address
    connection.client().close()


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "Endpoint=sb://hunter2",
        f"Endpoint=sb://{HOST};SharedAccessKey=hunter2",
        f"Endpoint=sb://{HOST};SharedAccessKeyName=hunter2",
        f"Endpoint=https://{HOST};{SIGNED}",
        f"Endpoint={HOST};{SIGNED}",
        f"Endpoint=sb://{HOST}/hunter2;{SIGNED}",
        f"Endpoint=sb://hunter2@{HOST};{SIGNED}",
        f"Endpoint=sb://[hunter2;{SIGNED}",
        f"{WITH_KEY};EntityPath=hunter2",
        f"{WITH_KEY};SharedAccessSignature=hunter2",
        f"{WITH_KEY};UseDevelopmentEmulator=true",
        f"Endpoint=sb://10.0.0.1:5672;{SIGNED};UseDevelopmentEmulator=true",
        f"{EMULATOR.removesuffix('true')}True",
        f"Endpoint=sb://localhost;{SIGNED}",
    ],
)
def test_a_connection_string_that_cannot_be_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(BusMisconfigured, match="SERVICE_BUS_CONNECTION") as caught:
        BusConnection(settings(SERVICE_BUS_CONNECTION=text))

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [f"sb://{HOST}", f"https://{HOST}/", f"{HOST}:5671", f"{HOST}/hunter2", "hunter2", "10.0.0.1", "a..b", "-a.b"],
)
def test_a_host_name_that_cannot_be_is_refused_and_not_shown(host: str) -> None:
    with pytest.raises(BusMisconfigured, match="SERVICE_BUS_FQDN") as caught:
        BusConnection(settings(SERVICE_BUS_FQDN=host), credential=FakeCredential())

    assert "hunter2" not in str(caught.value)


def test_neither_and_both_are_errors_that_name_the_settings() -> None:
    with pytest.raises(BusMisconfigured, match="SERVICE_BUS_CONNECTION or SERVICE_BUS_FQDN"):
        BusConnection(settings())
    with pytest.raises(BusMisconfigured, match="SERVICE_BUS_CONNECTION and SERVICE_BUS_FQDN"):
        BusConnection(settings(SERVICE_BUS_CONNECTION=WITH_KEY, SERVICE_BUS_FQDN=HOST))


def test_no_secret_is_in_a_repr_or_the_address() -> None:
    found = settings(SERVICE_BUS_CONNECTION=WITH_KEY)
    connection = BusConnection(found)

    assert "aHVudGVyMg" not in f"{found!r}{connection!r}{connection.address}{service_bus_client(found)!r}"


def test_the_administration_of_a_bus_is_asked_with_tls_and_a_token() -> None:
    transport, credential = Refusing(), FakeCredential()
    connection = BusConnection(settings(SERVICE_BUS_FQDN=HOST), credential=credential, limits=ONCE)

    with pytest.raises(ConnectionRefusedError):
        connection.administration(transport=transport).get_queue("tasks")

    assert transport.sent[0].url.startswith(f"https://{HOST}/tasks")
    assert transport.sent[0].headers["Authorization"] == "Bearer hunter2"
    assert credential.scopes == ["https://servicebus.azure.net//.default"]


def test_the_administration_of_an_emulator_is_asked_where_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    urls: list[str] = []

    def send(self: object, request: Any, **more: Any) -> Any:
        urls.append(request.url)
        raise ConnectionRefusedError

    monkeypatch.setattr("azure.core.pipeline.transport.RequestsTransport.send", send)
    for host in ("127.0.0.1:5699", "localhost"):
        text = EMULATOR.replace("127.0.0.1:5699", host)
        connection = BusConnection(settings(SERVICE_BUS_CONNECTION=text), limits=ONCE)
        bus = AzureServiceBus(connection, SystemClock())
        assert isinstance(bus.queue_properties("tasks"), PropertiesUnavailable)
        bus.close()

    assert [url.partition("/tasks")[0] for url in urls] == ["http://127.0.0.1:5699", "http://localhost:5300"]


def test_the_sdk_tries_again_a_bounded_number_of_times() -> None:
    options = CallLimits().options()

    waits = [options["retry_backoff_factor"] * 2**number for number in range(1, options["retry_total"] + 1)]
    assert len(waits) == 2
    assert sum(waits) < 1
    assert options["try_timeout"] * (1 + len(waits)) <= 60


def test_who_signs_in_with_a_key_pays_nothing_for_identities() -> None:
    code = (
        "import sys; from infrastructure.settings import Settings; "
        "from infrastructure.service_bus.bus import AzureServiceBus; "
        "from infrastructure.service_bus.connection import BusConnection; "
        f"BusConnection(Settings.from_environment({{'SERVICE_BUS_CONNECTION': {WITH_KEY!r}}})).client(); "
        "assert 'azure.identity' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
