"""The last look at what is shown: no value that signs in anywhere may be in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from infrastructure.settings import Settings

HIDDEN = "[hidden]"
SHORTEST = 4
"""Characters. What is shorter would hide half of all words, and protects nothing."""

_SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|KEY|CONNECTION(_?STRING)?|DATABASE_URL)$", re.IGNORECASE
)
_SECRET_PART = re.compile(
    r"(?:AccountKey|SharedAccessKey|SharedAccessSignature|password|pwd|sig)\s*=\s*('[^']*'|[^;&\s]+)", re.IGNORECASE
)


def secrets_of(variables: Mapping[str, str]) -> frozenset[str]:
    """The values of variables that are secret by their setting or name, and the keys and passwords within any."""
    found = {part for name, value in variables.items() for part in _secrets(name, value)}
    return frozenset(part for part in found if len(part) >= SHORTEST)


def hidden(text: str, secrets: frozenset[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _secrets(name: str, value: str) -> Iterator[str]:
    if name in SECRET_SETTINGS or _SECRET_NAME.search(name):
        yield value.strip()
    for part in _SECRET_PART.findall(value):
        yield part.strip("'")
    with suppress(ValueError):
        password = urlsplit(value.strip()).password
        if password:
            yield password
            yield unquote(password)


SECRET_SETTINGS = frozenset(str(field.alias) for field in Settings.model_fields.values() if not field.repr)
