"""Which hosts documents are fetched from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

import httpx

from infrastructure.outbound.addresses import Address, is_never_reached, is_public
from infrastructure.outbound.urls import host_of, is_under, plain_url, port_of
from infrastructure.settings import SettingsInvalid

ANY = "*."


@dataclass(frozen=True, slots=True)
class FetchHost:
    """A scheme, a port, and a host in the form in which it is looked up, or ``*.`` before a domain for all under it."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parsed(cls, text: str) -> FetchHost:
        """``[SCHEME://]HOST[:PORT]``, by default of https and its port. Raises :class:`SettingsInvalid`."""
        scheme, found, rest = text.partition("://")
        if not found:
            scheme, rest = "https", text
        any_under = rest.startswith(ANY)
        try:
            url = plain_url(f"{scheme}://{rest.removeprefix(ANY)}")
        except ValueError as error:
            raise SettingsInvalid(f"DOCUMENT_FETCH_HOSTS: {text}: {error}") from error
        if url.raw_path != b"/" or (any_under and "." not in host_of(url)):
            raise SettingsInvalid(f"DOCUMENT_FETCH_HOSTS: {text}: a host, or *. before a domain of two labels or more")
        return cls(url.scheme, (ANY if any_under else "") + host_of(url), port_of(url))

    def has(self, url: httpx.URL) -> bool:
        host = host_of(url)
        listed = host == self.host or is_under(host, self.host)
        return listed and url.scheme == self.scheme and port_of(url) == self.port


@dataclass(frozen=True, slots=True)
class FetchHosts:
    """The hosts, and the networks that are not public and may be reached all the same."""

    hosts: Sequence[FetchHost]
    networks: Sequence[IPv4Network | IPv6Network]

    @classmethod
    def parsed(cls, hosts: Iterable[str], networks: Iterable[str]) -> FetchHosts:
        """Raises :class:`SettingsInvalid`."""
        try:
            allowed = tuple(map(ip_network, networks))
        except ValueError as error:
            raise SettingsInvalid(f"DOCUMENT_FETCH_NETWORKS: {error}") from error
        return cls(tuple(map(FetchHost.parsed, hosts)), allowed)

    def have(self, url: httpx.URL) -> bool:
        return any(one.has(url) for one in self.hosts)

    def may_reach(self, _host: str, address: Address) -> bool:
        """Whatever the host: a name that is listed is not said to be of our networks."""
        if any(address in network for network in self.networks):
            return not is_never_reached(address)
        return is_public(address)
