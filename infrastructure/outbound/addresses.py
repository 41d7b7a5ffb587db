"""Where a name leads, and which of that is nobody's business but the network's own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Thread

NAT64 = IPv6Network("64:ff9b::/96")

NEVER = tuple(
    map(ip_network, ("168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::/32", "fec0::/10", "64:ff9b:1::/48"))
)
"""Where the machines of Azure, Oracle, Alibaba and AWS are told secrets, besides link-local addresses; and addresses
that hold another one in a way that the network alone knows.
"""

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


class LeadsInside(Exception):
    """A name leads to an address that is not to be reached from here."""


def resolved(host: str, port: int) -> list[str]:
    """The addresses of ``host``, each once. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("not a name that can be looked up") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def innermost(address: Address) -> Address:
    """The IPv4 address within one of IPv6, where it has one."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_never_reached(address: Address) -> bool:
    """Whether an innermost address is one that machines and networks have for themselves, as for the metadata of a
    cloud. No setting opens these.
    """
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return True
    return any(address in network for network in NEVER)


def is_public(address: Address) -> bool:
    """Whether an innermost address is one that anybody may reach."""
    return address.is_global and not address.is_reserved and not is_never_reached(address)


@dataclass(frozen=True, slots=True)
class Pinned:
    """Where the calls to a host go: it is looked up once a connection, and all that it leads to has to be allowed.

    ``may_reach`` is given the host and an innermost address.
    """

    may_reach: Callable[[str, Address], bool]
    resolve: Resolve = resolved

    def addresses(self, host: str, port: int, seconds: float) -> Sequence[str]:
        """Raises OSError, with TimeoutError after ``seconds``, and :class:`LeadsInside`."""
        found = self._looked_up(host, port, seconds)
        if not found:
            raise OSError("the name has no address")
        if not all(self.may_reach(host, innermost(ip_address(one))) for one in found):
            raise LeadsInside
        return found

    def _looked_up(self, host: str, port: int, seconds: float) -> Sequence[str]:
        """In a thread of its own: the system's resolver takes no timeout."""
        answer: Future[Sequence[str]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self.resolve(host, port))
            except OSError as error:
                answer.set_exception(error)

        Thread(target=ask, name="lookup", daemon=True).start()
        return answer.result(seconds)
