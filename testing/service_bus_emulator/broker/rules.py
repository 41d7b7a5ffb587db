"""A queue's settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

KILOBYTE = 1024
MEGABYTE = 1024 * KILOBYTE
MAX_LARGE_MESSAGE = 100 * MEGABYTE
"""What a Premium queue may be set to take in a single message."""


class Tier(Enum):
    STANDARD = "Standard"
    PREMIUM = "Premium"

    @property
    def message_bytes(self) -> int:
        """The largest message and the largest batch on this tier, bytes, unless the queue is set to take larger
        messages, which Premium can; a batch is never larger. Source: the quotas page of Service Bus."""
        return 256 * KILOBYTE if self is Tier.STANDARD else MEGABYTE


class EntityStatus(Enum):
    ACTIVE = "Active"
    DISABLED = "Disabled"
    SEND_DISABLED = "SendDisabled"
    RECEIVE_DISABLED = "ReceiveDisabled"

    @property
    def sends(self) -> bool:
        return self is EntityStatus.ACTIVE or self is EntityStatus.RECEIVE_DISABLED

    @property
    def receives(self) -> bool:
        return self is EntityStatus.ACTIVE or self is EntityStatus.SEND_DISABLED


@dataclass(frozen=True, slots=True)
class QueueRules:
    """The defaults are Service Bus's own, Standard tier; those of its emulator are :mod:`.config`'s.

    ``default_time_to_live`` is also the longest that a message can ask for; None is for ever. ``duplicate_window``
    None is no duplicate detection. ``max_message_bytes`` None is the tier's; ``max_size_bytes`` is the entity's quota.
    """

    lock_duration: timedelta = timedelta(seconds=60)
    max_delivery_count: int = 10
    default_time_to_live: timedelta | None = None
    dead_letter_on_expiration: bool = False
    duplicate_window: timedelta | None = None
    requires_session: bool = False
    tier: Tier = Tier.STANDARD
    max_message_bytes: int | None = None
    max_size_bytes: int = 1024 * MEGABYTE

    def __post_init__(self) -> None:
        if self.lock_duration <= timedelta(0) or self.max_delivery_count < 1:
            raise ValueError("a lock lasts a while, and a message is delivered at least once")
        largest = MAX_LARGE_MESSAGE if self.tier is Tier.PREMIUM else self.tier.message_bytes
        if not 0 < self.message_bytes <= largest:
            raise ValueError(f"a message of the {self.tier.value} tier has at most {largest} bytes")

    def for_dead_letters(self) -> QueueRules:
        """Those of the dead-letter queue: no sessions, no expiry, no duplicate detection."""
        return replace(self, requires_session=False, default_time_to_live=None, duplicate_window=None)

    @property
    def message_bytes(self) -> int:
        """The largest single message, bytes on the wire."""
        return self.tier.message_bytes if self.max_message_bytes is None else self.max_message_bytes

    @property
    def batch_bytes(self) -> int:
        """The largest batch, bytes on the wire: never more than the tier's."""
        return min(self.message_bytes, self.tier.message_bytes)
