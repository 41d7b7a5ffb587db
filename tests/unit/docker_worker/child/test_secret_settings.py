"""What the child is given of the worker's secrets, and what is left of them while it reads what strangers sent."""

from __future__ import annotations

import base64
import os

import pytest

from docker_worker.child import __main__ as program
from docker_worker.child.secret_settings import child_environment, forget_secrets

KEY = base64.b64encode(bytes(range(32))).decode("ascii")
NEEDED = {
    "AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true",
    "DOCUMENT_PASSWORD_KEYS": KEY,
    "PORTAL_KEYS": f"2026={KEY}",
}
WITHHELD = {"DATABASE_URL": "postgresql://u:p@h/d", "DOCKER_TRIGGER_KEYS": "sixteen letters!"}
OTHERS = {"PATH": "/bin", "STORAGE_CONTAINER": "c"}


def test_the_child_is_given_what_it_needs() -> None:
    given = child_environment(NEEDED | WITHHELD | OTHERS)

    assert NEEDED.items() <= given.items()
    assert OTHERS.items() <= given.items()
    assert "DATABASE_URL" not in given
    assert "DOCKER_TRIGGER_KEYS" not in given


def test_what_it_needs_is_forgotten_with_the_rest() -> None:
    environment = {**NEEDED, **OTHERS}

    forget_secrets(environment)

    assert environment == OTHERS


def test_nothing_that_a_task_starts_has_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are read by then, and the handlers made of them."""
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OCR_ENGINE", "test")
    seen: list[set[str]] = []
    monkeypatch.setattr(program, "serve", lambda *given, **more: seen.append(set(os.environ)))
    monkeypatch.setattr("infrastructure.logs.log_to_stderr", lambda *given: None)

    class NoChannel:
        pass

    program._serve(NoChannel())  # type: ignore[arg-type]

    assert len(seen) == 1
    assert not seen[0] & NEEDED.keys()
