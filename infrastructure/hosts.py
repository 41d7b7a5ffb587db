"""Which hosts are this machine: what goes there may go without TLS, and needs no proxy."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str | None) -> bool:
    if host is not None and host.lower() == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False
