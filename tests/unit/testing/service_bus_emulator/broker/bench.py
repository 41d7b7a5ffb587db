"""A queue with a clock that stands still, and short words for what tests do to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from testing.clock import FakeClock
from testing.service_bus_emulator.broker.message import Delivery, Message, ReceiveMode
from testing.service_bus_emulator.broker.queue import Queue, create_queue
from testing.service_bus_emulator.broker.rules import QueueRules

LOCK_SECONDS = 10.0


def message(
    name: str,
    *,
    session: str | None = None,
    size: int = 10,
    life: float | None = None,
    due: datetime | None = None,
) -> Message:
    """``name`` is its id and its payload; ``life`` is in seconds."""
    lives = None if life is None else timedelta(seconds=life)
    return Message(name.encode(), size, name, session, None, lives, due)


def names(deliveries: list[Delivery]) -> list[str]:
    return [one.stored.message.payload.decode() for one in deliveries]


class Bench:
    def __init__(
        self, *, window: float | None = None, life: float | None = None, queue: Queue | None = None, **settings: object
    ) -> None:
        self.clock = FakeClock()
        rules = QueueRules(
            lock_duration=timedelta(seconds=LOCK_SECONDS),
            duplicate_window=None if window is None else timedelta(seconds=window),
            default_time_to_live=None if life is None else timedelta(seconds=life),
            **settings,  # type: ignore[arg-type]
        )
        self.queue = queue or create_queue("q", rules)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def later(self, seconds: float) -> datetime:
        return self.now + timedelta(seconds=seconds)

    def send(self, *found: str | Message) -> list[int]:
        sent = [message(one) if isinstance(one, str) else one for one in found]
        return self.queue.send(sent, self.now)

    def receive(
        self,
        limit: int = 10,
        *,
        owner: str = "me",
        session: str | None = None,
        mode: ReceiveMode = ReceiveMode.PEEK_LOCK,
    ) -> list[Delivery]:
        return self.queue.receive(limit, self.now, mode=mode, owner=owner, session_id=session)

    def one(self, **how: object) -> Delivery:
        (only,) = self.receive(1, **how)  # type: ignore[arg-type]
        return only

    def deferred(self, *numbers: int, mode: ReceiveMode = ReceiveMode.PEEK_LOCK, owner: str = "me") -> list[Delivery]:
        return self.queue.receive_deferred(numbers, self.now, mode=mode, owner=owner)

    def dead(self) -> list[tuple[str, str | None]]:
        """Payload and reason of the dead letters, in order."""
        found = self.queue.dead_letter_queue.peek(0, 100, self.now)
        return [(one.message.payload.decode(), one.dead_letter.reason if one.dead_letter else None) for one in found]
