"""Which variables are secrets, and which of them the child needs that reads what strangers sent."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from infrastructure.settings import Settings

NEEDED = ("storage_connection_string", "document_password_keys", "portal_keys")
"""Settings: what blobs are reached with, and what opens the password of a document and files that are sealed."""


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without the secrets that the child has no use for: it reads hostile files, and blobs alone."""
    withheld = _secrets() - {str(Settings.model_fields[name].alias) for name in NEEDED}
    return {name: value for name, value in environment.items() if name not in withheld}


def forget_secrets(environment: MutableMapping[str, str]) -> None:
    """Once the settings are read: what a task starts, such as Tesseract, has no secret then."""
    for name in _secrets() & environment.keys():
        del environment[name]


def _secrets() -> set[str]:
    return {str(field.alias) for field in Settings.model_fields.values() if not field.repr}
