"""Atom feeds and entries, as Service Bus writes them. https://www.rfc-editor.org/rfc/rfc4287"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape, quoteattr

ATOM = "http://www.w3.org/2005/Atom"
CONNECT = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
COUNTS = "http://schemas.microsoft.com/netservices/2011/06/servicebus"

_FOREVER = "P10675199DT2H48M5.4775807S"
"""The longest that .NET's TimeSpan holds, which is how Service Bus says "never"."""

Content = str | int | bool | datetime | timedelta


def feed(url: str, title: str, now: datetime, entries: Sequence[str], rest: str | None = None) -> str:
    """``rest`` is where the next page is."""
    links = _link("self", url) + (_link("next", rest) if rest is not None else "")
    head = f'<title type="text">{escape(title)}</title>{elements({"id": url, "updated": now})}{links}'
    return element("feed", head + "".join(entries), ATOM)


def entry(url: str, title: str, at: datetime, content: str) -> str:
    head = f'<title type="text">{escape(title)}</title>{elements({"id": url, "published": at, "updated": at})}'
    return element("entry", head + _link("self", url) + f'<content type="application/xml">{content}</content>', ATOM)


def elements(values: Mapping[str, Content], prefix: str | None = None) -> str:
    """One element for each, in this order."""
    before = f"{prefix}:" if prefix is not None else ""
    return "".join(f"<{before}{name}>{escape(text(value))}</{before}{name}>" for name, value in values.items())


def element(name: str, content: str, namespace: str | None = None, declares: tuple[str, str] | None = None) -> str:
    """``content`` is XML. ``declares`` is a prefix with what it stands for within."""
    own = f" xmlns={quoteattr(namespace)}" if namespace is not None else ""
    other = f" xmlns:{declares[0]}={quoteattr(declares[1])}" if declares is not None else ""
    return f"<{name}{own}{other}>{content}</{name}>"


def text(value: Content) -> str:
    """As XML Schema writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, timedelta):
        return _duration(value)
    return str(value)


def _duration(value: timedelta) -> str:
    if value == timedelta.max:
        return _FOREVER
    minutes, whole = divmod(value.seconds, 60)
    seconds = f"{whole}.{value.microseconds:06}".rstrip("0").rstrip(".")
    parts = ((f"{minutes // 60}", "H"), (f"{minutes % 60}", "M"), (seconds, "S"))
    time = "".join(count + unit for count, unit in parts if count != "0")
    days = f"{value.days}D" if value.days else ""
    return f"P{days}T{time or '0S'}" if time or not days else f"P{days}"


def _link(relation: str, url: str) -> str:
    return f"<link rel={quoteattr(relation)} href={quoteattr(url)}/>"
