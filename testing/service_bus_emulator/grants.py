"""What a connection may do: by the key that it came with, and by its tokens until they expire."""

from __future__ import annotations

from datetime import datetime

from testing.service_bus_emulator.amqp.errors import RESOURCE_LIMIT_EXCEEDED, UNAUTHORIZED_ACCESS, LinkError
from testing.service_bus_emulator.cbs import Claim, Grant, Right

MAX_GRANTS = 1000


class Grants:
    def __init__(self) -> None:
        self.rights: frozenset[Right] = frozenset()
        """For every path, for ever."""
        self.next_expiry: datetime | None = None
        self._by_path: dict[str, Grant] = {}

    def add(self, grant: Grant) -> None:
        """In place of what the path had. Raises :class:`LinkError`."""
        if len(self._by_path) >= MAX_GRANTS and grant.path not in self._by_path:
            raise LinkError(RESOURCE_LIMIT_EXCEEDED, f"{MAX_GRANTS} tokens are enough for one connection")
        self._by_path[grant.path] = grant
        self._look_ahead()

    def check(self, claim: Claim, now: datetime) -> None:
        """Raises :class:`LinkError`."""
        if not self.rights.isdisjoint(claim.rights):
            return
        if not any(grant.covers(claim) and now < grant.expires_at for grant in self._by_path.values()):
            wanted = " or ".join(f"'{right.value}'" for right in claim.rights)
            raise LinkError(
                UNAUTHORIZED_ACCESS, f"Unauthorized access. {wanted} claim(s) are required to perform this operation."
            )

    def expire(self, now: datetime) -> None:
        self._by_path = {path: grant for path, grant in self._by_path.items() if now < grant.expires_at}
        self._look_ahead()

    def _look_ahead(self) -> None:
        self.next_expiry = min((grant.expires_at for grant in self._by_path.values()), default=None)
