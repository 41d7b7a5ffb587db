"""The last look at what operators are shown: nothing of it may open a door."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from pydantic import JsonValue

JsonMap: TypeAlias = Mapping[str, JsonValue]

HIDDEN = "[hidden]"

_NAME = re.compile(
    r"(password|passwd|secret|token|connection_?string|access_?key|account_?key|credential)$", re.IGNORECASE
)
_VALUE = re.compile(
    r"(AccountKey|SharedAccessKey|SharedAccessSignature|password|pwd|sig)\s*=|[a-z][a-z0-9+.-]*://[^/\s@]*:[^/\s@]+@",
    re.IGNORECASE,
)


def without_secrets(told: JsonMap) -> dict[str, JsonValue]:
    """``told`` without the values whose names, or whose own form, say that they are secret."""
    return {name: HIDDEN if value and _NAME.search(name) else _clean(value) for name, value in told.items()}


def _clean(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return HIDDEN if _VALUE.search(value) else value
    if isinstance(value, list):
        return [_clean(found) for found in value]
    if isinstance(value, dict):
        return without_secrets(value)
    return value
