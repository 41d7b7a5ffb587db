"""What is sealed with the keys that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.ports import BlobStore, Clock
from core.system import SystemClock
from handlers.portal.sealing import SealedStore
from infrastructure.lazy import Lazy
from infrastructure.sealed.keys import KeyRing, KeyWrapper, parse_local_keys
from infrastructure.sealed.store import SealedBlobStore
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def key_ring(settings: Settings, clock: Clock, credential: TokenCredential | None = None) -> KeyRing:
    """A vault's keys before those of the environment: the first key of all seals. No vault is asked yet.

    ``credential`` replaces Azure's own chain where a vault is named. Raises :class:`SettingsInvalid`.
    """
    places: list[KeyWrapper] = []
    if settings.portal_vault_keys:
        from infrastructure.sealed.key_vault import KeyVaultKeys  # noqa: PLC0415 - an SDK that few need
        from infrastructure.tokens import default_credential  # noqa: PLC0415 - as above

        signs_in = credential or default_credential()
        places += [KeyVaultKeys(url, signs_in, clock) for url in settings.portal_vault_keys]
    local = parse_local_keys(settings.portal_local_keys)
    return KeyRing([*places, local] if local else places)


def sealed_over(settings: Settings) -> Callable[[BlobStore], SealedStore]:
    """A sealed store over any blobs, such as those of a task. The keys are looked at when the first is made, which
    raises :class:`SettingsInvalid`.
    """
    keys = Lazy(lambda: key_ring(settings, SystemClock()))
    return lambda blobs: SealedBlobStore(blobs, keys())
