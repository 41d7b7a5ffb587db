"""Keys that seal what is kept: none, such as cannot be, and those that are gone while something is sealed by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.system import SystemClock
from infrastructure.password_seal import parse_password_keys
from infrastructure.sealed.ring import key_ring
from infrastructure.settings import Settings, SettingsInvalid
from local.doctor.facts import Facts, StorageTold
from local.doctor.findings import Code, Finding, error, note

PORTAL, VAULT, PASSWORDS = "PORTAL_KEYS", "PORTAL_KEY_VAULT_KEYS", "DOCUMENT_PASSWORD_KEYS"

MADE_BY = 'python -c "import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())"'
"""What prints a key."""


def invalid_keys(facts: Facts) -> Iterator[Finding]:
    for about, fix, make in (
        (PORTAL, f"give each key as ID=KEY, made by {MADE_BY}", _portal_keys),
        (PASSWORDS, f"give keys that {MADE_BY} makes", _password_keys),
    ):
        problem = _problem(make, facts.settings.settings)
        if problem is not None:
            name, _, rule = problem.partition(": ")
            yield error(Code.KEYS_INVALID, name or about, f"what needs a key fails: it takes {rule}", fix)


def _problem(make: Callable[[Settings], object], settings: Settings) -> str | None:
    try:
        make(settings)
    except SettingsInvalid as refused:
        return refused.message
    return None


def _portal_keys(settings: Settings) -> None:
    key_ring(settings, SystemClock()).close()


def _password_keys(settings: Settings) -> None:
    parse_password_keys(settings.password_keys)


def missing_keys(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings.settings
    if not (settings.portal_local_keys or settings.portal_vault_keys):
        yield note(
            Code.KEYS_MISSING,
            f"{PORTAL} or {VAULT}",
            "there is no key to seal files of portals with: process_document and uploads by link fail",
            f"set {PORTAL} to 1=KEY for every process, the key made by {MADE_BY}",
        )
    if not settings.password_keys:
        yield note(
            Code.KEYS_MISSING,
            PASSWORDS,
            "there is no key to seal passwords with: a job with the password of a document is refused",
            f"set {PASSWORDS} for every process, to what {MADE_BY} makes",
        )


def removed_keys(facts: Facts) -> Iterator[Finding]:
    """Of keys that cannot be nothing is known."""
    if not isinstance(facts.storage, StorageTold) or _problem(_portal_keys, facts.settings.settings) is not None:
        return
    ring = key_ring(facts.settings.settings, SystemClock())
    for key_id in sorted(key_id for key_id in facts.storage.sealed_by if not ring.has(key_id)):
        yield error(
            Code.KEY_REMOVED,
            VAULT if key_id.startswith("vault:") else PORTAL,
            f"files are sealed by the key {key_id}, which is not configured: nobody can open them",
            f"put the key {key_id} back behind the others, and wrap its files anew before it goes: "
            "python -m infrastructure.sealed",
        )


KEYS = (invalid_keys, missing_keys, removed_keys)
