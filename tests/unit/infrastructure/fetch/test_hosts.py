from __future__ import annotations

from ipaddress import ip_address

import pytest

from infrastructure.fetch.hosts import FetchHost, FetchHosts
from infrastructure.outbound.addresses import innermost
from infrastructure.outbound.urls import plain_url
from infrastructure.settings import SettingsInvalid

HOSTS = FetchHosts.parsed(
    (
        "files.example",
        "*.blobs.example",
        "ports.example:8443",
        "http://plain.example",
        "HTTP://Plain.example:8080",
        "bücher.example",
        "93.184.216.34",
        "[2606:2800:220:1::1]",
    ),
    ("10.20.0.0/16", "fd12::/32", "169.254.0.0/16"),
)


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example/a?sig=b",
        "https://FILES.example:443/",
        "https://one.blobs.example/",
        "https://one.two.blobs.example/",
        "https://ports.example:8443/",
        "http://plain.example/",
        "http://plain.example:8080/",
        "https://bücher.example/",
        "https://xn--bcher-kva.example/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]/",
    ],
)
def test_hosts_that_are_listed(url: str) -> None:
    assert HOSTS.have(plain_url(url))


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/",
        "https://sub.files.example/",
        "https://notfiles.example/",
        "https://files.example.evil.example/",
        "https://blobs.example/",
        "https://evilblobs.example/",
        "http://files.example/",
        "http://files.example:443/",
        "https://files.example:8443/",
        "https://ports.example/",
        "https://ports.example:22/",
        "https://plain.example/",
        "http://plain.example:8081/",
        "http://one.blobs.example/",
        "https://93.184.216.35/",
        "https://1572395042/",
    ],
)
def test_hosts_that_are_not(url: str) -> None:
    assert not HOSTS.have(plain_url(url))


def test_nothing_is_listed_by_default() -> None:
    assert not FetchHosts.parsed((), ()).have(plain_url("https://files.example/"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "*.example",
        "*.*.example",
        "files.*.example",
        "https://",
        "ftp://files.example",
        "https://files.example/a",
        "https://files.example?a",
        "user@files.example",
        "files.example:0",
        "files.example:x",
        "two words",
    ],
)
def test_a_host_that_cannot_be_meant_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="DOCUMENT_FETCH_HOSTS"):
        FetchHost.parsed(text)


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "everything", "10.0.0.0/33"])
def test_a_network_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="DOCUMENT_FETCH_NETWORKS"):
        FetchHosts.parsed((), (text,))


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.20.1.2", True),
        ("::ffff:10.20.1.2", True),
        ("64:ff9b::a14:102", True),
        ("fd12::1", True),
        ("10.21.1.2", False),
        ("127.0.0.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("fd13::1", False),
    ],
)
def test_addresses_that_a_listed_host_may_lead_to(address: str, may: bool) -> None:
    assert HOSTS.may_reach("files.example", innermost(ip_address(address))) is may
