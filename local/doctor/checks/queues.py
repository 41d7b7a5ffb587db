"""How the queues are set up."""

from __future__ import annotations

from collections.abc import Iterator

from core.reconciler import ReconcilerPolicy
from local.doctor.checks.locks import told
from local.doctor.facts import BusTold, DatabaseTold, Facts, QueueAbsent, QueueTold, QueueUnreachable, QueueUntold
from local.doctor.findings import Code, Finding, error, note, warning

LEAST_DELIVERIES = 5
"""Each restart, lost lock or broken connection of a process costs a message one; Azure's default is 10."""

LETTERS_FIX = "python -m local dead-letters shows why; with replay it sends them again"

STALE_AFTER = ReconcilerPolicy().stale_after


def there(facts: Facts) -> Iterator[Finding]:
    for queue in facts.bus.queues if isinstance(facts.bus, BusTold) else ():
        match queue:
            case QueueAbsent(name):
                problem = "it does not exist: what is sent there fails, and the jobs stand still"
                fix = "make it, with a lock of 60 s, 10 deliveries and duplicate detection, or mend its setting's name"
                yield error(Code.QUEUE_MISSING, f"queue {name}", problem, fix)
            case QueueUnreachable(name, reason):
                problem = f"it does not answer: {reason}"
                yield error(Code.BUS_UNREACHABLE, f"queue {name}", problem, "look at the bus, its firewall and the key")
            case QueueUntold():
                continue
            case QueueTold():
                yield from _usable(queue)


def _usable(queue: QueueTold) -> Iterator[Finding]:
    if queue.status.lower() not in {"active", ""}:
        problem = f"it is {queue.status}: messages are not taken, or not given"
        yield error(Code.QUEUE_DISABLED, f"queue {queue.queue}", problem, "set its status to Active")
    if queue.sessions:
        problem = "it requires sessions, and our messages have none: each send fails"
        yield error(Code.QUEUE_NEEDS_SESSIONS, f"queue {queue.queue}", problem, "make it anew without sessions")


def untold(facts: Facts) -> Iterator[Finding]:
    """One finding for all that have the same reason."""
    queues = facts.bus.queues if isinstance(facts.bus, BusTold) else ()
    by_reason: dict[str, list[str]] = {}
    for queue in queues:
        if isinstance(queue, QueueUntold):
            by_reason.setdefault(queue.reason, []).append(queue.queue)
    for reason, names in by_reason.items():
        problem = f"how they are set up is not told, so locks and deliveries were not looked at: {reason}"
        fix = "look at them in the portal, or let the doctor's key or identity manage the namespace"
        yield note(Code.QUEUE_PROPERTIES_UNKNOWN, f"queues {', '.join(names)}", problem, fix)


def deliveries(facts: Facts) -> Iterator[Finding]:
    for queue in told(facts):
        if queue.deliveries < LEAST_DELIVERIES:
            yield error(
                Code.DELIVERY_COUNT_TOO_LOW,
                f"queue {queue.queue}",
                f"{queue.deliveries} deliveries: so many restarts or lost locks bury a message that is sound",
                "set its max delivery count to 10",
            )


def duplicates(facts: Facts) -> Iterator[Finding]:
    for queue in told(facts):
        if not queue.duplicate_window:
            yield warning(
                Code.DUPLICATES_NOT_DETECTED,
                f"queue {queue.queue}",
                "duplicate detection is off: what is published twice is delivered twice, which costs work and no more",
                "make it anew with duplicate detection, and a window of 10 minutes: it cannot be switched on later",
            )
        elif queue.duplicate_window >= STALE_AFTER:
            yield error(
                Code.DUPLICATE_WINDOW_TOO_LONG,
                f"queue {queue.queue}",
                f"it remembers ids for {queue.duplicate_window:.0f} s: a wake-up that was lost is sent again after "
                f"{STALE_AFTER:.0f} s under the same id, and is dropped",
                f"set the window to 10 minutes, and in any case to less than {STALE_AFTER:.0f} s",
            )


def sizes(facts: Facts) -> Iterator[Finding]:
    limit = facts.settings.settings.service_bus_max_message_bytes
    for queue in told(facts):
        if queue.max_message_bytes is not None and limit > queue.max_message_bytes:
            yield error(
                Code.MESSAGE_LIMIT_OVER_QUEUE,
                "SERVICE_BUS_MAX_MESSAGE_BYTES",
                f"{limit} bytes are allowed, and queue {queue.queue} takes {queue.max_message_bytes}: what is between "
                "is refused by the bus instead of going to blob storage",
                f"set it to {queue.max_message_bytes} or less",
            )


def expiry(facts: Facts) -> Iterator[Finding]:
    for queue in told(facts):
        if queue.time_to_live is not None and queue.time_to_live < STALE_AFTER:
            yield warning(
                Code.MESSAGES_EXPIRE_EARLY,
                f"queue {queue.queue}",
                f"messages end after {queue.time_to_live:.0f} s: a backlog loses its wake-ups, which are sent again "
                f"after {STALE_AFTER:.0f} s",
                "set its default time to live to a day or more",
            )


def letters(facts: Facts) -> Iterator[Finding]:
    for queue in told(facts):
        if queue.dead_letters:
            problem = f"{_count(queue.dead_letters)}: work that nobody could do"
            yield note(Code.DEAD_LETTERS_WAITING, f"queue {queue.queue}", problem, LETTERS_FIX)
    if isinstance(facts.database, DatabaseTold) and facts.database.letters:
        problem = f"{_count(facts.database.letters)} written down, and not sent again since"
        yield note(Code.DEAD_LETTERS_WAITING, "database", problem, LETTERS_FIX)


def _count(letters: int) -> str:
    return "1 dead letter" if letters == 1 else f"{letters} dead letters"


QUEUES = (there, untold, deliveries, duplicates, sizes, expiry, letters)
