"""Which URLs can be called at all, and which hosts a list of hosts has."""

from __future__ import annotations

import re
from ipaddress import ip_address

import httpx

LONGEST_HOST = 253
"""Of a name, as RFC 1035 has it; a label has 63."""

DEFAULT_PORTS = {"https": 443, "http": 80}

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def plain_url(text: str) -> httpx.URL:
    """A URL of http or https that has nothing but a host, a port, a path and a query.

    Names of other alphabets are as they are looked up, ``xn--...``. Raises ValueError, which does not tell the URL.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError("not a URL") from error
    if url.scheme not in DEFAULT_PORTS or url.userinfo or url.fragment or not 0 < port_of(url) < 65_536:
        raise ValueError("not http or https, or with a user, a fragment or an impossible port")
    if not is_host(host_of(url)):
        raise ValueError("the host cannot be one")
    return url


def host_of(url: httpx.URL) -> str:
    """In lower case, without the brackets of an IPv6 address."""
    return url.raw_host.decode("ascii").lower()


def port_of(url: httpx.URL) -> int:
    return DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def is_host(host: str) -> bool:
    """Whether it is an address without a zone, or a name of letters, digits, hyphens and underscores."""
    if ":" in host:
        return "%" not in host and _is_address(host)
    return len(host) <= LONGEST_HOST and all(_LABEL.fullmatch(label) for label in host.split("."))


def is_under(host: str, pattern: str) -> bool:
    """Whether ``pattern`` is ``*.`` before a domain of two or more labels, and ``host`` a name under it."""
    return pattern.startswith("*.") and "." in pattern[2:] and host.endswith(pattern[1:])


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
